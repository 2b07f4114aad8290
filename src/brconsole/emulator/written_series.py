"""Time series that callers write themselves (CreateTimeSeries), refused where Cloud Monitoring refuses them.

Rules: google/monitoring/v3/metric_service.proto and https://cloud.google.com/monitoring/custom-metrics/creating-metrics.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from brconsole.emulator.alignment import Kind, ValueType
from brconsole.simulation.model import Project, RawSeries

MOST_SERIES = 200
"""Series a request."""
PREFIXES = ("custom.googleapis.com/", "workload.googleapis.com/", "external.googleapis.com/")
WRITABLE_RESOURCES = frozenset({"global", "generic_task"})
"""Of the resources that user-defined metrics may be written against, those that are known here."""

_PAST_S = 25 * 3600.0
_FUTURE_S = 300.0
_CLOSEST_S = 5.0
_POINTS_KEPT = 24 * 60
_KINDS: dict[int, Kind] = {1: "GAUGE", 3: "CUMULATIVE"}
_VALUES: dict[str, ValueType] = {"bool_value": "BOOL", "int64_value": "INT64", "double_value": "DOUBLE"}


class RefusedSeriesError(ValueError):
    """A series that cannot be written, in Monitoring's words."""


@dataclass(frozen=True, slots=True)
class WrittenType:
    """The descriptor of a metric, as its first point made it."""

    kind: Kind
    value_type: ValueType
    resource_type: str


@dataclass(slots=True)
class _Series:
    head: RawSeries
    points: deque[tuple[float, float, Any]] = field(default_factory=lambda: deque(maxlen=_POINTS_KEPT))


class WrittenSeries:
    """The series of all projects."""

    def __init__(self) -> None:
        self._series: dict[tuple[Any, ...], _Series] = {}

    def write(self, project: Project, message: Any, known: WrittenType | None, now: float) -> WrittenType:
        """Append the one point of a TimeSeries message; `known` is the metric's descriptor, None for the first point.

        Returns the descriptor. Raises RefusedSeriesError, and then nothing is written.
        """
        metric = message.metric.type
        if not metric.startswith(PREFIXES):
            raise RefusedSeriesError(f"Unrecognized metric type or a metric that cannot be written to: {metric}")
        if message.resource.type not in WRITABLE_RESOURCES:
            raise RefusedSeriesError(f"The monitored resource {message.resource.type!r} cannot be written against.")
        if len(message.points) != 1:
            raise RefusedSeriesError("Field points: Exactly one point must be written per time series.")
        point = message.points[0]
        found = WrittenType(*_type_of(message, point), message.resource.type)
        if known is not None and (known.kind, known.value_type) != (found.kind, found.value_type):
            raise RefusedSeriesError(
                f"Field points: the metric {metric} has kind {known.kind} and value type {known.value_type}, "
                f"not {found.kind} and {found.value_type}."
            )
        start, end = _interval(point, found.kind, now)
        head = _head(project, message, found)
        key = (project.id, metric, *sorted(head.resource_labels.items()), None, *sorted(head.metric_labels.items()))
        series = self._series.setdefault(key, _Series(head))
        if series.points:
            newest = series.points[-1][1]
            if end <= newest:
                raise RefusedSeriesError(
                    "Points must be written in order. One or more of the points specified had an older end time than "
                    "the most recent point."
                )
            if end - newest < _CLOSEST_S:
                raise RefusedSeriesError(
                    "One or more points were written more frequently than the maximum sampling period configured for "
                    "the metric."
                )
        series.points.append((start, end, getattr(point.value, point.value.WhichOneof("value"))))
        return found

    def read(self, project: str, metric: str, start: float, end: float) -> list[RawSeries]:
        """The series of a metric with points that end in (start, end]."""
        found = []
        for series in self._series.values():
            head = series.head
            if head.metric != metric or head.resource_labels["project_id"] != project:
                continue
            points = tuple(point for point in series.points if start < point[1] <= end)
            if points:
                found.append(
                    RawSeries(
                        head.metric,
                        head.metric_labels,
                        head.resource_type,
                        head.resource_labels,
                        head.kind,
                        head.value_type,
                        points,
                    )
                )
        return found


def _type_of(message: Any, point: Any) -> tuple[Kind, ValueType]:
    """Kind and value type; what a message leaves open follows from its point."""
    kind = _KINDS.get(message.metric_kind or 1)
    value = point.value.WhichOneof("value")
    if kind is None or value not in _VALUES:
        raise RefusedSeriesError(
            f"Field points: metrics of this kind, or with values of type {value or 'none'}, are not written here."
        )
    return kind, _VALUES[value]


def _interval(point: Any, kind: Kind, now: float) -> tuple[float, float]:
    if not point.interval.HasField("end_time"):
        raise RefusedSeriesError("Field points[0].interval.end_time: The end time must be specified.")
    end = point.interval.end_time.seconds + point.interval.end_time.nanos / 1e9
    start = end
    if point.interval.HasField("start_time"):
        start = point.interval.start_time.seconds + point.interval.start_time.nanos / 1e9
    if kind == "CUMULATIVE" and start >= end:
        raise RefusedSeriesError("Field points[0].interval: A cumulative point must start before it ends.")
    if kind == "GAUGE" and start != end:
        raise RefusedSeriesError("Field points[0].interval: The start time of a gauge must be its end time, or unset.")
    if not now - _PAST_S <= end <= now + _FUTURE_S:
        raise RefusedSeriesError(
            "Data points cannot be written more than 25h in the past or more than 5 minutes in the future."
        )
    return start, end


def _head(project: Project, message: Any, found: WrittenType) -> RawSeries:
    return RawSeries(
        message.metric.type,
        dict(message.metric.labels),
        message.resource.type,
        {**message.resource.labels, "project_id": project.id},
        found.kind,
        found.value_type,
        (),
    )
