"""Time series of Cloud Monitoring onto the console's regular grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from brconsole.domain.series import Series
from brconsole.gcp.errors import UnreadableReplyError

_VALUE_FIELDS = {1: "bool_value", 2: "int64_value", 3: "double_value"}
"""google.api.MetricDescriptor.ValueType → field of TypedValue."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A window that ends at `end` (aligned to the minute by the caller) in intervals of `period_s`."""

    end: datetime
    window_s: int
    period_s: int

    @property
    def length(self) -> int:
        """Intervals in the window."""
        return max(1, self.window_s // self.period_s)

    def values(self, message: Any) -> list[float | None]:
        """The points of a TimeSeries message; None where it has none. Points off the window are left out, and so are
        those that are no number (NaN, infinity): nothing is known of them.
        """
        field = _VALUE_FIELDS.get(message.value_type)
        values: list[float | None] = [None] * self.length
        for index, point in self.placed(message):
            value = float(getattr(point, field)) if field else number(point)
            if isfinite(value):
                values[index] = value
        return values

    def placed(self, message: Any) -> Iterator[tuple[int, Any]]:
        """The points' values (TypedValue) with their places on the grid, newest first."""
        length, period_s, end = self.length, self.period_s, self.end.timestamp()
        for point in message.points:
            back = round((end - point.interval.end_time.seconds) / period_s)
            if 0 <= back < length:
                yield length - 1 - back, point.value

    def series(self, values: Iterable[float | None], labels: Mapping[str, str]) -> Series:
        """Values on this grid as a Series."""
        return Series(self.end, self.period_s, tuple(values), labels)


def number(value: Any) -> float:
    """A TypedValue as a number; raises UnreadableReplyError for a text or a distribution."""
    field = value.WhichOneof("value")
    if field not in _VALUE_FIELDS.values():
        raise UnreadableReplyError(f"a point holds {field or 'nothing'} where a number belongs")
    return float(getattr(value, field))


def labels(message: Any) -> dict[str, str]:
    """All labels of a TimeSeries message, those of the metric over those of the resource."""
    return {**message.resource.labels, **message.metric.labels}


def newest_known(rows: Iterable[list[float | None]]) -> int:
    """The index of the newest interval that any row knows, -1 where none does."""
    newest = -1
    for row in rows:
        for index in range(len(row) - 1, newest, -1):
            if row[index] is not None:
                newest = index
                break
    return newest


def with_zeros(row: list[float | None], newest: int) -> list[float | None]:
    """A count with its gaps made zero up to the newest interval that the answer knows at all.

    Cloud Monitoring writes no point for a minute in which nothing was counted. What is newer than the newest point of
    the whole answer has not arrived yet (metrics come up to three minutes late) and stays unknown.
    """
    return [0.0 if value is None and index <= newest else value for index, value in enumerate(row)]
