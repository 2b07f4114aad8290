"""What happened, as the screens hear of it."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from brconsole.domain.fleet import Fleet


class FleetObserved(Message, bubble=False):
    """A newer snapshot of an environment; one that waits is replaced by the next."""

    def __init__(self, environment: str, fleet: Fleet) -> None:
        super().__init__()
        self.environment = environment
        self.fleet = fleet

    def can_replace(self, message: Message) -> bool:
        """Whether an older one that still waits may be dropped."""
        return isinstance(message, FleetObserved) and message.environment == self.environment


class DeskAnswered(Message, bubble=False):
    """A desk has something to say; `deliver` takes it on the screens' own loop."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.deliver = deliver
