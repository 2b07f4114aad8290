"""A fleet as sentences, one a line: for screen readers, for mail, for grep. No glyphs, no columns, no colour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from brconsole.cli import migration_text, rollout_text
from brconsole.cli.json_values import moment
from brconsole.domain import rates
from brconsole.domain.alert import AlertState
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading, SourceState
from brconsole.domain.health import judge
from brconsole.domain.queue import QueueReport
from brconsole.domain.service import Service
from brconsole.domain.slo import BURN_WINDOWS, SloReport
from brconsole.domain.text import clean

T = TypeVar("T")

UNKNOWN = "unknown"


def lines(fleet: Fleet, only: str | None = None) -> Iterator[str]:
    """The whole snapshot, each line readable by itself; with `only`, that service and its objectives."""
    environment = fleet.environment
    simulated = ", simulated" if fleet.simulated else ""
    yield (
        f"Environment {clean(environment.name)}, project {clean(environment.project)}, "
        f"region {clean(environment.region)}{simulated}, at {_at(fleet.now)}."
    )
    report = judge(fleet)
    yield f"Health: {report.health.value}."
    for reason in report.reasons:
        yield f"Reason: {clean(reason)}."
    yield from _unknown("services", fleet.services)
    for service in fleet.services.value or ():
        if only in (None, service.name):
            yield _service(fleet, service)
    for name, words in rollout_text.of(fleet, only):
        yield f"Rollout of {clean(name)}: {words}."
    if "migration" in fleet.sources:
        yield from _unknown("migrations", fleet.migration)
        if fleet.migration.value is not None:
            yield f"Migrations: {migration_text.told(fleet.migration.value)}."
    if "slos" in fleet.sources:
        yield from _unknown("objectives", fleet.slos)
        for slo in fleet.slos.value or ():
            if only in (None, slo.objective.service):
                yield _slo(slo)
    if "queues" in fleet.sources:
        yield from _unknown("queues", fleet.queues)
        yield from (_queue(queue) for queue in fleet.queues.value or ())
    if "spend" in fleet.sources:
        yield from _unknown("spend", fleet.spend)
        yield from _spend(fleet)
    if "alerts" in fleet.sources:
        yield from _unknown("alerts", fleet.alerts)
        yield from _alerts(fleet)
    yield from _sources(fleet)


def _unknown(what: str, reading: Reading[T]) -> Iterator[str]:
    if reading.value is None:
        yield f"The {what} are not known: {clean(reading.error or 'no answer yet')}."


def _service(fleet: Fleet, service: Service) -> str:
    measured = rates.service_rates(fleet, service.name)
    ready = {True: "ready", False: "not ready", None: "readiness unknown"}[service.ready]
    words = [ready]
    words += [word for word, holds in (("reconciling", service.reconciling), ("pinned", service.pinned)) if holds]
    split = []
    for row in service.traffic():
        if row.serving_percent or row.desired_percent:
            share = f"{clean(row.revision)} serves {_percent(row.serving_percent)}"
            if row.serving_percent != row.desired_percent:
                share += f" but {_percent(row.desired_percent)} was asked for"
            split.append(share)
    text = f"Service {clean(service.name)}: {', '.join(words)}. Traffic: {', '.join(split) or 'none'}."
    if not service.is_worker:
        text += (
            f" Requests {_figure(measured.requests_per_s)} per second,"
            f" errors {_ratio(measured.error_ratio)}, 95th percentile latency {_ms(measured.latency_p95_ms)}."
        )
    return f"{text} Cold start {_ms(measured.cold_start_p95_ms)}, instances {_figure(measured.instances)}."


def _slo(report: SloReport) -> str:
    objective = report.objective
    burn = ", ".join(f"{window} {_figure(report.burn.get(window))}" for window in BURN_WINDOWS)
    text = (
        f"Objective {clean(objective.service)} {clean(objective.name)}, {objective.goal * 100:g} percent:"
        f" {report.status.value.replace('_', ' ')}, budget left {_ratio(report.budget_remaining_ratio)},"
        f" burn rate {burn}."
    )
    return text if report.exhausts_at is None else f"{text} The budget runs out at {_at(report.exhausts_at)}."


def _queue(queue: QueueReport) -> str:
    drained = "not draining" if queue.drain_eta_s is None else f"drained in {_seconds(queue.drain_eta_s)}"
    return (
        f"Queue {clean(queue.name)}: {queue.status.value}, depth {_figure(queue.depth)}, oldest job"
        f" {_seconds(queue.oldest_age_s)}, arrivals {_figure(queue.arrivals_per_s)} per second, {drained}."
    )


def _spend(fleet: Fleet) -> Iterator[str]:
    spend = fleet.spend.value
    if spend is None:
        return
    budget = "no budget" if spend.budget is None else f"{spend.budget:,.0f} budgeted, {_ratio(spend.share)} of it"
    forecast = UNKNOWN if spend.forecast is None else f"{spend.forecast:,.0f}"
    yield (
        f"Spend this month: {spend.month_to_date:,.0f} {clean(spend.currency)}, {budget}, forecast {forecast}, "
        f"as of {_at(fleet.spend.as_of)}."
    )


def _alerts(fleet: Fleet) -> Iterator[str]:
    alerts = fleet.alerts.value
    if alerts is None:
        return
    for alert in alerts:
        if alert.state is not AlertState.OK:
            subject = f" for {clean(alert.subject)}" if alert.subject else ""
            since = "" if alert.since is None else f" since {_at(alert.since)}"
            yield (
                f"Alert {clean(alert.policy)}{subject}: {alert.state.value}{since}, value {_figure(alert.value)},"
                f" limit {_figure(alert.threshold)}."
            )
    yield f"Alerts that are quiet: {sum(alert.state is AlertState.OK for alert in alerts)} of {len(alerts)}."


def _sources(fleet: Fleet) -> Iterator[str]:
    for name in fleet.sources:
        state, reading = fleet.state(name), fleet.reading(name)
        if state is SourceState.LIVE:
            continue
        good = "never read" if reading.as_of is None else f"last good at {_at(reading.as_of)}"
        yield f"Source {clean(name)}: {state.value}, {good}" + (f", {clean(reading.error)}." if reading.error else ".")


def _at(at: datetime | None) -> str:
    return moment(at) or "an unknown time"


def _percent(percent: int | None) -> str:
    return UNKNOWN if percent is None else f"{percent} percent"


def _ratio(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio * 100:.3g} percent"


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ms(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f} milliseconds"


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f} seconds"
