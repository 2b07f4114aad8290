"""Readings: a value, the moment it speaks of, and what went wrong when it was last asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class SourceState(StrEnum):
    """How far a reading can be trusted now."""

    LIVE = "live"
    STALE = "stale"
    FAILED = "failed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What one source last said.

    `value` is the last good value, None while there has been none. `as_of` is the end of the newest point used to make
    it (for an object read directly, the moment of the read). `error` is the sentence of the last attempt where that
    failed, else None; a failing source keeps its last good value and `as_of`. `failed_at` is when it failed.
    """

    value: T | None = None
    as_of: datetime | None = None
    error: str | None = None
    failed_at: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether there is any value, however old."""
        return self.value is not None

    def state(self, now: datetime | None, max_age: timedelta) -> SourceState:
        """The trust in this reading at `now`, where older than `max_age` is stale."""
        if self.error is not None:
            return SourceState.FAILED
        if self.value is None or self.as_of is None:
            return SourceState.NEVER
        return SourceState.LIVE if now is None or self.fresh(now, max_age) else SourceState.STALE

    def fresh(self, now: datetime | None, max_age: timedelta) -> bool:
        """Whether the value, however the last attempt went, is known to be no older than `max_age`."""
        return self.value is not None and self.as_of is not None and now is not None and now - self.as_of <= max_age

    def age_s(self, now: datetime | None) -> float | None:
        """Seconds since the newest point used, None where unknown; never negative."""
        if self.as_of is None or now is None:
            return None
        return max(0.0, (now - self.as_of).total_seconds())

    def succeeded(self, value: T, as_of: datetime) -> Reading[T]:
        """The reading after a good answer."""
        return Reading(value, as_of)

    def failing(self, error: str, at: datetime | None) -> Reading[T]:
        """The reading after a failure: the last good value stays."""
        return replace(self, error=error, failed_at=at)

    def map(self, change: Callable[[T], U]) -> Reading[U]:
        """The same trust for a value derived from this one."""
        return Reading(None if self.value is None else change(self.value), self.as_of, self.error, self.failed_at)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source of readings: its name in `sources`, the Google API behind it, its cadence and the lag of its data."""

    name: str
    api: str
    cadence_s: float
    lag_s: float = 0.0

    @property
    def max_age(self) -> timedelta:
        """Older than the API's lag plus two cadences is stale (DESIGN §8.12)."""
        return timedelta(seconds=self.lag_s + 2 * self.cadence_s)
