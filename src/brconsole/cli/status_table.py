"""A fleet as tables for a person at a terminal. Foreign text is cleaned and never read as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from brconsole.cli import migration_text, rollout_text
from brconsole.cli.causes import by_cause
from brconsole.cli.terminal import Terminal
from brconsole.domain import rates
from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.freshness import Reading, SourceState
from brconsole.domain.health import failed_sources, judge
from brconsole.domain.queue import QueueReport, QueueStatus
from brconsole.domain.service import Service
from brconsole.domain.slo import BURN_WINDOWS, SloReport, SloStatus
from brconsole.domain.spend import SpendReport
from brconsole.domain.text import clean
from brconsole.tui import formats, glyphs

T = TypeVar("T")

_SHOWN_REVISIONS = 4
_WIDTH_OF_ALL = 90
"""Columns from which the table of services has room for cold starts."""
_LONGEST = 300
"""Characters of a reason or an error; the JSON has the rest."""
_GOOD, _WARN, _BAD, _QUIET = "green", "yellow", "bold red", "dim"

HEALTH_SIGNS = {
    Health.HEALTHY: (glyphs.GOOD, _GOOD),
    Health.DEGRADED: (glyphs.WARN, _WARN),
    Health.CRITICAL: (glyphs.BAD, _BAD),
    Health.UNKNOWN: (glyphs.UNKNOWN, _WARN),
}
_SLO_SIGNS = {
    SloStatus.OK: (glyphs.GOOD, _GOOD),
    SloStatus.SLOW_BURN: (glyphs.WARN, _WARN),
    SloStatus.FAST_BURN: (glyphs.BAD, _BAD),
    SloStatus.EXHAUSTED: (glyphs.BAD, _BAD),
    SloStatus.UNKNOWN: (glyphs.UNKNOWN, _WARN),
}
_QUEUE_SIGNS = {
    QueueStatus.OK: (glyphs.GOOD, _GOOD),
    QueueStatus.WARN: (glyphs.WARN, _WARN),
    QueueStatus.CRITICAL: (glyphs.BAD, _BAD),
    QueueStatus.UNKNOWN: (glyphs.UNKNOWN, _WARN),
}
_ALERT_SIGNS = {
    AlertState.OK: (glyphs.GOOD, _GOOD),
    AlertState.PENDING: (glyphs.PENDING, _WARN),
    AlertState.FIRING: (glyphs.BAD, _BAD),
    AlertState.UNKNOWN: (glyphs.UNKNOWN, _WARN),
}


def render(fleet: Fleet, terminal: Terminal, service: str | None = None) -> str:
    """The whole snapshot as lines no wider than the terminal; with `service`, only that service and its objectives."""
    return _drawn(_parts(fleet, service, terminal.width), terminal)


def render_rows(columns: Sequence[Column], rows: Iterable[Sequence[Text]], terminal: Terminal) -> str:
    """A plain table as lines no wider than the terminal."""
    return _drawn([_table(columns, rows)], terminal)


def _drawn(parts: Iterable[RenderableType], terminal: Terminal) -> str:
    page = StringIO()
    console = Console(
        file=page,
        width=terminal.width,
        force_terminal=terminal.colour,
        color_system="standard" if terminal.colour else None,
        no_color=not terminal.colour,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    text = "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").split("\n"))
    return glyphs.to_ascii(text) if terminal.ascii_only else text


def _parts(fleet: Fleet, only: str | None, width: int) -> Iterator[RenderableType]:
    yield _head(fleet)
    report = judge(fleet)
    glyph, style = HEALTH_SIGNS[report.health]
    missing = failed_sources(fleet)
    if report.health is Health.HEALTHY and missing:
        yield Text(
            f"{glyphs.PARTIAL} {report.health.value} as far as is known; {len(missing)} sources were not read", _WARN
        )
    else:
        yield Text(f"{glyph} {report.health.value}", style)
    for reason in report.reasons:
        yield Padding(Text(clean(reason, _LONGEST)), (0, 0, 0, 2))
    yield from _section("Services", fleet.services, lambda value: _services(fleet, value, only, width >= _WIDTH_OF_ALL))
    rollouts = list(rollout_text.of(fleet, only))
    if rollouts:
        yield Text("\nRollouts", "bold")
        for name, words in rollouts:
            yield Padding(Text(f"{clean(name, 40)}: {words}"), (0, 0, 0, 2))
    if "migration" in fleet.sources:
        yield from _section("Migrations", fleet.migration, lambda value: (Text(migration_text.told(value)),))
    if "slos" in fleet.sources:
        yield from _section("Error budgets", fleet.slos, lambda value: _slos(value, fleet.now, only))
    if "queues" in fleet.sources:
        yield from _section("Queues", fleet.queues, _queues)
    if "spend" in fleet.sources:
        yield from _section("Spend", fleet.spend, lambda value: _spend(value, fleet.spend.as_of, fleet.now))
    if "alerts" in fleet.sources:
        yield from _section("Alerts", fleet.alerts, lambda value: _alerts(value, fleet.now))
    yield from _sources(fleet)


def _head(fleet: Fleet) -> Text:
    environment = fleet.environment
    said = [environment.project, environment.region]
    if fleet.now is not None:
        said.append(f"{fleet.now:%Y-%m-%d %H:%M:%S} UTC")
    head = Text.assemble((clean(environment.name), "bold"), "  ", " · ".join(clean(part) for part in said))
    if fleet.simulated:
        head.append("  SIMULATED", "bold magenta")
    return head


def _section(
    title: str, reading: Reading[T], draw: Callable[[T], Iterable[RenderableType]]
) -> Iterator[RenderableType]:
    yield Text(f"\n{title}", "bold")
    if reading.value is not None:
        yield from (Padding(part, (0, 0, 0, 2)) for part in draw(reading.value))
    else:
        yield Padding(Text(f"{glyphs.UNKNOWN} not known, see Sources", _WARN), (0, 0, 0, 2))


def _services(
    fleet: Fleet, services: Sequence[Service], only: str | None, all_columns: bool
) -> Iterator[RenderableType]:
    titles = ("REQ/S", "5XX", "P95", "INST", "COLD") if all_columns else ("REQ/S", "5XX", "P95", "INST")
    columns = (_left(""), _left("SERVICE"), _left("TRAFFIC"), *(_right(title) for title in titles))
    shown = [service for service in services if only in (None, service.name)]
    if shown:
        yield _table(columns, (_service(fleet, service)[: len(columns)] for service in shown))
    else:
        yield Text("none")


def _service(fleet: Fleet, service: Service) -> tuple[Text, ...]:
    measured = rates.service_rates(fleet, service.name)

    def request(value: float | None, form: Callable[[float | None], str]) -> Text:
        return Text(formats.NOTHING if service.is_worker and value is None else form(value))

    no_cold_start = measured.cold_start_p95_ms is None and fleet.cold_starts.known
    glyph, style, notes = _standing(service)
    name = Text(clean(service.name, 40))
    if notes:
        name.append(f"\n{', '.join(notes)}", style)
    return (
        Text(glyph, style),
        name,
        _traffic(service),
        request(measured.requests_per_s, formats.rate),
        request(measured.error_ratio, formats.percent),
        request(measured.latency_p95_ms, formats.latency),
        Text(formats.count(measured.instances)),
        Text(formats.NOTHING if no_cold_start else formats.latency(measured.cold_start_p95_ms)),
    )


def _standing(service: Service) -> tuple[str, str, tuple[str, ...]]:
    """Glyph, colour and words of a service; the glyph is that of the worst word."""
    standing = (
        ("not ready", service.ready is False, glyphs.BAD, _BAD),
        ("drift", service.drift, glyphs.WARN, _WARN),
        ("pinned", service.pinned, glyphs.WARN, _WARN),
        ("reconciling", service.reconciling, glyphs.BUSY, _WARN),
        ("readiness unknown", service.ready is None and not service.reconciling, glyphs.UNKNOWN, _WARN),
    )
    holding = [(glyph, style, word) for word, holds, glyph, style in standing if holds]
    if not holding:
        return glyphs.GOOD, _GOOD, ()
    glyph, style, _ = holding[0]
    return glyph, style, tuple(word for _, _, word in holding)


def _traffic(service: Service) -> Text:
    rows = [row for row in service.traffic() if row.serving_percent or row.desired_percent]
    if not rows:
        return Text("none")
    lines = []
    for row in rows[:_SHOWN_REVISIONS]:
        name = clean(row.revision, 60).removeprefix(f"{service.name}-")
        line = f"{name} {formats.share(row.serving_percent)}"
        if row.serving_percent != row.desired_percent:
            line += f" → {formats.share(row.desired_percent)}"
        lines.append(line)
    if len(rows) > _SHOWN_REVISIONS:
        lines.append(f"and {len(rows) - _SHOWN_REVISIONS} more")
    return Text("\n".join(lines))


def _slos(slos: Sequence[SloReport], now: datetime | None, only: str | None) -> Iterator[RenderableType]:
    shown = [report for report in slos if only in (None, report.objective.service)]
    if not shown:
        yield Text("no objectives")
        return
    columns = (
        _left(""),
        _left("OBJECTIVE"),
        _right("LEFT"),
        *(_right(window.upper()) for window in BURN_WINDOWS),
        _right("RUNS OUT"),
    )
    yield _table(columns, (_slo(report, now) for report in shown))


def _slo(report: SloReport, now: datetime | None) -> tuple[Text, ...]:
    glyph, style = _SLO_SIGNS[report.status]
    objective = report.objective
    name = clean(objective.name.removeprefix(f"{objective.service}-"), 30)
    return (
        Text(glyph, style),
        Text(f"{clean(objective.service, 30)} {name} {objective.goal * 100:g} %"),
        Text(formats.whole_percent(report.budget_remaining_ratio), style),
        *(Text(formats.burn(report.burn.get(window))) for window in BURN_WINDOWS),
        Text(formats.NOTHING if report.exhausts_at is None else formats.moment(report.exhausts_at, now)),
    )


def _queues(queues: Sequence[QueueReport]) -> Iterator[RenderableType]:
    if not queues:
        yield Text("none")
        return
    columns = (_left(""), _left("QUEUE"), _right("DEPTH"), _right("OLDEST"), _right("IN/S"), _right("TREND"))
    yield _table(columns, (_queue(queue) for queue in queues))


def _queue(queue: QueueReport) -> tuple[Text, ...]:
    glyph, style = _QUEUE_SIGNS[queue.status]
    return (
        Text(glyph, style),
        Text(clean(queue.name, 40)),
        Text(formats.count(queue.depth), style if queue.status is not QueueStatus.OK else ""),
        Text(formats.duration(queue.oldest_age_s)),
        Text(formats.rate(queue.arrivals_per_s)),
        Text(formats.movement(queue)[0]),
    )


def _spend(spend: SpendReport, as_of: datetime | None, now: datetime | None) -> Iterator[RenderableType]:
    line = Text(formats.money(spend.month_to_date, spend.currency))
    if spend.budget is not None:
        line.append(f" of {formats.money(spend.budget, spend.currency)}, {formats.whole_percent(spend.share)}")
    line.append(f" · forecast {formats.money(spend.forecast, spend.currency)}")
    line.append(f" · as of {formats.moment(as_of, now)}", _QUIET)
    yield line
    if spend.top:
        yield Text(
            " · ".join(f"{clean(name, 40)} {formats.money(cost, spend.currency)}" for name, cost in spend.top), _QUIET
        )


def _alerts(alerts: Sequence[AlertReport], now: datetime | None) -> Iterator[RenderableType]:
    shown = [alert for alert in alerts if alert.state is not AlertState.OK]
    quiet = len(alerts) - len(shown)
    if shown:
        columns = (_left(""), _left("ALERT"), _left("STATE"), _left("SINCE"), _right("VALUE"), _right("LIMIT"))
        yield _table(columns, (_alert(alert, now) for alert in shown))
    if quiet or not shown:
        yield Text(f"{quiet} quiet" if alerts else "no policies", _QUIET)


def _alert(alert: AlertReport, now: datetime | None) -> tuple[Text, ...]:
    glyph, style = _ALERT_SIGNS[alert.state]
    name = clean(alert.policy, 60) + (f" ({clean(alert.subject, 40)})" if alert.subject else "")
    return (
        Text(glyph, style),
        Text(name),
        Text(alert.state.value, style),
        Text(formats.NOTHING if alert.since is None else formats.moment(alert.since, now)),
        Text(formats.UNKNOWN if alert.value is None else f"{alert.value:,.6g}"),
        Text(formats.UNKNOWN if alert.threshold is None else f"{alert.threshold:,.6g}"),
    )


def _sources(fleet: Fleet) -> Iterator[RenderableType]:
    states = {name: fleet.state(name) for name in fleet.sources}
    live = sum(state is SourceState.LIVE for state in states.values())
    yield Text.assemble(("\nSources", "bold"), f"  {live} live")
    failed = [name for name, state in states.items() if state in (SourceState.FAILED, SourceState.NEVER)]
    for names, cause in by_cause(fleet, failed):
        shown = ", ".join(f"{clean(name)} ({_last_good(fleet, name)})" for name in names)
        line = Text(f"{glyphs.PARTIAL} {shown}", _WARN).append(f": {clean(cause, _LONGEST)}", "default")
        yield Padding(line, (0, 0, 0, 2))
    for name, state in states.items():
        if state is SourceState.STALE:
            yield Padding(Text(f"{glyphs.STALE} {clean(name)}: stale, {_last_good(fleet, name)}", _WARN), (0, 0, 0, 2))


def _last_good(fleet: Fleet, name: str) -> str:
    reading = fleet.reading(name)
    return "never read" if reading.as_of is None else f"{formats.age(reading.age_s(fleet.now))} old"


def _left(title: str) -> Column:
    """Words: they go on in the next line where the terminal is narrow."""
    return Column(title, justify="left", overflow="fold")


def _right(title: str) -> Column:
    """Figures: a part of one would be another figure, so they keep their place."""
    return Column(title, justify="right", overflow="ellipsis", no_wrap=True)


def _table(columns: Sequence[Column], rows: Iterable[Sequence[Text]]) -> Table:
    table = Table(
        *columns,
        box=None,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style=_QUIET,
        collapse_padding=True,
    )
    for row in rows:
        table.add_row(*row)
    return table
