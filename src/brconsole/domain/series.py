"""Regular time series, as the charts, rates and burn windows need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Series:
    """Values on a regular grid, oldest first.

    `end` is the end of the last interval; value i covers the `period_s` seconds up to `end - (len(values) - 1 - i) *
    period_s`. None is a gap: nothing is known of that interval (for a count, that is not zero until its source says
    so).
    """

    end: datetime
    period_s: int
    values: tuple[float | None, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    def newest(self) -> float | None:
        """The newest known value, however old."""
        return next((value for value in reversed(self.values) if value is not None), None)

    def newest_end(self) -> datetime | None:
        """The end of the newest interval that is known."""
        for back, value in enumerate(reversed(self.values)):
            if value is not None:
                return self.end - timedelta(seconds=back * self.period_s)
        return None

    def recent(self, seconds: float, at: datetime | None = None) -> float | None:
        """The newest known value, if its interval ended less than `seconds` before `at` (default: the series' end)."""
        newest_end = self.newest_end()
        if newest_end is None or ((at or self.end) - newest_end).total_seconds() >= seconds:
            return None
        return self.newest()

    def known_until(self, end: datetime, seconds: int) -> tuple[float, ...]:
        """The known values of the intervals that end in the `seconds` up to `end`."""
        after = round((self.end - end).total_seconds() / self.period_s)
        stop = len(self.values) - after
        start = stop - max(1, seconds // self.period_s)
        return tuple(value for value in self.values[max(0, start) : max(0, stop)] if value is not None)

    def last(self, seconds: int) -> tuple[float, ...]:
        """The known values of the trailing window."""
        return self.known_until(self.end, seconds)

    def total(self, seconds: int) -> float | None:
        """The sum over the trailing window, None where nothing of it is known."""
        known = self.last(seconds)
        return sum(known) if known else None

    def mean(self, seconds: int) -> float | None:
        """The mean of the known values in the trailing window."""
        known = self.last(seconds)
        return sum(known) / len(known) if known else None


def summed(series: Iterable[Series]) -> Series | None:
    """The sum of series of one period; a gap only where every one has a gap. None for none."""
    rows = list(series)
    if not rows:
        return None
    if len(rows) == 1:
        return Series(rows[0].end, rows[0].period_s, rows[0].values)
    end = max(row.end for row in rows)
    period_s = rows[0].period_s
    columns: dict[int, float] = {}
    length = 0
    for row in rows:
        shift = _intervals_between(row.end, end, period_s)
        length = max(length, len(row.values) + shift)
        for back, value in enumerate(reversed(row.values), shift):
            if value is not None:
                columns[back] = columns.get(back, 0.0) + value
    return Series(end, period_s, tuple(columns.get(back) for back in range(length - 1, -1, -1)))


def paired(one: Series, other: Series) -> Iterator[tuple[float | None, float | None]]:
    """The values of `one` with those of `other` for the same intervals, oldest first; a gap where `other` does not
    reach.
    """
    shift = _intervals_between(other.end, one.end, one.period_s)
    offset = len(other.values) + shift - len(one.values)
    for index, value in enumerate(one.values):
        at = index + offset
        yield value, other.values[at] if 0 <= at < len(other.values) else None


def newest_end(series: Iterable[Series]) -> datetime | None:
    """The end of the newest known interval among series, None where none has a point."""
    return max((end for row in series if (end := row.newest_end()) is not None), default=None)


def _intervals_between(earlier: datetime, later: datetime, period_s: int) -> int:
    return round((later - earlier).total_seconds() / period_s)
