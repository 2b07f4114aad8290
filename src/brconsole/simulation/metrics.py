"""The metric types that the world writes, and their time series."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from brconsole.simulation import histogram as law
from brconsole.simulation.catalogue import REGION
from brconsole.simulation.demand import HOUR
from brconsole.simulation.instances import InstanceModel, Instances
from brconsole.simulation.model import Project, RawSeries, Value
from brconsole.simulation.platform import MODEL, Platform, VertexMinute
from brconsole.simulation.queues import Minute, QueueModel
from brconsole.simulation.requests import RequestSource

Kind = Literal["GAUGE", "DELTA", "CUMULATIVE"]
ValueType = Literal["INT64", "DOUBLE", "BOOL", "DISTRIBUTION"]
Point = tuple[float, float, Value]


@dataclass(frozen=True, slots=True)
class MetricType:
    """A metric descriptor, as far as the console needs it."""

    kind: Kind
    value_type: ValueType
    resource_type: str
    unit: str


_RUN = "cloud_run_revision"
_QUEUE = "generic_task"
_REDIS = "redis_instance"
_VERTEX = "aiplatform.googleapis.com/PublisherModel"

REQUEST_COUNT = "run.googleapis.com/request_count"
REQUEST_LATENCIES = "run.googleapis.com/request_latencies"
STARTUP_LATENCIES = "run.googleapis.com/container/startup_latencies"
INSTANCE_COUNT = "run.googleapis.com/container/instance_count"
BILLABLE_TIME = "run.googleapis.com/container/billable_instance_time"
QUEUE_DEPTH = "custom.googleapis.com/arq/queue_depth"
DEFERRED = "custom.googleapis.com/arq/deferred"
OLDEST_AGE = "custom.googleapis.com/arq/oldest_age"
JOBS = "custom.googleapis.com/arq/jobs"
JOB_RUNTIME = "custom.googleapis.com/arq/job_runtime"
REDIS_USAGE = "redis.googleapis.com/stats/memory/usage_ratio"
REDIS_SYSTEM = "redis.googleapis.com/stats/memory/system_memory_usage_ratio"
TOKENS = "aiplatform.googleapis.com/publisher/online_serving/token_count"
INVOCATIONS = "aiplatform.googleapis.com/publisher/online_serving/model_invocation_count"

TYPES: Mapping[str, MetricType] = {
    REQUEST_COUNT: MetricType("DELTA", "INT64", _RUN, "1"),
    REQUEST_LATENCIES: MetricType("DELTA", "DISTRIBUTION", _RUN, "ms"),
    STARTUP_LATENCIES: MetricType("DELTA", "DISTRIBUTION", _RUN, "ms"),
    INSTANCE_COUNT: MetricType("GAUGE", "INT64", _RUN, "1"),
    BILLABLE_TIME: MetricType("DELTA", "DOUBLE", _RUN, "s"),
    QUEUE_DEPTH: MetricType("GAUGE", "INT64", _QUEUE, "1"),
    DEFERRED: MetricType("GAUGE", "INT64", _QUEUE, "1"),
    OLDEST_AGE: MetricType("GAUGE", "DOUBLE", _QUEUE, "s"),
    JOBS: MetricType("CUMULATIVE", "INT64", _QUEUE, "1"),
    # A user-defined metric cannot be DELTA, so the exporter writes its histograms as CUMULATIVE.
    JOB_RUNTIME: MetricType("CUMULATIVE", "DISTRIBUTION", _QUEUE, "ms"),
    REDIS_USAGE: MetricType("GAUGE", "DOUBLE", _REDIS, "1"),
    REDIS_SYSTEM: MetricType("GAUGE", "DOUBLE", _REDIS, "1"),
    TOKENS: MetricType("DELTA", "INT64", _VERTEX, "1"),
    INVOCATIONS: MetricType("DELTA", "INT64", _VERTEX, "1"),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything in one project that writes metrics."""

    project: Project
    requests: tuple[RequestSource, ...]
    instances: tuple[InstanceModel, ...]
    queues: tuple[QueueModel, ...]
    platform: Platform


