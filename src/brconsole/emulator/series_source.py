"""Where ListTimeSeries reads from: the world's series, late as Google's are, and the quota limits.

Lateness: each metric of each project has a delay of its own, from 60 to 180 s (custom metrics, which a client pushes,
30 to 60 s); what is younger is not there yet.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from brconsole.emulator.alignment import Aggregation, Kind, ValueType, first_period_start
from brconsole.emulator.quota import Quotas
from brconsole.emulator.slo_accounting import CountIndex, SloSelector, reach_s, select
from brconsole.emulator.written_series import WrittenSeries, WrittenType
from brconsole.simulation.model import Project, RawSeries, Slo
from brconsole.simulation.world import World

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
QUOTA_LIMIT = "serviceruntime.googleapis.com/quota/limit"

RESOURCE_LABELS: Mapping[str, frozenset[str]] = {
    "cloud_run_revision": frozenset({"project_id", "service_name", "revision_name", "location", "configuration_name"}),
    "generic_task": frozenset({"project_id", "location", "namespace", "job", "task_id"}),
    "redis_instance": frozenset({"project_id", "region", "instance_id", "node_id"}),
    "consumer_quota": frozenset({"project_id", "service", "location"}),
    "aiplatform.googleapis.com/PublisherModel": frozenset(
        {"resource_container", "location", "publisher", "model_user_id", "model_version_id"}
    ),
    "global": frozenset({"project_id"}),
}
"""The labels of the monitored resources written against (cloud.google.com/monitoring/api/resources)."""

_ADDITIVE = frozenset({"ALIGN_DELTA", "ALIGN_RATE", "ALIGN_SUM"})
_SLO_METRIC = "run.googleapis.com/request_count"


@dataclass(frozen=True, slots=True)
class MetricType:
    """A metric type that there is."""

    kind: Kind
    value_type: ValueType
    resource_type: str


def delay_s(project: str, metric: str) -> float:
    """How old a point of a metric must be before a reader sees it."""
    spread = zlib.crc32(f"{project}/{metric}".encode()) / 2**32
    if metric.startswith(("custom.googleapis.com/", "workload.googleapis.com/")):
        return 30 + 30 * spread
    return 60 + 120 * spread


class SeriesSource:
    """Reads series of the world as they are visible at a moment."""

    def __init__(self, world: World, quotas: Quotas) -> None:
        self._world = world
        self._quotas = quotas
        self._written = WrittenSeries()
        self.types: dict[str, MetricType] = {
            **{metric: _metric_type(*description) for metric, description in world.metric_types().items()},
            QUOTA_LIMIT: MetricType("GAUGE", "INT64", "consumer_quota"),
        }

    def read(
        self, project: Project, metric: str, aggregation: Aggregation, start: float, end: float, now: float
    ) -> list[RawSeries]:
        """Raw series with the points that an aggregation over (start, end] needs, as visible at `now`."""
        low = first_period_start(start, end, aggregation.period_s) if aggregation.aligns else start
        high = min(end, now - delay_s(project.id, metric))
        if high <= low:
            return []
        if metric == QUOTA_LIMIT:
            return self._quota_limits(project, low, high)
        if self.types[metric].kind == "CUMULATIVE" and aggregation.aligns:
            low -= MINUTE_S  # the increment of the first period starts from the point before it
        merged: dict[tuple[object, ...], RawSeries] = {}
        for part_start, part_end, step_s in self._parts(metric, aggregation, low, high):
            for series in self._world.series(project.id, metric, part_start, part_end, step_s):
                key = (
                    series.resource_type,
                    *sorted(series.resource_labels.items()),
                    None,
                    *sorted(series.metric_labels.items()),
                )
                known = merged.get(key)
                merged[key] = replace(known, points=known.points + series.points) if known else series
        return [*merged.values(), *self._written.read(project.id, metric, low, high)]

    def write(self, project: Project, message: Any, now: float) -> None:
        """Store the point of a TimeSeries message; the first of a metric makes its descriptor. Raises
        RefusedSeriesError.
        """
        metric = message.metric.type
        described = self.types.get(metric)
        known = WrittenType(described.kind, described.value_type, described.resource_type) if described else None
        found = self._written.write(project, message, known, now)
        if described is None:
            self.types[metric] = MetricType(found.kind, found.value_type, found.resource_type)

    def _parts(
        self, metric: str, aggregation: Aggregation, low: float, high: float
    ) -> list[tuple[float, float, Literal[60, 3600]]]:
        """Which spans to read in minutes and which in hours.

        Whole hours do where increments are added up over periods of hours; the youngest hours are read in minutes,
        since an hour that is not over yet has no point of its own.
        """
        minutes: list[tuple[float, float, Literal[60, 3600]]] = [(low, high, 60)]
        if not aggregation.aligns or aggregation.period_s % HOUR_S:
            return minutes
        described = self.types[metric]
        additive = aggregation.aligner in _ADDITIVE or described.value_type == "DISTRIBUTION"
        if described.kind == "GAUGE":
            additive = high - low > 2 * DAY_S
        first_hour = math.floor(low / HOUR_S) * HOUR_S
        junction = math.floor(high / HOUR_S) * HOUR_S - HOUR_S
        if not additive or junction <= first_hour:
            return minutes
        if described.kind == "CUMULATIVE":
            first_hour -= HOUR_S  # as above: the point before
        return [(first_hour, junction, 3600), (junction, high, 60)]

    def _quota_limits(self, project: Project, low: float, high: float) -> list[RawSeries]:
        """One sample a day, as Google takes them (from memory, unverified)."""
        days = range(math.floor(low / DAY_S) + 1, math.floor(high / DAY_S) + 1)
        return [
            RawSeries(
                QUOTA_LIMIT,
                {"quota_metric": metric, "limit_name": limit.name},
                "consumer_quota",
                {
                    "project_id": project.id,
                    "service": limit.service,
                    "location": project.region if limit.regional else "global",
                },
                "GAUGE",
                "INT64",
                tuple((float(day * DAY_S), float(day * DAY_S), limit.value) for day in days),
            )
            for metric, limit in sorted(self._quotas.limits.items())
            if days
        ]

    def slo(self, project: Project, service: str, name: str) -> Slo | None:
        """An objective by its service and id."""
        for slo in self._world.slos(project.id):
            if slo.service == service and slo.name == name:
                return slo
        return None

    def read_slo(
        self,
        project: Project,
        slo: Slo,
        selector: SloSelector,
        aggregation: Aggregation,
        start: float,
        end: float,
        now: float,
    ) -> list[RawSeries]:
        """The series of an SLO selector, as visible at `now`."""
        low = first_period_start(start, end, aggregation.period_s) if aggregation.aligns else start
        high = min(end, now - delay_s(project.id, _SLO_METRIC))
        if high <= low:
            return []
        last = math.floor(high / MINUTE_S) * MINUTE_S
        oldest = math.floor((low - reach_s(selector, slo)) / HOUR_S) * HOUR_S
        # Minutes for what is looked at closely, hours before that: exact at every point of the last day.
        close = max(low - (selector.lookback_s or MINUTE_S), last - DAY_S)
        junction = max(oldest, math.floor(close / HOUR_S) * HOUR_S)
        counts = [
            *(self._world.slo_counts(slo, oldest, junction, HOUR_S) if junction > oldest else ()),
            *(self._world.slo_counts(slo, junction, last, MINUTE_S) if last > junction else ()),
        ]
        labels = {"project_id": project.id, "location": project.region, "service_name": slo.service}
        return select(selector, slo, CountIndex(oldest, counts), labels, low, high)


def _metric_type(kind: str, value_type: str, resource_type: str) -> MetricType:
    if kind not in {"GAUGE", "DELTA", "CUMULATIVE"} or value_type not in {"INT64", "DOUBLE", "BOOL", "DISTRIBUTION"}:
        raise ValueError(f"a metric of kind {kind} and type {value_type} is none that Monitoring has")
    return MetricType(kind, value_type, resource_type)  # type: ignore[arg-type]
