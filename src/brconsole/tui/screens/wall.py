"""The wall: all environments side by side, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui import chrome, formats
from brconsole.tui.actions import Scope
from brconsole.tui.grid import Box, compose
from brconsole.tui.paint import Line, Pen, fit
from brconsole.tui.panels import card
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.state import FleetModel
from brconsole.tui.table import RowCursor

CARD_WIDTH = 38
CARD_HEIGHT = 4
COLUMN_HEIGHT = 14
"""Cards stand side by side only where each is at least this tall."""


if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class WallScreen(BoardScreen):
    """A card an environment; columns where there is room, rows where there is not."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.WALL, Scope.LIST)

    def __init__(self, app: BrconsoleApp, models: tuple[FleetModel, ...]) -> None:
        super().__init__(app)
        self.models = models
        self.cursor = RowCursor()
        self._boxes: list[tuple[str, Box]] = []
        self._moved = False

    def ordered(self) -> list[FleetModel]:
        """Worst first; equals as they are configured, the last before the first: prod usually comes last."""
        return sorted(self.models, key=lambda model: (-model.rank, -model.worries, -model.number))

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Header, a line that sums up, and the cards."""
        app = self.app
        models = self.ordered()
        top = [
            chrome.plain_header(
                "▌environments▐",
                app.settings.mode,
                simulated=app.simulated() or any(app.simulated(model) for model in models),
                clock=formats.clock(app.clock),
                width=width,
            ),
            self._summary(models, width),
        ]
        return [*top, *self._cards(models, width, height - len(top), len(top))]

    def _cards(self, models: Sequence[FleetModel], width: int, height: int, above: int) -> list[Line]:
        if not models:
            return [(("  No environment is configured.", "dim"),)]
        columns = max(1, min(len(models), width // CARD_WIDTH))
        rows = -(-len(models) // columns)
        if columns > 1 and height // rows < COLUMN_HEIGHT:
            columns, rows = 1, len(models)
        shown_rows = max(1, min(rows, height // CARD_HEIGHT))
        names = [model.environment.name for model in models]
        if not self._moved:  # until a person chooses, the worst is chosen
            self.cursor.choose(names[0])
        chosen = self.cursor.settle(names, len(names))
        first_row = max(0, chosen // columns - shown_rows + 1)
        self._boxes = []
        lines: list[Line] = []
        for row in range(shown_rows):
            y, tall = row * height // shown_rows, (row + 1) * height // shown_rows - row * height // shown_rows
            members = range((first_row + row) * columns, min(len(models), (first_row + row + 1) * columns))
            blocks = []
            for column, index in enumerate(members):
                x = column * width // columns
                box = Box(0, 0, (column + 1) * width // columns - x, tall)
                self._boxes.append((names[index], Box(x, y + above, box.width, tall)))
                blocks.append(self._card(models[index], box, chosen=index == chosen))
            lines += [fit(tuple(span for block in blocks for span in block[at]), width) for at in range(tall)]
        return lines

    def _card(self, model: FleetModel, box: Box, *, chosen: bool) -> list[Line]:
        role = f"env:{model.colour}" + (" bold" if chosen else "")
        return compose([card.panel(model, box, chosen=chosen)], box.width, box.height, role, heavy=chosen)

    def _summary(self, models: Sequence[FleetModel], width: int) -> Line:
        pen = Pen().put(" ")
        for index, model in enumerate(models):
            sign, word, role = model.health_sign()
            pen.put("   " if index else "").put(f"{model.name} ", "text").put(f"{sign} {word}", role)
        return fit(pen.line(), width)

    def move(self, steps: int) -> None:
        """Through the environments."""
        self._moved = True
        self.cursor.move([model.environment.name for model in self.ordered()], steps)
        self.repaint()

    def clicked(self, x: int, y: int) -> None:
        """A click chooses a card; on the chosen one it opens."""
        for name, box in self._boxes:
            if box.x <= x < box.x + box.width and box.y <= y < box.y + box.height:
                if self.cursor.key == name:
                    self.do_wall_open("")
                else:
                    self._moved = True
                    self.cursor.choose(name)
                    self.repaint()

    def do_wall_open(self, _key: str) -> None:
        """`wall.open`"""
        if self.cursor.key is not None:
            self.app.go("fleet", self.cursor.key)
