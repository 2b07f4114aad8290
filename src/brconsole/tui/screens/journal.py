"""The journal of an environment, as a time line to scroll."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.operations.journal import Entry
from brconsole.tui import chrome
from brconsole.tui.actions import Scope
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import EMPTY, Line, shown, wrap
from brconsole.tui.panels import journal
from brconsole.tui.panels.frame import skeleton
from brconsole.tui.screens.base import BoardScreen

if TYPE_CHECKING:
    from brconsole.operations.desk import Desk
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel


class JournalScreen(BoardScreen):
    """What was meant to be done here and what became of it, newest at the foot."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.JOURNAL, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel, desk: Desk, service: str | None) -> None:
        super().__init__(app)
        self.model = model
        self._desk = desk
        self._service = service
        self._read: tuple[Entry, ...] | str | None = None
        self._up = 0
        self._room = 1
        self._number = 0

    def read(self) -> None:
        """Ask for the entries."""
        self._desk.read_journal(self._service, lambda read: self.app.from_desk(lambda: self._answered(read)))

    def _answered(self, read: tuple[Entry, ...] | str) -> None:
        self._read = read
        self.repaint()

    def page(self, width: int, height: int) -> Sequence[Line]:
        """One panel."""
        app, model = self.app, self.model
        view = "journal" if self._service is None else f"journal · {shown(self._service, 60)}"
        top = chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width, view=view)
        box = Box(0, 0, width, height - 1)
        body = self._body(box.inner_width, box.inner_height)
        more: Line = ((f"{self._up} newer, j", "accent"),) if self._up else EMPTY
        title = "Journal" if self._service is None else f"Journal of {shown(self._service, 60)}"
        panel = Panel(box, ((title, "title"),), more, body)
        return [top, *compose([panel], width, height - 1, f"env:{model.colour}", heavy=model.environment.protected)]

    def _body(self, width: int, height: int) -> list[Line]:
        if self._read is None:
            return skeleton(width, height)
        if isinstance(self._read, str):
            return wrap(self._read, width, "bad", 4)
        if not self._read:
            return [(("Nothing was written from this machine yet.", "dim"),)]
        every = journal.lines(self._read, self.model.now, width, service=self._service is None)
        self._number, self._room = len(every), height
        self._up = max(0, min(self._up, len(every) - height))
        return every[max(0, len(every) - height - self._up) : len(every) - self._up]

    def move(self, steps: int) -> None:
        """Scroll."""
        self._up = max(0, min(max(0, self._number - self._room), self._up - steps))
        self.repaint()

    def page_step(self) -> int:
        """What is in sight."""
        return max(1, self._room - 1)
