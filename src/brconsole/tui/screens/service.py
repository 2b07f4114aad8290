"""The page of one service: its revisions, what is asked for and what serves, and the last hour by revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui import chrome
from brconsole.tui.actions import Scope
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import Line, shown
from brconsole.tui.panels import budget, detail, revisions
from brconsole.tui.panels.frame import panel
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.screens.fleet import FleetView, describe_command
from brconsole.tui.state import FleetModel
from brconsole.tui.table import RowCursor

FACTS = 3
"""Rows of facts above the revisions."""


if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class ServiceScreen(BoardScreen):
    """Everything about one service."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.SERVICE, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel, view: FleetView, service: str) -> None:
        super().__init__(app)
        self.model = model
        self.view = view
        self.service = service
        self.cursor = RowCursor()
        self._height = 1
        self._box = Box(0, 0, 1, 1)
        self._listed: list[str] = []

    def target(self) -> tuple[FleetModel, str]:
        """The service of the page."""
        return self.model, self.service

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Facts, revisions, charts and objectives."""
        app, model = self.app, self.model
        row = model.row(self.service)
        top = [
            chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width, view=self.service),
            chrome.verdict(model, width) if row is None else revisions.verdict(row, width),
        ]
        body = height - len(top)
        names = self._boxes(width, body, len(model.revisions(self.service)), bool(row and row.slos))
        panels = [self._panel(name, box) for name, box in names.items()]
        self._box = names["revisions"]
        return [*top, *compose(panels, width, body, f"env:{model.colour}", heavy=model.environment.protected)]

    def _boxes(self, width: int, height: int, listed: int, objectives: bool) -> dict[str, Box]:
        """Facts above; below them the revisions beside the objectives; the charts get what is left."""
        facts = FACTS if height >= 16 else 1
        boxes = {"facts": Box(0, 0, width, facts + 2)}
        y = facts + 1
        chart = 0 if height < 15 else min(height // 2 + 2, max(8, height - y - 4 - max(4, listed + 1)))
        table = height - y - (chart + 1 if chart else 0) - 1
        side = 0 if width < 130 or not objectives else min(56, width // 3)
        boxes["revisions"] = Box(0, y, width - side + (1 if side else 0), table + 1)
        if side:
            boxes["slos"] = Box(width - side, y, side, table + 1)
        y += table
        if chart:
            boxes["chart"] = Box(0, y, width, height - y)
        return boxes

    def _panel(self, name: str, box: Box) -> Panel:
        model = self.model
        row = model.row(self.service)
        if name == "facts":
            return panel(
                box,
                shown(self.service, 80),
                model.trust("services"),
                lambda width, height: revisions.facts(model, row, width, height),
            )
        if name == "revisions":
            listed = len(model.revisions(self.service))
            title = f"Revisions · {listed}" if listed else "Revisions"
            return panel(box, title, model.trust("revisions", "services", "requests"), self._table)
        if name == "slos":
            slos = row.slos if row else ()
            return panel(
                box,
                "Error budget",
                model.trust("slos"),
                lambda width, height: budget.objectives(slos, model.now, width, height),
            )
        return panel(
            box,
            "Last hour by revision",
            model.trust("requests", "latency", "latency_by_revision"),
            lambda width, height: detail.charts(model, row, width, height),
        )

    def _table(self, width: int, height: int) -> Sequence[Line]:
        row = self.model.row(self.service)
        if row is None:
            return [((f"No service {shown(self.service, 60)} is known here.", "dim"),)]
        listed = revisions.ordered(self.model, row)
        self._listed = [revision.name for revision in listed]
        self._height = max(1, height - 1)
        chosen = self.cursor.settle(self._listed, self._height)
        columns = revisions.columns_for(listed, row, width)
        lines = [revisions.heading(columns)]
        styles = detail.revision_styles(row)
        in_sight = range(self.cursor.offset, min(len(listed), self.cursor.offset + self._height))
        lines.extend(
            revisions.line(self.model, row, listed[index], columns, styles, chosen=index == chosen)
            for index in in_sight
        )
        if not listed:
            lines.append((("No revision is known.", "dim"),))
        return lines

    def move(self, steps: int) -> None:
        """Through the revisions."""
        self.cursor.move(self._listed, steps)
        self.repaint()

    def page_step(self) -> int:
        """What is in sight."""
        return max(1, self._height - 1)

    def clicked(self, x: int, y: int) -> None:
        """A click chooses a revision."""
        index = y - 2 - self._box.y - 2
        if 0 <= index < self._height and self.cursor.offset + index < len(self._listed) and x < self._box.width:
            self.cursor.choose(self._listed[self.cursor.offset + index])
            self.repaint()

    def _step(self, step: int) -> None:
        keys = [row.key for row in self.view.rows(self.model)]
        if not keys:
            return
        index = keys.index(self.service) if self.service in keys else 0
        name = keys[(index + step) % len(keys)]
        self.view.cursor.choose(name)
        self.service = name
        self.cursor = RowCursor()
        self.app.service_changed(self.model, name)
        self.repaint()

    def do_service_next(self, _key: str) -> None:
        """`service.next`: in the order of the fleet, with its filter."""
        self._step(1)

    def do_service_previous(self, _key: str) -> None:
        """`service.previous`"""
        self._step(-1)

    def do_copy_name(self, _key: str) -> None:
        """`copy.name`: of the chosen revision."""
        self.app.copy_text(self.cursor.key or self.service)

    def do_copy_command(self, _key: str) -> None:
        """`copy.command`"""
        self.app.copy_text(describe_command(self.model, self.service))
