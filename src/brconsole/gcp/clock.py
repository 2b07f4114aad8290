"""Service time: the simulation's own where the HTTP side tells it, else the local clock (DESIGN §3 Time, §8.16)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from brconsole.gcp.http import http_client
from brconsole.operations.failure import FailureKind, SourceFailure

if TYPE_CHECKING:
    import httpx

_PATH = "/control/clock"
_API = "clock"
_OK = 200
_REAL = "https://run.googleapis.com/"
"""Asked for nothing but the Date of its answer."""


def _local_time() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A moment of service time, when it was in local monotonic seconds, and how fast it runs."""

    at: datetime
    monotonic: float
    speed: float

    def now(self, monotonic: float) -> datetime:
        return self.at + timedelta(seconds=(monotonic - self.monotonic) * self.speed)


class ServiceClock:
    """The `Clock` port.

    `base` is the HTTP side of a plain endpoint ("http://127.0.0.1:8086"), None with Google itself: then time is local
    from the start and `synchronise` only measures the skew. With a base it is unknown until `synchronise` was answered,
    and once simulated it stays so: while the other side is silent it is extrapolated. It never runs backwards.
    """

    def __init__(
        self,
        base: str | None,
        deadline_s: float,
        local: Callable[[], datetime] = _local_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._deadline_s = deadline_s
        self._local = local
        self._monotonic = monotonic
        self.simulated = False
        self.speed = 1.0
        self._is_local = base is None
        self._anchor: _Anchor | None = None
        self._latest: datetime | None = None
        self._skew_s: float | None = None

    def now(self) -> datetime | None:
        """See Clock."""
        if self._anchor is not None:
            now = self._anchor.now(self._monotonic())
        elif self._is_local:
            now = self._local()
        else:
            return None
        if self._latest is None or now > self._latest:
            self._latest = now
        return self._latest

    def skew_s(self) -> float | None:
        """See Clock."""
        return self._skew_s

    async def synchronise(self) -> None:
        """See Clock. Raises SourceFailure where a simulation may be there and does not answer; the last known time
        then runs on.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                await (self._measure_skew(_REAL) if self._base is None else self._ask(self._base + _PATH))
        except TimeoutError as error:
            if self._base is not None:
                raise self._failure(FailureKind.TIMEOUT, f"no answer within {self._deadline_s:g} s") from error

    async def _ask(self, url: str) -> None:
        import httpx

        asked_at = self._monotonic()
        try:
            response = await self._get(url)
        except httpx.HTTPError:
            # Nothing there: a plain server of the same APIs whose time is the real one. A simulation that went away
            # runs on.
            self._is_local = self._anchor is None
            return
        answered_at = self._monotonic()
        if response.status_code != _OK:
            self._note_skew(response)
            self._is_local = self._anchor is None
            return
        try:
            document = json.loads(response.content)
            at, speed = datetime.fromisoformat(document["now"]), float(document["speed"])
        except (ValueError, TypeError, LookupError) as error:
            raise self._failure(FailureKind.UNREADABLE, "the answer is no clock") from error
        if at.tzinfo is None or not speed > 0:
            raise self._failure(FailureKind.UNREADABLE, "the answer is no clock")
        if self._anchor is None:
            self._latest = None
        # The clock was read somewhere between asking and answering.
        self._anchor = _Anchor(at, (asked_at + answered_at) / 2, speed)
        self.simulated, self.speed = True, speed
        self._is_local = False
        self._skew_s = None

    async def _measure_skew(self, url: str) -> None:
        import httpx

        try:
            self._note_skew(await self._get(url))
        except httpx.HTTPError:
            self._skew_s = None

    async def _get(self, url: str) -> httpx.Response:
        async with http_client(url, plain=self._base is not None) as client:
            return await client.get(url)

    def _note_skew(self, response: httpx.Response) -> None:
        try:
            server = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return
        # The Date header has whole seconds: its middle is half a second later.
        self._skew_s = (self._local() - server).total_seconds() - 0.5

    def _failure(self, kind: FailureKind, reason: str) -> SourceFailure:
        return SourceFailure(kind, _API, f"{self._base}{_PATH}", reason, remedy="it asks again by itself")
