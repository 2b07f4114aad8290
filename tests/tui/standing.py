"""How tests stand in front of the screens: at a size, on sample fleets, waiting for conditions and never for time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from textual.pilot import Pilot

from brconsole.tui.app import BrconsoleApp
from brconsole.tui.console import Console

WAIT_S = 10.0


class Stand:
    """An application under test, its keys and its screen as text."""

    def __init__(self, app: BrconsoleApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*("space" if character == " " else character for character in text))

    def lines(self) -> list[str]:
        """What stands on the screen."""
        board = self.app._host().board
        assert board is not None
        return ["".join(segment.text for segment in board.render_line(y)) for y in range(board.size.height)]

    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the application run until a condition holds."""
        end = monotonic() + WAIT_S
        while not condition():
            assert monotonic() < end, f"it never came true; the screen shows\n{self.text()}"
            await self.pilot.pause()

    async def until_shown(self, text: str) -> None:
        """Wait until a text stands on the screen."""
        await self.until(lambda: text in self.text())

    def messages(self) -> list[str]:
        """The short messages that were shown."""
        return [notification.message for notification in self.app._notifications]


@asynccontextmanager
async def standing(console: Console, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Stand]:
    """Run the console headless and wait for its first page."""
    app = BrconsoleApp(console)
    async with app.run_test(size=size, notifications=True) as pilot:
        stand = Stand(app, pilot)
        await stand.until(lambda: app._host().board is not None and bool(app._host().board.size.width))
        await stand.until(lambda: bool(app._followed))
        await pilot.pause()
        yield stand
