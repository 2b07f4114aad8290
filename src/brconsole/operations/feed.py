"""How a face follows environments while it goes on answering keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet


class Feed(Protocol):
    """One environment as it changes. Every method returns at once and may be called from any thread."""

    environment: Environment

    def start(self) -> None:
        """Begin to observe in the background; does nothing where it already does."""

    def stop(self) -> None:
        """End observing; the last snapshot stays."""

    def latest(self) -> Fleet:
        """The newest snapshot; before the first answer, one in which nothing is known."""

    def now(self) -> datetime | None:
        """Service time, None until the clock answered."""

    def subscribe(self, observed: Callable[[Fleet], None]) -> Callable[[], None]:
        """Call `observed` with each new snapshot, from another thread, at most four times a second; returns the way to
        end it.
        """

    def refresh(self) -> None:
        """Observe every source now, within the quota."""

    def watch(self, service: str | None) -> None:
        """Also observe what the page of this service shows; None ends that."""