class _Collector:
    """Points by label set, in the order in which label sets first appear."""

    def __init__(self, metric: str, start: float, end: float, step_s: int) -> None:
        self.metric = metric
        self.step_s = step_s
        self.first = (math.floor(start / step_s) + 1) * step_s
        self.last = math.floor(end / step_s) * step_s
        self._found: dict[tuple[tuple[str, str], ...], tuple[Mapping[str, str], Mapping[str, str], list[Point]]] = {}

    def ends(self) -> range:
        """The ends of the intervals asked for."""
        return range(self.first, self.last + 1, self.step_s)

    def hours(self) -> range:
        """The hours, counted from the epoch, in which the intervals lie."""
        return (
            range((self.first - self.step_s) // HOUR, (self.last - 1) // HOUR + 1)
            if self.first <= self.last
            else range(0)
        )

    def minutes_of(self, hour: int) -> range:
        """The minutes of an hour (0…59) that were asked for."""
        return range(max(0, (self.first - hour * HOUR) // 60 - 1), min(60, (self.last - hour * HOUR) // 60))

    def into(self, resource: Mapping[str, str], labels: Mapping[str, str]) -> list[Point]:
        """The points of one label set, to be appended to."""
        key = (*resource.items(), *labels.items())
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = (resource, labels, [])
        return found[2]

    def series(self) -> Iterator[RawSeries]:
        """What was collected, without label sets that got no point."""
        kind = TYPES[self.metric]
        for resource, labels, points in self._found.values():
            if points:
                yield RawSeries(
                    self.metric,
                    labels,
                    kind.resource_type,
                    resource,
                    kind.kind,
                    kind.value_type,
                    tuple(points),
                    kind.unit,
                )


def collect(sources: Sources, metric: str, start: float, end: float, step_s: int) -> tuple[RawSeries, ...]:
    """The series of one metric type with points ending in (start, end]."""
    collector = _Collector(metric, start, end, step_s)
    _WRITERS[metric](sources, collector)
    return tuple(collector.series())


def _run_resource(project: str, service: str, revision: str) -> Mapping[str, str]:
    return {
        "project_id": project,
        "location": REGION,
        "service_name": service,
        "revision_name": revision,
        "configuration_name": service,
    }


# ------------------------------------------------------------------------------------------------------------ requests


def _response_labels(code: int) -> Mapping[str, str]:
    return {"response_code": str(code), "response_code_class": f"{code // 100}xx"}


def _request_count(sources: Sources, out: _Collector) -> None:
    for source in sources.requests:
        spec = source.timeline.spec
        for hour in out.hours():
            block = source.block(hour, detailed=out.step_s != HOUR)
            begin = hour * HOUR
            if out.step_s == HOUR:
                for (revision, code), total in block.totals().items():
                    if total:
                        points = out.into(
                            _run_resource(sources.project.id, spec.name, revision), _response_labels(code)
                        )
                        points.append((float(begin), float(begin + HOUR), total))
                continue
            minutes = out.minutes_of(hour)
            for (revision, code), counts in block.counts().items():
                points = out.into(_run_resource(sources.project.id, spec.name, revision), _response_labels(code))
                points += [
                    (float(begin + 60 * minute), float(begin + 60 * minute + 60), counts[minute])
                    for minute in minutes
                    if counts[minute]
                ]


def _request_latencies(sources: Sources, out: _Collector) -> None:
    for source in sources.requests:
        spec = source.timeline.spec
        for hour in out.hours():
            block = source.block(hour, detailed=out.step_s != HOUR)
            begin = hour * HOUR
            if out.step_s == HOUR:
                for (revision, code), buckets in block.histogram_totals().items():
                    points = out.into(_run_resource(sources.project.id, spec.name, revision), _response_labels(code))
                    points.append((float(begin), float(begin + HOUR), law.histogram(buckets)))
                continue
            minutes = out.minutes_of(hour)
            for (revision, code), rows in block.histograms().items():
                points = out.into(_run_resource(sources.project.id, spec.name, revision), _response_labels(code))
                for minute in minutes:
                    row = rows[minute]
                    if row is not None:
                        points.append((float(begin + 60 * minute), float(begin + 60 * minute + 60), law.histogram(row)))


# ----------------------------------------------------------------------------------------------------------- instances


def _instance_count(sources: Sources, out: _Collector) -> None:
    for model in sources.instances:
        spec = model.timeline.spec
        for end in out.ends():
            page = model.page((end - 1) // HOUR)
            minute = (end - 1) % HOUR // 60
            for revision, row in page.items():
                now = row[minute]
                if now is None:
                    continue
                resource = _run_resource(sources.project.id, spec.name, revision)
                out.into(resource, {"state": "active"}).append((float(end), float(end), now.active))
                out.into(resource, {"state": "idle"}).append((float(end), float(end), now.idle))


def _pages(
    sources: Sources, out: _Collector, each: Callable[[InstanceModel, str, int, int, list[Instances | None]], None]
) -> None:
    """Go through the revisions' intervals: the end, the first minute (from the epoch), the instances of the minutes."""
    minutes = out.step_s // 60
    for model in sources.instances:
        for end in out.ends():
            first = end // 60 - minutes
            page = model.page(first // 60)
            for revision, row in page.items():
                within = first % 60
                each(model, revision, end, first, row[within : within + minutes])


def _startup_latencies(sources: Sources, out: _Collector) -> None:
    def each(model: InstanceModel, revision: str, end: int, first: int, rows: list[Instances | None]) -> None:
        parts = [
            model.startups(revision, first + index, row.started)
            for index, row in enumerate(rows)
            if row is not None and row.started
        ]
        if parts:
            resource = _run_resource(sources.project.id, model.timeline.spec.name, revision)
            out.into(resource, {}).append((float(end - out.step_s), float(end), law.histogram(law.add(parts))))

    _pages(sources, out, each)


def _billable_time(sources: Sources, out: _Collector) -> None:
    def each(model: InstanceModel, revision: str, end: int, first: int, rows: list[Instances | None]) -> None:
        seconds = sum(60.0 * row.active + 6.0 * row.idle for row in rows if row is not None)
        if seconds:
            resource = _run_resource(sources.project.id, model.timeline.spec.name, revision)
            out.into(resource, {}).append((float(end - out.step_s), float(end), seconds))

    _pages(sources, out, each)


# -------------------------------------------------------------------------------------------------------------- queues


def _task(queue: QueueModel) -> Mapping[str, str]:
    project = queue.timeline.project
    worker = queue.timeline.spec.name
    return {
        "project_id": project.id,
        "location": REGION,
        "namespace": project.environment,
        "job": worker,
        "task_id": f"{worker}-exporter",
    }


def _queue_gauge(read: Callable[[Minute], int | float]) -> Callable[[Sources, _Collector], None]:
    def write(sources: Sources, out: _Collector) -> None:
        for queue in sources.queues:
            points = out.into(_task(queue), {"queue": queue.spec.name})
            points += [(float(end), float(end), read(queue.at(end))) for end in out.ends()]

    return write


def _jobs(sources: Sources, out: _Collector) -> None:
    for queue in sources.queues:
        resource = _task(queue)
        for end in out.ends():
            now = queue.at(end)
            began = queue.reset_before(end)
            for outcome, count in (("complete", now.complete), ("failed", now.failed), ("retried", now.retried)):
                out.into(resource, {"queue": queue.spec.name, "outcome": outcome}).append((began, float(end), count))


def _job_runtime(sources: Sources, out: _Collector) -> None:
    for queue in sources.queues:
        points = out.into(_task(queue), {"queue": queue.spec.name})
        points += [
            (queue.reset_before(end), float(end), law.histogram(buckets))
            for end, buckets in queue.cumulative_runtimes(out.ends())
        ]


# ------------------------------------------------------------------------------------------------------------ platform


def _redis(index: int) -> Callable[[Sources, _Collector], None]:
    def write(sources: Sources, out: _Collector) -> None:
        resource = {
            "project_id": sources.project.id,
            "region": REGION,
            "instance_id": f"projects/{sources.project.id}/locations/{REGION}/instances/bytereview",
            "node_id": "node-0",
        }
        points = out.into(resource, {})
        points += [(float(end), float(end), sources.platform.redis_memory(end)[index]) for end in out.ends()]

    return write


def _vertex_resource(project: Project) -> Mapping[str, str]:
    return {
        "resource_container": str(project.number),
        "location": REGION,
        "publisher": "google",
        "model_user_id": MODEL,
        "model_version_id": "default",
    }


def _vertex(
    read: Callable[[VertexMinute], Iterable[tuple[Mapping[str, str], int]]],
) -> Callable[[Sources, _Collector], None]:
    def write(sources: Sources, out: _Collector) -> None:
        resource = _vertex_resource(sources.project)
        for end in out.ends():
            sums: dict[tuple[tuple[str, str], ...], int] = {}
            for minute in range((end - out.step_s) // 60, end // 60):
                for labels, count in read(sources.platform.vertex(minute)):
                    key = tuple(labels.items())
                    sums[key] = sums.get(key, 0) + count
            for key, total in sums.items():
                if total:
                    out.into(resource, dict(key)).append((float(end - out.step_s), float(end), total))

    return write


_WRITERS: Mapping[str, Callable[[Sources, _Collector], None]] = {
    REQUEST_COUNT: _request_count,
    REQUEST_LATENCIES: _request_latencies,
    STARTUP_LATENCIES: _startup_latencies,
    INSTANCE_COUNT: _instance_count,
    BILLABLE_TIME: _billable_time,
    QUEUE_DEPTH: _queue_gauge(lambda now: now.depth),
    DEFERRED: _queue_gauge(lambda now: now.deferred),
    OLDEST_AGE: _queue_gauge(lambda now: now.oldest_age_s),
    JOBS: _jobs,
    JOB_RUNTIME: _job_runtime,
    REDIS_USAGE: _redis(0),
    REDIS_SYSTEM: _redis(1),
    TOKENS: _vertex(lambda now: (({"type": "input"}, now.input_tokens), ({"type": "output"}, now.output_tokens))),
    INVOCATIONS: _vertex(
        lambda now: (({"response_code": "200"}, now.accepted), ({"response_code": "429"}, now.throttled))
    ),
}
