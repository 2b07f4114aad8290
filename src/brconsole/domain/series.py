"""Regular time series, as the charts, rates and burn windows need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Series:
    """Values on a regular grid, oldest first.

    `end` is the end of the last interval; value i covers the `period_s` seconds up to `end - (len(values) - 1 - i) * period_s`.
    None is a gap: nothing is known of that interval (for a count, that is not zero until its source says so).
    """

    end: datetime
    period_s: int
    values: tuple[float | None, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    def newest(self) -> float | None:
        """The newest known value."""
        return next((value for value in reversed(self.values) if value is not None), None)

    def newest_end(self) -> datetime | None:
        """The end of the newest interval that is known."""
        for back, value in enumerate(reversed(self.values)):
            if value is not None:
                return self.end - timedelta(seconds=back * self.period_s)
        return None

    def last(self, seconds: int) -> tuple[float, ...]:
        """The known values of the trailing window."""
        count = max(1, seconds // self.period_s)
        return tuple(value for value in self.values[-count:] if value is not None)

    def total(self, seconds: int) -> float | None:
        """The sum over the trailing window, None where nothing of it is known."""
        known = self.last(seconds)
        return sum(known) if known else None

    def mean(self, seconds: int) -> float | None:
        """The mean of the known values in the trailing window."""
        known = self.last(seconds)
        return sum(known) / len(known) if known else None


def summed(series: Iterable[Series]) -> Series | None:
    """The sum of series on one grid; a gap only where every one has a gap. None for none."""
    rows = list(series)
    if not rows:
        return None
    end = max(row.end for row in rows)
    period_s = rows[0].period_s
    columns: dict[int, float] = {}
    length = 0
    for row in rows:
        shift = round((end - row.end).total_seconds() / period_s)
        length = max(length, len(row.values) + shift)
        for back, value in enumerate(reversed(row.values)):
            if value is not None:
                columns[back + shift] = columns.get(back + shift, 0.0) + value
    return Series(end, period_s, tuple(columns.get(back) for back in range(length - 1, -1, -1)))
