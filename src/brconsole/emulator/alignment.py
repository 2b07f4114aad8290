"""How Cloud Monitoring combines time series: alignment of each to regular periods, then reduction across them.

The rules (which aligner and reducer is valid for which kind and type, and what comes out) are those of
google.monitoring.v3 `Aggregation`. Periods are counted back from the end of the interval, so the last one ends there.
A period in which a series has no point has no point afterwards either: nothing is made up, and nothing is zero that was
not written as zero.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from brconsole.emulator.distributions import merge, percentile, portion, standard_deviation
from brconsole.simulation.model import Histogram, RawSeries, Value

Kind = Literal["GAUGE", "DELTA", "CUMULATIVE"]
ValueType = Literal["INT64", "DOUBLE", "BOOL", "DISTRIBUTION"]
Point = tuple[float, float, Value]

MIN_PERIOD_S = 60
MAX_PERIOD_S = 104 * 7 * 86_400
"""Two years, the most that a chart may align to."""

_NUMERIC: frozenset[ValueType] = frozenset({"INT64", "DOUBLE"})
_BOOL: frozenset[ValueType] = frozenset({"BOOL"})
_DISTRIBUTION: frozenset[ValueType] = frozenset({"DISTRIBUTION"})
_ANY: frozenset[ValueType] = _NUMERIC | _BOOL | _DISTRIBUTION
_GAUGE: frozenset[Kind] = frozenset({"GAUGE"})
_COUNTED: frozenset[Kind] = frozenset({"DELTA", "CUMULATIVE"})
_SAMPLED: frozenset[Kind] = frozenset({"GAUGE", "DELTA"})


class InvalidAggregationError(ValueError):
    """An aggregation that Cloud Monitoring refuses, in its words; `field` is the offending one."""

    def __init__(self, field: str, value: str, reason: str) -> None:
        self.field = field
        super().__init__(f'Field {field} had an invalid value of "{value}": {reason}')


@dataclass(frozen=True, slots=True)
class GroupField:
    """One entry of group_by_fields: a label of the resource or the metric, or the resource's type."""

    source: Literal["resource", "metric", "resource.type"]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation: align to `period_s`, then reduce by the fields of `group_by`."""

    period_s: int = 0
    aligner: str = "ALIGN_NONE"
    reducer: str = "REDUCE_NONE"
    group_by: tuple[GroupField, ...] = ()

    @property
    def aligns(self) -> bool:
        """Whether it changes anything."""
        return self.aligner != "ALIGN_NONE"


@dataclass(frozen=True, slots=True)
class _Operation:
    """What an aligner or a reducer takes and gives; a kind or type of None stays as it came."""

    kinds: frozenset[Kind]
    types: frozenset[ValueType]
    apply: Callable[[list[Any], int], Value | None]
    kind: Kind | None = None
    value_type: ValueType | None = None


def _total(values: list[Any], _period_s: int) -> Value:
    if len(values) == 1:
        single: Value = values[0]
        return single
    return merge(values) if isinstance(values[0], Histogram) else sum(values)


def _rate(values: list[Any], period_s: int) -> float:
    return float(sum(values)) / period_s


def _mean(values: list[Any], _period_s: int) -> float:
    if isinstance(values[0], Histogram):
        return merge(values).mean
    return math.fsum(values) / len(values)


def _deviation(values: list[Any], _period_s: int) -> float:
    return standard_deviation(merge(values)) if isinstance(values[0], Histogram) else statistics.pstdev(values)


def _true(values: list[Any], _period_s: int) -> int:
    return sum(1 for value in values if value)


def _false(values: list[Any], _period_s: int) -> int:
    return sum(1 for value in values if not value)


def _fraction_true(values: list[Any], _period_s: int) -> float:
    return sum(1 for value in values if value) / len(values)


def _percentile(rank: float, values: list[Any], _period_s: int) -> float | None:
    if isinstance(values[0], Histogram):
        return percentile(merge(values), rank)
    ordered = sorted(values)
    position = rank * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


def _minimum(values: list[Any], _period_s: int) -> Value:
    smallest: Value = min(values)
    return smallest


def _maximum(values: list[Any], _period_s: int) -> Value:
    greatest: Value = max(values)
    return greatest


def _newest(values: list[Any], _period_s: int) -> Value:
    last: Value = values[-1]
    return last


def _count(values: list[Any], _period_s: int) -> int:
    return len(values)


_RANKS = {"99": 0.99, "95": 0.95, "50": 0.5, "05": 0.05}

ALIGNERS: Mapping[str, _Operation] = {
    "ALIGN_DELTA": _Operation(_COUNTED, _NUMERIC | _DISTRIBUTION, _total, "DELTA"),
    "ALIGN_RATE": _Operation(_COUNTED, _NUMERIC, _rate, "GAUGE", "DOUBLE"),
    "ALIGN_NEXT_OLDER": _Operation(_GAUGE, _ANY, _newest),
    "ALIGN_MIN": _Operation(_SAMPLED, _NUMERIC, _minimum, "GAUGE"),
    "ALIGN_MAX": _Operation(_SAMPLED, _NUMERIC, _maximum, "GAUGE"),
    "ALIGN_MEAN": _Operation(_SAMPLED, _NUMERIC, _mean, "GAUGE", "DOUBLE"),
    "ALIGN_COUNT": _Operation(_SAMPLED, _NUMERIC | _BOOL, _count, None, "INT64"),
    "ALIGN_SUM": _Operation(_SAMPLED, _NUMERIC | _DISTRIBUTION, _total),
    "ALIGN_STDDEV": _Operation(_SAMPLED, _NUMERIC, _deviation, "GAUGE", "DOUBLE"),
    "ALIGN_COUNT_TRUE": _Operation(_GAUGE, _BOOL, _true, None, "INT64"),
    "ALIGN_COUNT_FALSE": _Operation(_GAUGE, _BOOL, _false, None, "INT64"),
    "ALIGN_FRACTION_TRUE": _Operation(_GAUGE, _BOOL, _fraction_true, None, "DOUBLE"),
    **{
        f"ALIGN_PERCENTILE_{name}": _Operation(_SAMPLED, _DISTRIBUTION, partial(_percentile, rank), "GAUGE", "DOUBLE")
        for name, rank in _RANKS.items()
    },
}
REDUCERS: Mapping[str, _Operation] = {
    "REDUCE_MEAN": _Operation(_SAMPLED, _NUMERIC | _DISTRIBUTION, _mean, None, "DOUBLE"),
    "REDUCE_MIN": _Operation(_SAMPLED, _NUMERIC, _minimum),
    "REDUCE_MAX": _Operation(_SAMPLED, _NUMERIC, _maximum),
    "REDUCE_SUM": _Operation(_SAMPLED, _NUMERIC | _DISTRIBUTION, _total),
    "REDUCE_STDDEV": _Operation(_SAMPLED, _NUMERIC | _DISTRIBUTION, _deviation, None, "DOUBLE"),
    "REDUCE_COUNT": _Operation(_SAMPLED, _ANY, _count, None, "INT64"),
    "REDUCE_COUNT_TRUE": _Operation(_SAMPLED, _BOOL, _true, None, "INT64"),
    "REDUCE_COUNT_FALSE": _Operation(_SAMPLED, _BOOL, _false, None, "INT64"),
    "REDUCE_FRACTION_TRUE": _Operation(_SAMPLED, _BOOL, _fraction_true, None, "DOUBLE"),
    **{
        f"REDUCE_PERCENTILE_{name}": _Operation(
            _SAMPLED, _NUMERIC | _DISTRIBUTION, partial(_percentile, rank), "GAUGE", "DOUBLE"
        )
        for name, rank in _RANKS.items()
    },
}


def outcome(aggregation: Aggregation, kind: Kind, value_type: ValueType, field: str) -> tuple[Kind, ValueType]:
    """The kind and type that come out of an aggregation; raises InvalidAggregationError where it may not be applied.

    `field` is `aggregation` or `secondaryAggregation`, for the message.
    """
    if not aggregation.aligns:
        if aggregation.reducer != "REDUCE_NONE":
            raise InvalidAggregationError(
                f"{field}.perSeriesAligner",
                aggregation.aligner,
                "An aligner other than ALIGN_NONE must be specified when a cross-series reducer is specified.",
            )
        return kind, value_type
    _check_period(aggregation.period_s, field)
    aligner = ALIGNERS.get(aggregation.aligner)
    if aligner is None:
        raise InvalidAggregationError(
            f"{field}.perSeriesAligner", aggregation.aligner, "The aligner is not implemented by this emulator."
        )
    if kind not in aligner.kinds or value_type not in aligner.types:
        raise InvalidAggregationError(
            f"{field}.perSeriesAligner",
            aggregation.aligner,
            f"The aligner cannot be applied to metrics with kind {kind} and value type {value_type}.",
        )
    kind, value_type = aligner.kind or kind, aligner.value_type or value_type
    if aggregation.reducer == "REDUCE_NONE":
        return kind, value_type
    reducer = REDUCERS.get(aggregation.reducer)
    if reducer is None:
        raise InvalidAggregationError(
            f"{field}.crossSeriesReducer", aggregation.reducer, "The reducer is not implemented by this emulator."
        )
    if kind not in reducer.kinds or value_type not in reducer.types:
        raise InvalidAggregationError(
            f"{field}.crossSeriesReducer",
            aggregation.reducer,
            f"The reducer cannot be applied to metrics with kind {kind} and value type {value_type}.",
        )
    return reducer.kind or kind, reducer.value_type or value_type


def _check_period(period_s: int, field: str) -> None:
    if period_s < MIN_PERIOD_S:
        raise InvalidAggregationError(
            f"{field}.alignmentPeriod", f"{period_s}s", f"The alignment period must be at least {MIN_PERIOD_S} seconds."
        )
    if period_s > MAX_PERIOD_S:
        raise InvalidAggregationError(
            f"{field}.alignmentPeriod", f"{period_s}s", f"The alignment period must be at most {MAX_PERIOD_S} seconds."
        )


def parse_group_field(text: str, field: str) -> GroupField:
    """One entry of group_by_fields: `resource.labels.x`, `metric.labels.x` (or `label`, or quoted), `resource.type`."""
    if text == "resource.type":
        return GroupField("resource.type")
    source, _, rest = text.partition(".")
    holder, _, label = rest.partition(".")
    label = label.removeprefix('"').removesuffix('"') if label.startswith('"') else label
    if source == "resource" and holder in {"label", "labels"} and label:
        return GroupField("resource", label)
    if source == "metric" and holder in {"label", "labels"} and label:
        return GroupField("metric", label)
    raise InvalidAggregationError(
        f"{field}.groupByFields",
        text,
        "The field is improperly formatted: use resource.labels.NAME or metric.labels.NAME.",
    )


def first_period_start(start: float, end: float, period_s: int) -> float:
    """Where the oldest alignment period begins that covers `start`, counted back from `end`."""
    return end - math.ceil((end - start) / period_s) * period_s


def aggregate(series: Sequence[RawSeries], aggregation: Aggregation, start: float, end: float) -> list[RawSeries]:
    """Align and reduce. Points must reach back to `first_period_start` (a cumulative one's to one point before it).

    Call `outcome` first: this takes for granted that the aggregation is valid for the series' kind and type.
    """
    if not aggregation.aligns:
        return list(series)
    aligned = [_align(one, aggregation, start, end) for one in series]
    aligned = [one for one in aligned if one.points]
    if aggregation.reducer == "REDUCE_NONE":
        return aligned
    groups: dict[tuple[str, ...], list[RawSeries]] = defaultdict(list)
    for one in aligned:
        groups[_group_key(one, aggregation.group_by)].append(one)
    return [_reduce(members, aggregation) for _, members in sorted(groups.items())]


def _align(series: RawSeries, aggregation: Aggregation, start: float, end: float) -> RawSeries:
    operation = ALIGNERS[aggregation.aligner]
    period_s = aggregation.period_s
    oldest = math.ceil((end - start) / period_s) - 1
    points: Sequence[Point] = series.points
    if series.kind == "CUMULATIVE":
        points = _increments(points, first_period_start(start, end, period_s))
    bins: dict[int, list[Value]] = {}
    for point_start, point_end, value in points:
        index = int((end - point_end) // period_s)
        if point_end - point_start > MIN_PERIOD_S and series.kind != "GAUGE":
            for part_index, part in _split(point_start, point_end, value, end, period_s):
                bins.setdefault(part_index, []).append(part)
            continue
        held = bins.get(index)
        if held is None:
            bins[index] = [value]
        else:
            held.append(value)
    kind = operation.kind or series.kind
    width = 0 if kind == "GAUGE" else period_s
    result: list[Point] = []
    for index in sorted(bins, reverse=True):
        if 0 <= index <= oldest:
            outcome_value = operation.apply(bins[index], period_s)
            if outcome_value is not None:
                at = end - index * period_s
                result.append((at - width, at, outcome_value))
    return replace(series, kind=kind, value_type=operation.value_type or series.value_type, points=tuple(result))


def _increments(points: Sequence[Point], since: float) -> list[Point]:
    """A cumulative series as deltas. A first point that counts from before `since` has no known increment."""
    result: list[Point] = []
    before: Point | None = None
    for point in points:
        start, end, value = point
        if before is not None and before[0] == start:
            result.append((before[1], end, _difference(value, before[2])))
        elif before is not None or start >= since:
            result.append(point)
        before = point
    return result


def _difference(value: Value, before: Value) -> Value:
    if isinstance(value, Histogram) and isinstance(before, Histogram):
        counts = tuple(new - old for new, old in zip(value.counts, before.counts, strict=True))
        count = value.count - before.count
        mean = (value.count * value.mean - before.count * before.mean) / count if count else 0.0
        return Histogram(count, mean, value.bounds, counts)
    if isinstance(value, Histogram) or isinstance(before, Histogram):
        raise TypeError("a series holds either distributions or numbers")
    return value - before


def _split(start: float, end: float, value: Value, last: float, period_s: int) -> list[tuple[int, Value]]:
    """Share a long (hourly) increment among the periods it overlaps, in proportion to time; whole counts stay whole."""
    newest = int((last - end) // period_s)
    oldest = math.ceil((last - start) / period_s) - 1
    if newest == oldest:
        return [(newest, value)]
    parts: list[tuple[int, Value]] = []
    span = end - start
    for index in range(oldest, newest - 1, -1):
        low = max(0.0, (last - (index + 1) * period_s - start) / span)
        high = min(1.0, (last - index * period_s - start) / span)
        if isinstance(value, Histogram):
            parts.append((index, portion(value, low, high)))
        elif isinstance(value, int):
            parts.append((index, round(value * high) - round(value * low)))
        else:
            parts.append((index, value * (high - low)))
    return parts


def _group_key(series: RawSeries, fields: Sequence[GroupField]) -> tuple[str, ...]:
    # It is not possible to reduce across different resource types: the type is part of every key.
    labels = (
        series.resource_labels.get(field.label, "")
        if field.source == "resource"
        else series.metric_labels.get(field.label, "")
        for field in fields
        if field.source != "resource.type"
    )
    return (series.resource_type, *labels)


def _reduce(members: Sequence[RawSeries], aggregation: Aggregation) -> RawSeries:
    operation = REDUCERS[aggregation.reducer]
    first = members[0]
    kind = operation.kind or first.kind
    columns: dict[float, list[Value]] = {}
    for member in members:
        for _, at, value in member.points:
            column = columns.get(at)
            if column is None:
                columns[at] = [value]
            else:
                column.append(value)
    width = 0 if kind == "GAUGE" else aggregation.period_s
    points: list[Point] = []
    for at in sorted(columns):
        value_out = operation.apply(columns[at], aggregation.period_s)
        if value_out is not None:
            points.append((at - width, at, value_out))
    return replace(
        first,
        metric_labels={
            field.label: first.metric_labels[field.label]
            for field in aggregation.group_by
            if field.source == "metric" and field.label in first.metric_labels
        },
        resource_labels=_kept_resource_labels(members, aggregation.group_by),
        kind=kind,
        value_type=operation.value_type or first.value_type,
        points=tuple(points),
    )


def _kept_resource_labels(members: Sequence[RawSeries], fields: Sequence[GroupField]) -> dict[str, str]:
    """The labels grouped by, and project_id, which every resource keeps."""
    first = members[0].resource_labels
    kept = {field.label: first[field.label] for field in fields if field.source == "resource" and field.label in first}
    if "project_id" in first and all(one.resource_labels.get("project_id") == first["project_id"] for one in members):
        kept["project_id"] = first["project_id"]
    return kept
