"""The console's own brake: a token bucket per API at a quarter of the quota, and the count of calls made.

Buckets and the count run in service time (DESIGN §8.16), so a simulation at speed 60 may be asked sixty times as often.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from brconsole.domain.fleet import ApiUse
from brconsole.gcp.apis import Api
from brconsole.operations.failure import FailureKind, SourceFailure

SHARE = 0.25
"""Of a quota that CI, colleagues and other consoles use too."""
_MINUTE = timedelta(minutes=1)
_BEFORE_TIME = datetime.fromtimestamp(0, UTC)
_SLOWEST = 0.001


class Lane(StrEnum):
    """What a call is for. Rollback has tokens of its own, so it never queues behind reads or other writes."""

    READ = "read"
    WRITE = "write"
    ROLLBACK = "rollback"


class _Bucket:
    """Holds at most a minute's worth of calls and refills evenly."""

    def __init__(self, per_minute: float, now: datetime) -> None:
        self._per_minute = per_minute
        self._tokens = per_minute
        self._at = now

    def resize(self, per_minute: float) -> None:
        """Change the limit; what was spent stays spent."""
        self._tokens = max(0.0, self._tokens + per_minute - self._per_minute)
        self._per_minute = per_minute

    def take(self, now: datetime) -> float:
        """Take a token and return 0, or return the seconds of service time until there is one."""
        if now > self._at:
            refill = (now - self._at).total_seconds() * self._per_minute / 60
            self._tokens = min(self._per_minute, self._tokens + refill)
            self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * 60 / self._per_minute


class Quota:
    """The buckets of one environment's project, and its `CallMeter`.

    `now` is service time (None until known: nothing refills then); `speed` its seconds in a real second.
    """

    def __init__(self, now: Callable[[], datetime | None], speed: Callable[[], float] = lambda: 1.0) -> None:
        self._clock = now
        self._speed = speed
        self._limits: dict[str, int] = {}
        self._buckets: dict[tuple[Api, Lane], _Bucket] = {}
        self._calls: dict[Api, deque[datetime]] = {}
        self._series = 0
        self._pages = 0

    def learn(self, limits: Mapping[str, int]) -> None:
        """Take over live limits, by quota metric."""
        self._limits.update(limits)
        for (api, lane), bucket in self._buckets.items():
            bucket.resize(self._share(api, lane))

    async def acquire(self, api: Api, wait_s: float, lane: Lane = Lane.READ) -> None:
        """Wait for a token, at most `wait_s` real seconds; raises SourceFailure QUOTA at once where that would not be
        enough.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + wait_s
        key = (api, lane)
        if key not in self._buckets:
            self._buckets[key] = _Bucket(self._share(api, lane), self._now())
        while short_s := self._buckets[key].take(self._now()):
            real_s = short_s / max(self._speed(), _SLOWEST)
            if loop.time() + real_s > ends:
                share, limit = self._share(api, lane), self._limit(api, lane)
                raise SourceFailure(
                    FailureKind.QUOTA,
                    api.title,
                    self._metric(api, lane),
                    f"the console keeps to {share:.0f} of {limit} calls a minute and has used them",
                    remedy=f"it asks again in {max(real_s, 1):.0f} s",
                    retry_after_s=real_s,
                )
            await asyncio.sleep(real_s)

    def called(self, api: Api) -> None:
        """Count a call (its pages are counted by `paged`)."""
        calls = self._calls.setdefault(api, deque())
        now = self._now()
        calls.append(now)
        while calls and now - calls[0] > _MINUTE:
            calls.popleft()

    def paged(self) -> None:
        """Count a further page of a list."""
        self._pages += 1

    def returned(self, series: int) -> None:
        """Count time series returned, which Monitoring bills."""
        self._series += series

    def use(self) -> tuple[ApiUse, ...]:
        """Calls by API in the last minute; the limit is None until the live one was read."""
        now = self._now()
        return tuple(
            ApiUse(api.title, sum(now - at <= _MINUTE for at in tuple(calls)), self._limits.get(api.read_quota))
            for api, calls in sorted(self._calls.items(), key=lambda entry: entry[0].title)
        )

    def series_returned(self) -> int:
        """Time series that Monitoring has returned since the start."""
        return self._series

    def pages_read(self) -> int:
        """Pages after the first of all lists since the start."""
        return self._pages

    def _now(self) -> datetime:
        return self._clock() or _BEFORE_TIME

    def _metric(self, api: Api, lane: Lane) -> str:
        return api.read_quota if lane is Lane.READ else api.write_quota

    def _limit(self, api: Api, lane: Lane) -> int:
        assumed = api.assumed_limit if lane is Lane.READ else api.assumed_write_limit
        return self._limits.get(self._metric(api, lane), assumed)

    def _share(self, api: Api, lane: Lane) -> float:
        return max(1.0, self._limit(api, lane) * SHARE)
