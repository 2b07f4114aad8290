"""The sources of an environment: what is asked, of which API, how often, and how late its data is (facts §11).

None of them asks once per service: their number of calls is the same for 5 services and for 200 (DESIGN §8.13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from brconsole.domain.environment import Environment
from brconsole.domain.fleet import ColdStarts, RequestSeries, RevisionKey
from brconsole.domain.freshness import SourceInfo
from brconsole.domain.migration_view import MigrationView
from brconsole.domain.queue import DEFAULT_ALERT_DEPTH, QueueReport
from brconsole.domain.queue import report as queue_report
from brconsole.domain.requests import RequestTable
from brconsole.domain.series import Series, newest_end
from brconsole.domain.service import Change, Revision, Service
from brconsole.operations.alerts import AlertReader
from brconsole.operations.migration_reader import MigrationReader
from brconsole.operations.objectives import LONG_WINDOWS, ObjectiveReader, read_long_window
from brconsole.operations.ports import AuditLog, Cloud, CloudRun, Metrics
from brconsole.operations.reading import Answer, by_newest, closed_minute, joined, minute, sentence
from brconsole.operations.spend import BIGQUERY, SpendReader

RUN, MONITORING, LOGGING = "Cloud Run", "Cloud Monitoring", "Cloud Logging"

HISTORY_S = 3600
"""What the charts of the fleet show, in seconds."""
RECENT_S = 600
CHANGES_SINCE = timedelta(days=7)
CHANGES_LIMIT = 50

METRIC_AGE_S = 240.0
"""The lag of a metric as the console uses it: three minutes until it has arrived and up to one until its minute closes.
"""
AUDIT_LAG_S = 60.0
EXPORT_LAG_S = 86_400.0
"""The billing export is hours to a day late, without any promise (facts §8)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What makes the console look more often: a split under way, a service that changed a moment ago."""

    canary: bool = False
    changing: bool = False


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A source's API, how often it is read and how late its data is. Cadences are seconds of service time."""

    api: str
    idle_s: float
    canary_s: float | None = None
    changing_s: float | None = None
    lag_s: float = 0.0

    def cadence_s(self, pace: Pace) -> float:
        """How often it is read at a pace."""
        if pace.changing and self.changing_s is not None:
            return self.changing_s
        return self.canary_s if pace.canary and self.canary_s is not None else self.idle_s


_METRIC = Rhythm(MONITORING, 120, canary_s=60, lag_s=METRIC_AGE_S)
_BUDGET = Rhythm(MONITORING, 300, lag_s=METRIC_AGE_S)
_MINUTELY = Rhythm(MONITORING, 60, lag_s=METRIC_AGE_S)

RHYTHMS: Mapping[str, Rhythm] = {
    "services": Rhythm(RUN, 30, canary_s=10, changing_s=2),
    "revisions": Rhythm(RUN, 60),
    "requests": _METRIC,
    "latency": _METRIC,
    "instances": _METRIC,
    "cold_starts": _METRIC,
    "objectives": _BUDGET,
    **dict.fromkeys(LONG_WINDOWS, _BUDGET),
    "queues": _MINUTELY,
    "conditions": _MINUTELY,
    "changes": Rhythm(LOGGING, 60, lag_s=AUDIT_LAG_S),
    "quota": Rhythm(MONITORING, 86_400),
    "spend": Rhythm(BIGQUERY, 3600, lag_s=EXPORT_LAG_S),
    "migration": Rhythm(RUN, 120, canary_s=30),
    "latency_by_revision": _MINUTELY,
}

PART_OF: Mapping[str, str] = {"objectives": "slos", **dict.fromkeys(LONG_WINDOWS, "slos"), "conditions": "alerts"}
"""Source → the reading of the fleet that it is a part of, where it is none by itself; a reading's parts share one
rhythm.
"""
HOUSEKEEPING = frozenset({"quota"})
"""Sources that nobody looks at: the adapters keep what they answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """One loop's worth of reading."""

    name: str
    read: Callable[[datetime], Coroutine[Any, Any, Answer[Any]]]

    @property
    def rhythm(self) -> Rhythm:
        """How often, of whom and how late."""
        return RHYTHMS[self.name]


def of(environment: Environment, cloud: Cloud) -> tuple[Source, ...]:
    """The sources of an environment whose ports are given."""
    metrics = cloud.metrics
    sources = [
        Source("services", partial(_services, cloud.run)),
        Source("revisions", partial(_revisions, cloud.run)),
        Source("requests", partial(_requests, metrics)),
        Source("latency", partial(_latency, metrics)),
        Source("instances", partial(_instances, metrics)),
        Source("cold_starts", partial(_cold_starts, metrics)),
        Source("objectives", ObjectiveReader(cloud.slos).read),
        *(Source(name, partial(read_long_window, metrics, name)) for name in LONG_WINDOWS),
        Source("queues", partial(_queues, environment, metrics)),
        Source("conditions", AlertReader(environment, metrics).read),
        Source("changes", partial(_changes, cloud.audit)),
        Source("quota", partial(_quota, metrics)),
    ]
    if cloud.billing is not None:
        sources.append(Source("spend", SpendReader(environment, cloud.billing).read))
    if cloud.migrations is not None:
        sources.append(Source("migration", partial(_migration, cloud.migrations)))
    return tuple(sources)


