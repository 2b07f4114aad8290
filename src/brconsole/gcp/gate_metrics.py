"""Cloud Monitoring for the release gates: one service by revision, a minute at a time.

Facts: reference/google-cloud-facts.md §5.1, §5.3. Both arms of a canary come in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from typing import Any

from brconsole.domain.fleet import RequestSeries
from brconsole.domain.series import Series
from brconsole.gcp import grid
from brconsole.gcp.apis import LIST_TIME_SERIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.errors import UnreadableReplyError
from brconsole.gcp.filters import all_of, equals
from brconsole.gcp.grid import Grid
from brconsole.gcp.monitoring import Aggregation, TimeSeriesReader, request_series

REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
JOBS = "custom.googleapis.com/arq/jobs"
THRESHOLD_LABEL = "threshold_ms"
"""On the series of slow requests: the bucket bound that they are counted from, which may lie above what was asked."""

_REVISION = "resource.labels.revision_name"
_CLASS = "metric.labels.response_code_class"
_OUTCOME = "metric.labels.outcome"
_NEARLY = 1 - 1e-9


class GateMetricsReader:
    """The `GateMetrics` port."""

    def __init__(self, caller: Caller, series: TimeSeriesReader, region: str) -> None:
        self._caller = caller
        self._series = series
        self._region = region

    async def gate_requests(
        self, service: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        """See GateMetrics. A minute without a point is 0 up to the newest point of the whole answer, unknown after
        it.
        """
        window = Grid(end, window_s, period_s)
        messages = await self._of_service(REQUESTS, service, window, (_REVISION, _CLASS))
        with self._reading(REQUESTS):
            rows: list[tuple[str, Sequence[float | None], Sequence[float | None]]] = []
            for message in messages:
                values = window.values(message)
                failed = message.metric.labels["response_code_class"] == "5xx"
                rows.append((message.resource.labels["revision_name"], values, values if failed else ()))
            return request_series(window, rows)

    async def slow_requests(
        self, service: str, threshold_ms: float, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        """See GateMetrics.

        A distribution only tells how many lie in a bucket, so the threshold is raised to the next bound: what is
        counted was slower for certain. The series' label `threshold_ms` says which bound that is.
        """
        window = Grid(end, window_s, period_s)
        messages = await self._of_service(LATENCIES, service, window, (_REVISION,))
        with self._reading(LATENCIES):
            rows: list[tuple[str, Sequence[float | None], Sequence[float | None]]] = []
            counted_from: dict[str, float] = {}
            for message in messages:
                revision = message.resource.labels["revision_name"]
                totals: list[float | None] = [None] * window.length
                slow: list[float | None] = [None] * window.length
                for index, value in window.placed(message):
                    total, over, bound = _over(value, threshold_ms)
                    totals[index], slow[index] = total, over
                    if bound is not None:
                        counted_from[revision] = max(bound, counted_from.get(revision, 0.0))
                rows.append((revision, totals, slow))
            return {
                revision: _labelled(found, counted_from.get(revision, threshold_ms))
                for revision, found in request_series(window, rows).items()
            }

    async def job_outcomes(self, worker: str, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """See GateMetrics. An interval without a point is 0 up to the newest point of the whole answer."""
        window = Grid(end, window_s, period_s)
        filter_ = all_of(
            equals("metric.type", JOBS),
            equals("resource.type", "generic_task"),
            equals("resource.labels.location", self._region),
            equals("resource.labels.job", worker),
        )
        messages = await self._read(filter_, window, (_OUTCOME,), JOBS)
        with self._reading(JOBS):
            rows = [(message.metric.labels["outcome"], window.values(message)) for message in messages]
            newest = grid.newest_known(values for _, values in rows)
            return {
                outcome: window.series(grid.with_zeros(values, newest), {"outcome": outcome})
                for outcome, values in rows
            }

    async def _of_service(self, metric: str, service: str, window: Grid, group_by: Sequence[str]) -> list[Any]:
        filter_ = all_of(
            equals("metric.type", metric),
            equals("resource.type", "cloud_run_revision"),
            equals("resource.labels.service_name", service),
            equals("resource.labels.location", self._region),
        )
        return await self._read(filter_, window, group_by, metric)

    async def _read(self, filter_: str, window: Grid, group_by: Sequence[str], resource: str) -> list[Any]:
        aggregation = Aggregation(window.period_s, "ALIGN_DELTA", "REDUCE_SUM", group_by)
        return await self._series.read(filter_, window.end, window.window_s, aggregation, resource)

    def _reading(self, metric: str) -> Any:
        return self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {metric}")


def _labelled(found: RequestSeries, bound: float) -> RequestSeries:
    labels = {THRESHOLD_LABEL: f"{bound:g}"}
    return RequestSeries(replace(found.requests, labels=labels), replace(found.errors, labels=labels))


def _over(value: Any, threshold: float) -> tuple[float, float, float | None]:
    """All values of a distribution, those from the first bound at or above a threshold on, and that bound (None where
    the distribution is empty).
    """
    if value.WhichOneof("value") != "distribution_value":
        raise UnreadableReplyError("a point holds no distribution")
    found = value.distribution_value
    if not found.count:
        return 0.0, 0.0, None
    bounds, counts = _bounds(found.bucket_options), list(found.bucket_counts)
    if not bounds or sum(counts) != found.count or len(counts) > len(bounds) + 1:
        raise UnreadableReplyError("a distribution does not tell its buckets")
    place = next((index for index, bound in enumerate(bounds) if bound >= threshold * _NEARLY), len(bounds) - 1)
    # Bucket i ends below bound i, so those after it begin at the bound. Trailing empty buckets are left out.
    return float(found.count), float(sum(counts[place + 1 :])), bounds[place]


def _bounds(options: Any) -> list[float]:
    """The finite bounds of google.api.Distribution.BucketOptions."""
    which = options.WhichOneof("options")
    if which == "explicit_buckets":
        return list(options.explicit_buckets.bounds)
    if which == "linear_buckets":
        linear = options.linear_buckets
        return [linear.offset + linear.width * index for index in range(linear.num_finite_buckets + 1)]
    if which == "exponential_buckets":
        found = options.exponential_buckets
        return list(accumulate([found.scale] + [found.growth_factor] * found.num_finite_buckets, lambda a, b: a * b))
    return []
