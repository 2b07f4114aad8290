"""Cloud Monitoring API v3: the metrics of a fleet, one grouped ListTimeSeries a metric, and its alert policies.

Facts: reference/google-cloud-facts.md §5. Windows end at a minute that the caller chose, so that consoles share
Google's caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from brconsole.domain.alert import Condition, Policy
from brconsole.domain.environment import Environment, QueueSettings
from brconsole.domain.fleet import RequestSeries, RevisionKey
from brconsole.domain.series import Series
from brconsole.domain.text import clean
from brconsole.gcp import grid, policies
from brconsole.gcp.apis import LIST_ALERT_POLICIES, LIST_TIME_SERIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.errors import UnreadableReplyError
from brconsole.gcp.filters import all_of, equals
from brconsole.gcp.grid import Grid
from brconsole.operations.failure import FailureKind, SourceFailure

_REQUESTS = "run.googleapis.com/request_count"
_LATENCIES = "run.googleapis.com/request_latencies"
_STARTUPS = "run.googleapis.com/container/startup_latencies"
_INSTANCES = "run.googleapis.com/container/instance_count"
_QUEUE_DEPTH = QueueSettings().metric
_QUEUE_AGE = "custom.googleapis.com/arq/oldest_age"
_JOBS = "custom.googleapis.com/arq/jobs"
_QUOTA_LIMIT = "serviceruntime.googleapis.com/quota/limit"

_SERVICE = "resource.labels.service_name"
_REVISION = "resource.labels.revision_name"
_LOCATION = "resource.labels.location"
_CLASS = "metric.labels.response_code_class"
_QUEUE = "metric.labels.queue"

_PAGE = 100_000
"""Points a page, the most there is."""
_DAY_S = 86_400
K = TypeVar("K")

_NO_SUCH_METRIC = "Cannot find metric"
"""How Monitoring's NOT_FOUND begins for a metric type without a descriptor; for a project it says otherwise."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How series are aligned and reduced, in Monitoring's names."""

    period_s: int
    aligner: str
    reducer: str = "REDUCE_NONE"
    group_by: Sequence[str] = ()

    def request(self) -> dict[str, Any]:
        """The `Aggregation` message."""
        return {
            "alignment_period": {"seconds": self.period_s},
            "per_series_aligner": self.aligner,
            "cross_series_reducer": self.reducer,
            "group_by_fields": list(self.group_by),
        }


class TimeSeriesReader:
    """ListTimeSeries: whole answers or none. Counts the series returned, which Google bills."""

    def __init__(self, caller: Caller, project: str) -> None:
        self._caller = caller
        self.name = f"projects/{project}"

    async def read(
        self, filter_: str, end: datetime, window_s: int, aggregation: Aggregation | None, resource: str
    ) -> list[Any]:
        """The raw TimeSeries messages of one call; `resource` says what it is about in an error.

        A metric that nobody has written yet has no series. Raises SourceFailure UNREADABLE for an answer that says of
        itself that it is incomplete.
        """
        try:
            return await self._whole(filter_, end, window_s, aggregation, resource)
        except SourceFailure as failure:
            if failure.kind is FailureKind.NOT_FOUND and _NO_SUCH_METRIC in failure.reason:
                return []
            raise

    async def _whole(
        self, filter_: str, end: datetime, window_s: int, aggregation: Aggregation | None, resource: str
    ) -> list[Any]:
        from google.cloud.monitoring_v3.services.metric_service import MetricServiceAsyncClient

        request: dict[str, Any] = {
            "name": self.name,
            "filter": filter_,
            "interval": {"start_time": end - timedelta(seconds=window_s), "end_time": end},
            "view": "FULL",
            "page_size": _PAGE,
        }
        if aggregation is not None:
            request["aggregation"] = aggregation.request()
        async with self._caller.call(LIST_TIME_SERIES, f"{self.name} {resource}") as call:
            client = await call.client(MetricServiceAsyncClient)
            pager = await client.list_time_series(request, **call.options)
            found: list[Any] = []
            async for page in call.pages(pager):
                for error in page.execution_errors:
                    raise UnreadableReplyError(f"the data is incomplete: {error.message}")
                found.extend(page.time_series)
            self._caller.quota.returned(len(found))
            return found


class MetricsReader:
    """The `Metrics` port."""

    def __init__(
        self, caller: Caller, series: TimeSeriesReader, environment: Environment, now: Callable[[], datetime | None]
    ) -> None:
        self._caller = caller
        self._series = series
        self._region = environment.region
        self._in_region = (equals("resource.type", "cloud_run_revision"), equals(_LOCATION, environment.region))
        self._now = now
        self._depth_metrics = sorted({_QUEUE_DEPTH, *(queue.metric for queue in environment.queues.values())})

    async def requests(self, end: datetime, window_s: int, period_s: int) -> Mapping[RevisionKey, RequestSeries]:
        """See Metrics. A minute without a point is 0 up to the newest point of the whole answer, unknown after it."""
        window = Grid(end, window_s, period_s)
        aggregation = Aggregation(period_s, "ALIGN_DELTA", "REDUCE_SUM", (_SERVICE, _REVISION, _CLASS))
        filter_ = all_of(equals("metric.type", _REQUESTS), *self._in_region)
        messages = await self._read(filter_, window, aggregation, _REQUESTS)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {_REQUESTS}"):
            rows = []
            for message in messages:
                labels, values = message.resource.labels, window.values(message)
                key = RevisionKey(labels["service_name"], labels["revision_name"])
                rows.append((key, values, values if message.metric.labels["response_code_class"] == "5xx" else ()))
            return request_series(window, rows)

    async def latency_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics."""
        aggregation = Aggregation(period_s, "ALIGN_DELTA", "REDUCE_PERCENTILE_95", (_SERVICE,))
        return await self._gauges(_LATENCIES, Grid(end, window_s, period_s), aggregation, self._in_region)

    async def latency_p95_by_revision(
        self, service: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, Series]:
        """See Metrics."""
        aggregation = Aggregation(period_s, "ALIGN_DELTA", "REDUCE_PERCENTILE_95", (_REVISION,))
        terms = (*self._in_region, equals(_SERVICE, service))
        return await self._gauges(_LATENCIES, Grid(end, window_s, period_s), aggregation, terms)

    async def cold_start_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics."""
        aggregation = Aggregation(period_s, "ALIGN_DELTA", "REDUCE_PERCENTILE_95", (_SERVICE,))
        return await self._gauges(_STARTUPS, Grid(end, window_s, period_s), aggregation, self._in_region)

    async def instances(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics."""
        aggregation = Aggregation(period_s, "ALIGN_MEAN", "REDUCE_SUM", (_SERVICE,))
        return await self._gauges(_INSTANCES, Grid(end, window_s, period_s), aggregation, self._in_region)

    async def queue_depth(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics. Every task of a worker reports the same queue, so the greatest report stands, not their sum."""
        window = Grid(end, window_s, period_s)
        aggregation = Aggregation(period_s, "ALIGN_MEAN", "REDUCE_MAX", (_QUEUE,))
        found = await asyncio.gather(*(self._gauges(metric, window, aggregation) for metric in self._depth_metrics))
        return {queue: series for depths in found for queue, series in depths.items()}

    async def queue_oldest_age_s(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics."""
        aggregation = Aggregation(period_s, "ALIGN_MAX", "REDUCE_MAX", (_QUEUE,))
        return await self._gauges(_QUEUE_AGE, Grid(end, window_s, period_s), aggregation)

    async def jobs_finished(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See Metrics. An interval without a point is 0 up to the newest point of the whole answer, unknown after
        it.
        """
        window = Grid(end, window_s, period_s)
        aggregation = Aggregation(period_s, "ALIGN_DELTA", "REDUCE_SUM", (_QUEUE,))
        found = await self._gauges(_JOBS, window, aggregation)
        newest = grid.newest_known(list(series.values) for series in found.values())
        return {
            queue: window.series(grid.with_zeros(list(series.values), newest), series.labels)
            for queue, series in found.items()
        }

    async def condition(self, condition: Condition, end: datetime, window_s: int) -> tuple[Series, ...]:
        """See Metrics."""
        window = Grid(end, window_s, condition.alignment_period_s)
        above = self._condition_rows(condition.filter, window, condition.aligner, condition.reducer, condition.group_by)
        if not condition.denominator_filter:
            return tuple(window.series(values, labels) for labels, values in await above)
        below = self._condition_rows(
            condition.denominator_filter,
            window,
            condition.denominator_aligner,
            condition.denominator_reducer,
            condition.denominator_group_by,
        )
        ratios = _ratios(*await asyncio.gather(above, below))
        return tuple(window.series(values, labels) for labels, values in ratios)

    async def policies(self) -> tuple[Policy, ...]:
        """See Metrics. A policy that the console cannot evaluate has no conditions, and so is unknown, never ok."""
        from google.cloud.monitoring_v3.services.alert_policy_service import AlertPolicyServiceAsyncClient

        async with self._caller.call(LIST_ALERT_POLICIES, self._series.name) as call:
            client = await call.client(AlertPolicyServiceAsyncClient)
            pager = await client.list_alert_policies({"name": self._series.name, "page_size": 1000}, **call.options)
            return tuple(
                [policies.policy(message) async for page in call.pages(pager) for message in page.alert_policies]
            )

    async def quota_limits(self) -> Mapping[str, int]:
        """See Metrics. What is read here also sets the console's own buckets.

        The metric is sampled once a day; a limit of the environment's region goes before a global one.
        """
        end = self._now()
        if end is None:
            raise SourceFailure(
                FailureKind.UNAVAILABLE,
                LIST_TIME_SERIES.api.title,
                _QUOTA_LIMIT,
                "the time of the simulation is not known yet",
                remedy="it asks again by itself",
            )
        end = end.replace(second=0, microsecond=0)
        fields = ("metric.labels.quota_metric", "metric.labels.limit_name", _LOCATION)
        window = Grid(end, 2 * _DAY_S, _DAY_S)
        aggregation = Aggregation(_DAY_S, "ALIGN_MAX", "REDUCE_MAX", fields)
        filter_ = all_of(equals("metric.type", _QUOTA_LIMIT), equals("resource.type", "consumer_quota"))
        found: dict[str, tuple[int, int]] = {}
        messages = await self._read(filter_, window, aggregation, _QUOTA_LIMIT)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {_QUOTA_LIMIT}"):
            for message in messages:
                newest = next((value for value in reversed(window.values(message)) if value is not None), None)
                labels = grid.labels(message)
                if newest is None or "PerMinute" not in labels["limit_name"]:
                    continue
                place = 1 if labels.get("location") == self._region else 0
                metric = labels["quota_metric"]
                best = found.get(metric)
                if best is None or place > best[0] or (place == best[0] and newest < best[1]):
                    found[metric] = (place, int(newest))
        limits = {metric: limit for metric, (_, limit) in found.items()}
        self._caller.quota.learn(limits)
        return limits

    async def _read(self, filter_: str, window: Grid, aggregation: Aggregation, resource: str) -> list[Any]:
        return await self._series.read(filter_, window.end, window.window_s, aggregation, resource)

    async def _gauges(
        self, metric: str, window: Grid, aggregation: Aggregation, terms: Sequence[str] = ()
    ) -> Mapping[str, Series]:
        """Series of a metric by the value of the one label they are grouped by."""
        label = aggregation.group_by[0].rpartition(".")[2]
        filter_ = all_of(equals("metric.type", metric), *terms)
        messages = await self._read(filter_, window, aggregation, metric)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {metric}"):
            rows = [(grid.labels(message).get(label, ""), window.values(message)) for message in messages]
        return {name: window.series(values, {label: name}) for name, values in rows if name}

    async def _condition_rows(
        self, filter_: str, window: Grid, aligner: str, reducer: str, group_by: Sequence[str]
    ) -> list[tuple[dict[str, str], list[float | None]]]:
        aggregation = Aggregation(window.period_s, aligner, reducer, group_by) if aligner != "ALIGN_NONE" else None
        resource = clean(filter_, 200)
        messages = await self._series.read(filter_, window.end, window.window_s, aggregation, resource)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {resource}"):
            return [(_subject(grid.labels(message), group_by), window.values(message)) for message in messages]


def request_series(
    window: Grid, rows: Sequence[tuple[K, Sequence[float | None], Sequence[float | None]]]
) -> dict[K, RequestSeries]:
    """Requests and, of them, bad ones, added up by key over rows of (key, all, bad).

    An interval without a point is 0 up to the newest point of all rows, unknown after it.
    """
    newest = grid.newest_known(list(values) for _, values, _ in rows)
    empty = grid.with_zeros([None] * window.length, newest)
    totals: dict[K, list[float | None]] = {}
    bad_ones: dict[K, list[float | None]] = {}
    for key, values, bad in rows:
        _add(totals.setdefault(key, list(empty)), values)
        _add(bad_ones.setdefault(key, list(empty)), bad)
    return {
        key: RequestSeries(window.series(total, {}), window.series(bad_ones[key], {})) for key, total in totals.items()
    }


def _add(total: list[float | None], values: Iterable[float | None]) -> None:
    for index, value in enumerate(values):
        if value is not None:
            total[index] = (total[index] or 0.0) + value


_SAME_EVERYWHERE = frozenset({"project_id", "location"})


def _subject(labels: Mapping[str, str], group_by: Sequence[str]) -> dict[str, str]:
    """The labels that tell the series of a condition apart, in the order it groups by."""
    if not group_by:
        return {name: value for name, value in sorted(labels.items()) if name not in _SAME_EVERYWHERE}
    names = [field.rpartition(".")[2].strip('"') for field in group_by]
    return {name: labels[name] for name in names if name in labels and name not in _SAME_EVERYWHERE}


_Rows = list[tuple[dict[str, str], list[float | None]]]


def _ratios(above: _Rows, below: _Rows) -> _Rows:
    """Numerators over denominators of the same labels.

    Where the denominator counts something the numerator's missing point is 0; where it counts nothing there is no
    ratio. A denominator that is grouped by nothing stands under every numerator.
    """
    numerators = {tuple(sorted(labels.items())): (labels, values) for labels, values in above}
    if len(below) == 1 and not below[0][0]:
        common = below[0][1]
        return [(labels, _divide(values, common)) for labels, values in above or [({}, [None] * len(common))]]
    ratios: _Rows = []
    for labels, values in below:
        _, counted = numerators.get(tuple(sorted(labels.items())), (labels, [None] * len(values)))
        ratios.append((labels, _divide(counted, values)))
    return ratios


def _divide(above: Iterable[float | None], below: Iterable[float | None]) -> list[float | None]:
    return [None if not under else (over or 0.0) / under for over, under in zip(above, below, strict=True)]