def of_service(cloud: Cloud, service: str) -> Source:
    """What the page of one service wants beside the fleet."""
    return Source("latency_by_revision", partial(_latency_by_revision, cloud.metrics, service))


def expected(environment: Environment) -> tuple[str, ...]:
    """The sources that an environment will have, by its configuration alone."""
    spend = environment.budget is not None and environment.budget.export_table is not None
    beside = {"latency_by_revision", "migration"}
    return tuple(name for name in RHYTHMS if name not in beside and (spend or name != "spend"))


def infos(names: Iterable[str], least_cadence_s: Callable[[str], float] = lambda _: 0.0) -> dict[str, SourceInfo]:
    """What a face shows of sources: one entry a reading of the fleet.

    `least_cadence_s` tells below which cadence a source's loop cannot go, in service time: a second of real time
    (DESIGN §8.16) and as long as the source takes to answer. In a fast simulation that is longer than what is wished
    for, and data is not stale for it.
    """
    listed: dict[str, SourceInfo] = {}
    for name in names:
        if name not in HOUSEKEEPING:
            shown, rhythm = PART_OF.get(name, name), RHYTHMS[name]
            before_s = listed[shown].cadence_s if shown in listed else 0.0
            cadence_s = max(rhythm.idle_s, least_cadence_s(name), before_s)
            listed[shown] = SourceInfo(shown, rhythm.api, cadence_s, rhythm.lag_s)
    return listed


async def _services(run: CloudRun, now: datetime) -> Answer[tuple[Service, ...]]:
    return Answer(await run.services(), now)


async def _revisions(run: CloudRun, now: datetime) -> Answer[Mapping[str, tuple[Revision, ...]]]:
    return Answer(await run.revisions(), now)


async def _requests(metrics: Metrics, now: datetime) -> Answer[Mapping[RevisionKey, RequestSeries]]:
    end = closed_minute(now)
    rows = await metrics.requests(end, HISTORY_S, 60)
    return Answer(RequestTable(rows, end), newest_end(row.requests for row in rows.values()) or end)


async def _latency(metrics: Metrics, now: datetime) -> Answer[Mapping[str, Series]]:
    end = closed_minute(now)
    return by_newest(await metrics.latency_p95(end, HISTORY_S, 300), end)


async def _latency_by_revision(metrics: Metrics, service: str, now: datetime) -> Answer[Mapping[str, Series]]:
    end = closed_minute(now)
    return by_newest(await metrics.latency_p95_by_revision(service, end, HISTORY_S, 60), end)


async def _instances(metrics: Metrics, now: datetime) -> Answer[Mapping[str, Series]]:
    """Added over revisions, so a minute that has not arrived of all of them would be too low a number."""
    end = closed_minute(now)
    return by_newest(await metrics.instances(end, HISTORY_S, 60), end)


async def _cold_starts(metrics: Metrics, now: datetime) -> Answer[Mapping[str, ColdStarts]]:
    end = closed_minute(now)
    series = await metrics.cold_start_p95(end, 300, 300)
    starts = {service: ColdStarts(p95) for service, of in series.items() if (p95 := of.recent(300, end)) is not None}
    return Answer(starts, newest_end(series.values()) or end)


async def _queues(environment: Environment, metrics: Metrics, now: datetime) -> Answer[tuple[QueueReport, ...]]:
    """Depth and age are gauges of one writer a queue, so their newest point counts; what finished is counted up to the
    closed minute.
    """
    newest, closed = minute(now), closed_minute(now)
    depths, ages, finished = await asyncio.gather(
        metrics.queue_depth(newest, HISTORY_S, 60),
        metrics.queue_oldest_age_s(newest, RECENT_S, 60),
        metrics.jobs_finished(closed, RECENT_S, 60),
        return_exceptions=True,
    )
    if isinstance(depths, BaseException):
        raise depths
    errors = [sentence(MONITORING, part) for part in (ages, finished) if isinstance(part, BaseException)]
    age_by_queue = {} if isinstance(ages, BaseException) else ages
    finished_by_queue = {} if isinstance(finished, BaseException) else finished
    reports = []
    for name in sorted({*depths, *age_by_queue, *finished_by_queue}):
        settings = environment.queues.get(name)
        age = age_by_queue.get(name)
        reports.append(
            queue_report(
                name,
                depths.get(name),
                age.recent(300, closed) if age else None,
                finished_by_queue.get(name),
                settings.alert_depth if settings else DEFAULT_ALERT_DEPTH,
                at=closed,
            )
        )
    present = [
        end
        for report in reports
        if report.depth is not None and report.depth_history and (end := report.depth_history.newest_end())
    ]
    as_of = min(present) if present else newest_end(depths.values()) or closed
    return Answer(tuple(reports), as_of, joined(errors))


async def _changes(audit: AuditLog, now: datetime) -> Answer[tuple[Change, ...]]:
    return Answer(await audit.changes(now - CHANGES_SINCE, CHANGES_LIMIT), now)


async def _migration(reader: MigrationReader, now: datetime) -> Answer[MigrationView]:
    view = await reader.read()
    return Answer(view, now, view.error or None)


async def _quota(metrics: Metrics, now: datetime) -> Answer[Mapping[str, int]]:
    return Answer(await metrics.quota_limits(), now)
