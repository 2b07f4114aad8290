"""Real time for the poller: deadlines, pauses and back-off (service time comes from the clock port)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from brconsole.operations.failure import FailureKind, SourceFailure

T = TypeVar("T")


class Timing(Protocol):
    """Real seconds, so that a test can own them."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class RealTiming:
    """The machine's own."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full-jitter exponential back-off in real seconds: a draw between `least_s` and a ceiling that doubles with each
    failure.

    A refused identity or permission does not heal within seconds, so its ceiling starts higher, but it is asked again
    all the same.
    """

    least_s: float = 1.0
    first_s: float = 2.0
    most_s: float = 60.0
    refused_first_s: float = 15.0
    refused_most_s: float = 120.0

    def delay_s(self, failures: int, failure: BaseException | None, jitter: random.Random) -> float:
        """The pause after `failures` failures in a row (at least 1), never shorter than the server asked for."""
        refused = isinstance(failure, SourceFailure) and failure.kind in (
            FailureKind.PERMISSION,
            FailureKind.UNAUTHENTICATED,
            FailureKind.NOT_CONFIGURED,
        )
        first_s, most_s = (self.refused_first_s, self.refused_most_s) if refused else (self.first_s, self.most_s)
        ceiling_s = min(most_s, first_s * 2.0 ** min(failures - 1, 16))
        asked_s = failure.retry_after_s if isinstance(failure, SourceFailure) else None
        return max(self.least_s, jitter.uniform(0.0, ceiling_s), asked_s or 0.0)


async def within(work: Coroutine[Any, Any, T], seconds: float, timing: Timing) -> T:
    """The outcome of `work`, or TimeoutError after real seconds.

    Work that does not answer is cancelled and left: waiting for it to notice would hang with it.
    """
    task = asyncio.ensure_future(work)
    limit = asyncio.ensure_future(timing.sleep(seconds))
    try:
        await asyncio.wait((task, limit), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        if task.cancelled():  # by its own library, not by us: our caller goes on
            raise ConnectionAbortedError("the call was cancelled")
        return task.result()
    finally:
        limit.cancel()
        if not task.done():
            task.add_done_callback(_forget)
            task.cancel()


async def pause(seconds: float, again: asyncio.Event, timing: Timing) -> None:
    """Wait for real seconds, or until somebody sets `again`."""
    waiting: tuple[asyncio.Future[Any], ...] = (
        asyncio.ensure_future(again.wait()),
        asyncio.ensure_future(timing.sleep(seconds)),
    )
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take the outcome of abandoned work, so that nobody is told that it was never taken."""
    if not task.cancelled():
        task.exception()
