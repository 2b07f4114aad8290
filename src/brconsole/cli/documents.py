"""A fleet as `status --json` prints it (schema `brconsole.status/1`, published as status.schema.json). Pure.

What is not known is null, never 0: a list is null where its source was never read and empty where it has nothing.
"""

from __future__ import annotations

from pathlib import Path

from brconsole.cli import rollout_document
from brconsole.cli.json_values import Document, moment, number
from brconsole.domain import rates
from brconsole.domain.alert import AlertReport
from brconsole.domain.findings import findings
from brconsole.domain.fleet import Fleet
from brconsole.domain.health import judge
from brconsole.domain.intent import intent_of
from brconsole.domain.queue import QueueReport
from brconsole.domain.service import Service
from brconsole.domain.slo import BURN_WINDOWS, SloReport

STATUS_SCHEMA = "brconsole.status/1"
STATUS_SCHEMA_FILE = Path(__file__).with_name("status.schema.json")
"""The schema in JSON Schema 2020-12."""


def status(fleet: Fleet, service: str | None = None) -> Document:
    """The whole snapshot; with `service` only the services and objectives of that name, the health being everyone's."""
    report = judge(fleet)
    services, slos = fleet.services.value, fleet.slos.value
    return {
        "schema": STATUS_SCHEMA,
        "environment": fleet.environment.name,
        "project": fleet.environment.project,
        "region": fleet.environment.region,
        "as_of": moment(fleet.now),
        "health": report.health.value,
        "reasons": list(report.reasons),
        "services": None
        if services is None
        else [_service(fleet, entry) for entry in services if service in (None, entry.name)],
        "slos": None if slos is None else [_slo(entry) for entry in slos if service in (None, entry.objective.service)],
        "queues": None if fleet.queues.value is None else [_queue(queue) for queue in fleet.queues.value],
        "spend": _spend(fleet),
        "alerts": None if fleet.alerts.value is None else [_alert(alert) for alert in fleet.alerts.value],
        "rollouts": rollouts(fleet, service),
        "migration": _migration(fleet),
        "sources": [
            {
                "name": name,
                "state": fleet.state(name).value,
                "as_of": moment(fleet.reading(name).as_of),
                "error": fleet.reading(name).error,
            }
            for name in fleet.sources
        ],
    }


def rollouts(fleet: Fleet, service: str | None = None) -> list[Document] | None:
    """The rollouts that the services' own records tell of, also ended ones; null where the services were never read.

    The gates are null: a snapshot evaluates none.
    """
    if fleet.services.value is None:
        return None
    listed: list[Document] = []
    for entry in fleet.services.value:
        intent = intent_of(entry)
        if intent is None or service not in (None, entry.name):
            continue
        known = fleet.revisions
        revisions = None if known.value is None or known.error else known.value.get(entry.name)
        found = () if fleet.now is None else findings(intent, entry, revisions, fleet.now)
        listed.append(rollout_document.rollout(fleet.environment.name, entry, intent, gates=None, found=found))
    return listed


def _migration(fleet: Fleet) -> Document:
    """`last_run` is when the newest run ended, or began where it is at work."""
    view = fleet.migration.value
    schema = None if view is None else view.schema
    run = None if view is None else view.last_run
    return {
        "applied": None if schema is None else schema.applied,
        "head": None if schema is None else schema.head,
        "pending": None if schema is None or schema.doubt else len(schema.pending),
        "last_run": None if run is None else moment(run.completed or run.created),
    }


def _service(fleet: Fleet, service: Service) -> Document:
    measured = rates.service_rates(fleet, service.name)
    return {
        "name": service.name,
        "uri": service.uri,
        "ready": service.ready,
        "pinned": service.pinned,
        "drift": service.drift,
        "reconciling": service.reconciling,
        "last_modifier": service.last_modifier,
        "updated": moment(service.updated),
        "traffic": [
            {
                "revision": row.revision,
                "desired_percent": row.desired_percent,
                "serving_percent": row.serving_percent,
                "tags": list(row.tags),
            }
            for row in service.traffic()
        ],
        "revisions": _revisions(fleet, service),
        "requests_per_s": number(measured.requests_per_s),
        "error_ratio": number(measured.error_ratio),
        "latency_p95_ms": number(measured.latency_p95_ms),
        "cold_start_p95_ms": number(measured.cold_start_p95_ms),
        "instances": number(measured.instances),
    }


def _revisions(fleet: Fleet, service: Service) -> list[Document] | None:
    if fleet.revisions.value is None:
        return None
    rows = {row.revision: row for row in service.traffic()}
    listed: list[Document] = []
    for revision in fleet.revisions.value.get(service.name, ()):
        row = rows.get(revision.name)
        listed.append(
            {
                "name": revision.name,
                "image": revision.image,
                "digest": revision.digest,
                "created": moment(revision.created),
                "ready": revision.ready,
                "reason": revision.reason,
                "serving_percent": 0 if row is None else row.serving_percent,
                "tags": [] if row is None else list(row.tags),
            }
        )
    return listed


def _slo(report: SloReport) -> Document:
    return {
        "service": report.objective.service,
        "name": report.objective.name,
        "goal": number(report.objective.goal),
        "period_days": report.objective.period_days,
        "budget_remaining_ratio": number(report.budget_remaining_ratio),
        "burn": {window: number(report.burn.get(window)) for window in BURN_WINDOWS},
        "status": report.status.value,
        "exhausts_at": moment(report.exhausts_at),
    }


def _queue(queue: QueueReport) -> Document:
    return {
        "name": queue.name,
        "depth": number(queue.depth),
        "oldest_age_s": number(queue.oldest_age_s),
        "arrivals_per_s": number(queue.arrivals_per_s),
        "drain_eta_s": number(queue.drain_eta_s),
        "status": queue.status.value,
    }


def _spend(fleet: Fleet) -> Document:
    spend = fleet.spend.value
    if spend is None:
        names = ("currency", "month_to_date", "budget", "forecast", "estimated", "as_of", "top", "daily")
        return dict.fromkeys(names)
    return {
        "currency": spend.currency,
        "month_to_date": number(spend.month_to_date),
        "budget": number(spend.budget),
        "forecast": number(spend.forecast),
        "estimated": number(spend.estimated),
        "as_of": moment(fleet.spend.as_of),
        "top": [{"service": service, "cost": number(cost)} for service, cost in spend.top],
        "daily": [{"date": day.isoformat(), "cost": number(cost)} for day, cost in spend.daily],
    }


def _alert(alert: AlertReport) -> Document:
    return {
        "policy": alert.policy,
        "state": alert.state.value,
        "since": moment(alert.since),
        "value": number(alert.value),
        "threshold": number(alert.threshold),
    }
