"""The infrastructure: every environment's Terraform side by side, and what differs in the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from brconsole.domain.infra import Change, DriftReport, rollouts_of
from brconsole.operations.infra_desk import InfraSeen
from brconsole.tui import chrome
from brconsole.tui.actions import Action, Scope
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import EMPTY, Line
from brconsole.tui.panels import infra as parts
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.table import RowCursor

if TYPE_CHECKING:
    from brconsole.operations.infra_desk import InfraDesk
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel

WIDE, TALL = 118, 30
CELL_WIDTH = 34
"""Environments stand side by side as cells where each has so much room, else in one line."""


class InfraScreen(BoardScreen):
    """One environment in full, the others by their verdict."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.INFRA, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel, desk: InfraDesk) -> None:
        super().__init__(app)
        self.model = model
        self.desk = desk
        self.cursor = RowCursor()
        self._changes: tuple[Change, ...] = ()
        self._room = 1
        self._box = Box(0, 0, 1, 1)
        self._outputs = False
        self._tall = False
        self._both = False

    def begin(self) -> None:
        """Ask Terraform when the screen is opened; what was read before stays in sight meanwhile."""
        self.desk.look(self.model.environment.name)

    def refresh(self) -> None:
        """Ask it again."""
        self.desk.look(self.model.environment.name)

    def hinted(self) -> tuple[Action, ...]:
        """Without the way to where one is."""
        return tuple(action for action in super().hinted() if action.id != "infra.show")

    # -- painting -----------------------------------------------------------------------------------------------------

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Header, verdict and the panels."""
        app, model = self.app, self.model
        seen = self._seen(model)
        report = self._report(seen)
        self._changes = () if report is None else report.changes
        top = [
            chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width, view="infrastructure"),
            parts.verdict(report, seen, width),
        ]
        body = height - len(top)
        panels = self._panels(seen, report, width, body, len(top))
        return [*top, *compose(panels, width, body, f"env:{model.colour}", heavy=model.environment.protected)]

    def _seen(self, model: FleetModel) -> InfraSeen:
        return self.desk.seen(model.environment.name)

    def _report(self, seen: InfraSeen) -> DriftReport | None:
        """The report with the rollouts of this moment: one may have begun since the plan was made."""
        if seen.view is None:
            return None
        report = seen.view.report
        services = self.model.fleet.services.value
        if services is None:
            return report
        return replace(report, rollouts=rollouts_of({one.name: one.annotations for one in services}))

    def _panels(self, seen: InfraSeen, report: DriftReport | None, width: int, height: int, above: int) -> list[Panel]:
        now = self.desk.now()
        foot = parts.footing(
            self.model.environment.name, seen, report, width - 4, simulated=self.app.simulated(self.model)
        )
        models = list(self.app.models.values())
        cells = len(models) * CELL_WIDTH <= width and height >= TALL - 3
        panels = self._environments(models, now, width, cells=cells)
        y = panels[0].box.height - 1
        foot = foot[: 3 if height < TALL - 3 else 8]
        bottom = height - len(foot) - 2
        chosen = self._chosen_index(self._room)
        change = self._changes[chosen] if self._changes else None
        self._both = width >= WIDE and height >= TALL - 3
        if self._both:
            left = width * 3 // 5
            middle = y + max(12, (bottom - y) * 3 // 5)
            boxes = (
                Box(0, y, left, bottom - y + 1),
                Box(left - 1, y, width - left + 1, middle - y + 1),
                Box(left - 1, middle, width - left + 1, bottom - middle + 1),
            )
            panels.append(self._list(seen, boxes[0], now, above))
            panels.append(self._detail(change, boxes[1]))
            panels.append(self._outputs_panel(seen, boxes[2]))
        else:
            middle = y + max(4, (bottom - y) // 2)
            panels.append(self._list(seen, Box(0, y, width, middle - y + 1), now, above))
            lower = Box(0, middle, width, bottom - middle + 1)
            panels.append(self._outputs_panel(seen, lower) if self._outputs else self._detail(change, lower))
        panels.append(Panel(Box(0, bottom, width, height - bottom), (("Terraform", "title"),), EMPTY, foot))
        return panels

    def _environments(self, models: Sequence[FleetModel], now: float, width: int, *, cells: bool) -> list[Panel]:
        if not cells:
            entries = [(one.name, one.colour, self._seen(one), one is self.model) for one in models]
            line = parts.strip(entries, now, width - 4)
            return [Panel(Box(0, 0, width, 3), (("Environments", "title"),), EMPTY, [line])]
        panels = []
        for index, one in enumerate(models):
            left = index * width // len(models) - (1 if index else 0)
            right = (index + 1) * width // len(models)
            box = Box(left, 0, right - left, 5)
            body = parts.cell(one.name, one.colour, self._seen(one), now, box.inner_width, chosen=one is self.model)
            heading: Line = (("Environments", "title"),) if not index else EMPTY
            panels.append(Panel(box, heading, EMPTY, body))
        return panels

    def _chosen_index(self, room: int) -> int:
        self._room = room
        return self.cursor.settle([_row_key(change) for change in self._changes], room)

    def _list(self, seen: InfraSeen, box: Box, now: float, above: int) -> Panel:
        self._box = Box(box.x, box.y + above, box.width, box.height)
        badge = parts.age(seen, now)
        if not self._changes:
            return Panel(box, (("Changes", "title"),), badge, parts.nothing(seen, box.inner_width, box.inner_height))
        room = max(1, box.inner_height - 1)
        self._tall = 2 * len(self._changes) <= room
        lines = [parts.heading(box.inner_width, tall=self._tall)]
        chosen = self._chosen_index(room)
        for index in range(self.cursor.offset, min(len(self._changes), self.cursor.offset + room)):
            change = self._changes[index]
            lines += parts.rows(change, box.inner_width, chosen=index == chosen, tall=self._tall)
        name = f"Changes · {chosen + 1} of {len(self._changes)}"
        return Panel(box, ((name, "title"),), badge, lines)

    def _detail(self, change: Change | None, box: Box) -> Panel:
        body = parts.detail(change, box.inner_width, box.inner_height)
        badge: Line = EMPTY if change is None else ((f"{change.writer.value}'s field", "dim"),)
        return Panel(box, ((parts.title(change), "title"),), badge, body)

    def _outputs_panel(self, seen: InfraSeen, box: Box) -> Panel:
        number = "" if seen.outputs is None else f" · {len(seen.outputs.outputs)}"
        return Panel(
            box, ((f"Outputs{number}", "title"),), EMPTY, parts.outputs(seen, box.inner_width, box.inner_height)
        )

    # -- keys ---------------------------------------------------------------------------------------------------------

    def move(self, steps: int) -> None:
        """Through the changes."""
        self.cursor.move([_row_key(change) for change in self._changes], steps)
        self.repaint()

    def page_step(self) -> int:
        """What is in sight."""
        return max(1, self._room - 1)

    def clicked(self, x: int, y: int) -> None:
        """A click chooses a change."""
        index = self.cursor.offset + (y - self._box.y - 2) // (2 if self._tall else 1)
        if self._box.x <= x < self._box.x + self._box.width and self.cursor.offset <= index < len(self._changes):
            self.cursor.choose(_row_key(self._changes[index]))
            self.repaint()

    def back(self) -> bool:
        """The outputs give their place back first."""
        if self._outputs:
            self._outputs = False
            self.repaint()
            return True
        return False

    def do_infra_outputs(self, _key: str) -> None:
        """`infra.outputs`"""
        if self._both:
            self.app.say("the outputs stand below the change already")
            return
        self._outputs = not self._outputs
        self.repaint()

    def do_infra_next(self, _key: str) -> None:
        """`infra.next`"""
        self._step(1)

    def do_infra_previous(self, _key: str) -> None:
        """`infra.previous`"""
        self._step(-1)

    def _step(self, steps: int) -> None:
        names = list(self.app.models)
        name = names[(names.index(self.model.environment.name) + steps) % len(names)]
        self.app.go("infra", name)

    def do_copy_name(self, _key: str) -> None:
        """`copy.name`: the address of the chosen resource."""
        chosen = next((change for change in self._changes if _row_key(change) == self.cursor.key), None)
        self.app.copy_text(self.model.environment.name if chosen is None else chosen.address)


def _row_key(change: Change) -> str:
    return f"{change.address} {change.path}"
