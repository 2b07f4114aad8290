"""Simulated time: it starts at a chosen moment, runs at a chosen speed and never jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime


class Clock:
    """The emulator's time.

    `start` is in seconds since the epoch, `speed` in simulated seconds a second (60 makes an hour a minute).
    """

    def __init__(self, start: float, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self.start = start
        self.speed = speed
        self._monotonic = monotonic
        self._zero = monotonic()

    def now(self) -> float:
        """Seconds since the epoch, simulated."""
        return self.start + (self._monotonic() - self._zero) * self.speed

    def real_seconds(self, simulated: float) -> float:
        """How long the given simulated seconds take, in real seconds."""
        return simulated / self.speed


def rfc3339(at: float) -> str:
    """A moment as RFC 3339 in UTC, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def http_date(at: float) -> str:
    """A moment as the Date of an answer, to the second."""
    return format_datetime(datetime.fromtimestamp(int(at), UTC), usegmt=True)
