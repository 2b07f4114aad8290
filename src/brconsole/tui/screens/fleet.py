"""The fleet of one environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui import chrome
from brconsole.tui.actions import Scope
from brconsole.tui.filters import Filter, parse
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.layout import fleet_layout
from brconsole.tui.paint import EMPTY, Line, Pen, pages, shown
from brconsole.tui.panels import services, sources
from brconsole.tui.panels.frame import panel
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.state import FleetModel, ServiceRow
from brconsole.tui.table import RowCursor

PANELS = ("services", "budget", "alerts", "queues", "spend", "changes")
SETTLE_S = 0.08
"""A cursor that rests as long is looked at; the charts then follow it."""
TWO_LINES_WIDTH = 72
"""From this width a service has a second line of detail, where there are rows for it."""
_SERVICE_SOURCES = ("services", "revisions", "requests", "latency", "instances")


if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class FleetView:
    """How a person looks at a fleet; it outlives the screen, so that coming back finds it as it was."""

    def __init__(self) -> None:
        self.cursor = RowCursor()
        self.sort = services.SORTS[0]
        self.filter = Filter("")
        self.focus = "services"
        self.zoomed = False
        self.scroll: dict[str, int] = {}
        self._sorted: list[ServiceRow] = []
        self._sorted_for: tuple[object, ...] = ()

    def rows(self, model: FleetModel) -> list[ServiceRow]:
        """The services that the filter lets through, in order; made anew only when something of that changed."""
        made_for = (model.rows, self.sort, self.filter.text)
        if made_for[0] is not (self._sorted_for or (None,))[0] or made_for[1:] != self._sorted_for[1:]:
            self._sorted = services.sort_rows([row for row in model.rows if self.filter.holds(row)], self.sort)
            self._sorted_for = made_for
        return self._sorted


class FleetScreen(BoardScreen):
    """Services, budgets, queues, spend, alerts and changes on one page."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.FLEET, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel, view: FleetView) -> None:
        super().__init__(app)
        self.model = model
        self.view = view
        self._table_top = 0
        self._table_rows: list[str] = []
        self._row_lines = 1
        self._boxes: dict[str, Box] = {}
        self._table_height = 1
        self._drawn: dict[str, tuple[object, tuple[object, ...], Panel]] = {}
        self._charted: str | None = None
        self._moving = 0

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Header, verdict and panels."""
        app, model, view = self.app, self.model, self.view
        top = [
            chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width),
            chrome.verdict(model, width),
        ]
        rows = view.rows(model)
        if not self._moving or self._charted is None:
            row = self.chosen()
            self._charted = row.key if row else None
        body = height - len(top)
        boxes = {view.focus: Box(0, 0, width, body)} if view.zoomed else fleet_layout(width, body)
        self._boxes = {name: Box(box.x, box.y + len(top), box.width, box.height) for name, box in boxes.items()}
        panels = [self._kept(name, box, rows) for name, box in boxes.items()]
        return [*top, *compose(panels, width, body, f"env:{model.colour}", heavy=model.environment.protected)]

    def _kept(self, name: str, box: Box, rows: list[ServiceRow]) -> Panel:
        """A panel; what the cursor does not change is drawn once for a snapshot and a second."""
        if name in ("services", "summary"):
            return self._panel(name, box, rows)
        view = self.view
        drawn_for = (
            self.model.now,
            box,
            view.focus,
            view.zoomed,
            view.scroll.get(name),
            self._charted if name == "chart" else None,
        )
        kept = self._drawn.get(name)
        if kept is not None and kept[0] is self.model.fleet and kept[1] == drawn_for:
            return kept[2]
        panel = self._panel(name, box, rows)
        self._drawn[name] = (self.model.fleet, drawn_for, panel)
        return panel

    def _panel(self, name: str, box: Box, rows: list[ServiceRow]) -> Panel:
        model, view = self.model, self.view
        focused = view.focus == name and (name != "services" or view.zoomed) and name in self._boxes
        if name == "services":
            note = self._filter_note(rows)
            return panel(
                box,
                f"Services · {len(model.rows)}" if model.rows else "Services",
                model.trust(*_SERVICE_SOURCES),
                partial(self._services, rows),
                focused=focused,
                note=note,
            )
        if name == "summary":
            from brconsole.tui.panels import summary

            return summary.panel(model, box, partial(self._services, rows))
        if name == "chart":
            row = model.row(self._charted) if self._charted is not None else None
            title = f"{row.name} · last hour" if row else "Last hour"
            return panel(
                box,
                title,
                model.trust("requests", "latency"),
                partial(_charts, model, row),
            )
        if name == "sources":
            listed_sources = sources.lines(model, box.inner_width, box.inner_height)
            return Panel(box, (("Sources", "title"),), model.connection().badge(), listed_sources)
        return panel(
            box,
            _title(name, model),
            model.trust({"budget": "slos"}.get(name, name)),
            partial(self._scrolled, name),
            focused=focused,
            note=_alert_counts(model, short=box.width < 48) if name == "alerts" else EMPTY,
        )

    def _scrolled(self, name: str, width: int, height: int) -> Sequence[Line]:
        render = _lines_of(name)
        offset = self.view.scroll.get(name, 0)
        if not offset:
            return render(self.model, width, height)
        every = render(self.model, width, 10_000)
        offset = max(0, min(offset, len(every) - height))
        self.view.scroll[name] = offset
        return pages(every[offset:], height)

    def _filter_note(self, rows: list[ServiceRow]) -> Line:
        typed = self.view.filter
        if not typed.text:
            return EMPTY
        pen = Pen().put(f"  {len(rows)} of {len(self.model.rows)} · filter: {shown(typed.text, 60)}", "accent")
        return pen.put(f"  {typed.problem}" if typed.problem else "", "warn").line()

    def _services(self, rows: list[ServiceRow], width: int, height: int) -> Sequence[Line]:
        view, model = self.view, self.model
        columns = services.columns_for(model.rows, width)  # of all rows: a filter moves no column
        keys = [row.key for row in rows]
        self._row_lines = 2 if width >= TWO_LINES_WIDTH and height - 1 >= max(5, len(rows)) * 2 else 1
        room = max(1, (height - 1) // self._row_lines)
        chosen = view.cursor.settle(keys, room)
        self._table_rows = keys[view.cursor.offset : view.cursor.offset + room]
        self._table_height = room
        lines: list[Line] = [services.heading(columns, view.sort)]
        if not rows:
            text = "No service matches the filter; esc clears it." if model.rows else "No service runs in this region."
            return [*lines, (), ((text, "dim"),)]
        failed = model.trust(*_SERVICE_SOURCES, "slos").failed
        for index, row in enumerate(rows[view.cursor.offset : view.cursor.offset + room], view.cursor.offset):
            lines.append(services.line(row, columns, model.now, failed, chosen=index == chosen))
            if self._row_lines == 2:
                lines.append(services.detail(row, columns, chosen=index == chosen))
        return lines

    def chosen(self) -> ServiceRow | None:
        """The service under the cursor, by its name."""
        rows = self.view.rows(self.model)
        if not rows:
            return None
        self.view.cursor.settle([row.key for row in rows], self._table_height)
        return next((row for row in rows if row.key == self.view.cursor.key), None)

    def target(self) -> tuple[FleetModel, str] | None:
        """The service under the cursor."""
        row = self.chosen()
        return None if row is None else (self.model, row.key)

    def move(self, steps: int) -> None:
        """Through the services, or through the panel in focus."""
        if self.view.focus != "services":
            offset = self.view.scroll.get(self.view.focus, 0)
            self.view.scroll[self.view.focus] = max(0, offset + max(-1000, min(1000, steps)))
        else:
            self.view.cursor.move([row.key for row in self.view.rows(self.model)], steps)
            self._moving += 1
            self.app.set_timer(SETTLE_S, self._settled)
        self.repaint()

    def _settled(self) -> None:
        """The cursor rests: the charts follow it now, not at every row it passes."""
        self._moving -= 1
        if not self._moving:
            self.repaint()

    def page_step(self) -> int:
        """What is in sight."""
        return max(1, self._table_height - 1)

    def clicked(self, x: int, y: int) -> None:
        """A click chooses the row; on the chosen row it opens."""
        box = self._boxes.get("services") or self._boxes.get("summary")
        if box is None or not box.y < y < box.y + box.height - 1:
            return
        index = (y - box.y - 2) // self._row_lines
        if 0 <= index < len(self._table_rows):
            key = self._table_rows[index]
            if self.view.cursor.key == key:
                self.app.act("fleet.open")
                return
            self.view.cursor.choose(key)
            self.repaint()

    def set_filter(self, text: str) -> None:
        """Filter the services; an empty text shows all."""
        self.view.filter = parse(text)
        self.view.focus = "services"
        self.repaint()

    def back(self) -> bool:
        """Undo what narrows the view, innermost first; False where nothing does."""
        if self.view.zoomed:
            self.view.zoomed = False
        elif self.view.filter.text:
            self.view.filter = Filter("")
        elif self.view.focus != "services":
            self.view.focus = "services"
        else:
            return False
        self.view.scroll.clear()
        self.repaint()
        return True

    def sort_next(self) -> None:
        """Sort by the next column."""
        order = services.SORTS
        self.sort_by(order[(order.index(self.view.sort) + 1) % len(order)])

    def sort_by(self, name: str) -> None:
        """Sort by a column."""
        self.view.sort = name
        self.repaint()

    def do_panel_next(self, _key: str) -> None:
        """`panel.next`"""
        self._focus(1)

    def do_panel_previous(self, _key: str) -> None:
        """`panel.previous`"""
        self._focus(-1)

    def _focus(self, step: int) -> None:
        self.view.focus = PANELS[(PANELS.index(self.view.focus) + step) % len(PANELS)]
        self.repaint()

    def do_panel_zoom(self, _key: str) -> None:
        """`panel.zoom`"""
        self.view.zoomed = not self.view.zoomed
        self.repaint()

    def open_chosen(self) -> None:
        """Open the chosen service; another panel in focus gets the whole screen."""
        if self.view.focus != "services":
            self.view.zoomed = not self.view.zoomed
            self.repaint()
        elif row := self.chosen():
            self.app.open_service(self.model, row.key)

    def do_copy_name(self, _key: str) -> None:
        """`copy.name`"""
        if row := self.chosen():
            self.app.copy_text(row.key)

    def do_copy_command(self, _key: str) -> None:
        """`copy.command`"""
        if row := self.chosen():
            self.app.copy_text(describe_command(self.model, row.key))


def describe_command(model: FleetModel, service: str) -> str:
    """What to type to see the same with Google's own tool."""
    environment = model.environment
    return f"gcloud run services describe {service} --project {environment.project} --region {environment.region}"


# The first paint needs frames and titles; what fills a panel is imported when there is something to show.


def _lines_of(name: str) -> Callable[[FleetModel, int, int], Sequence[Line]]:
    lines: Callable[[FleetModel, int, int], Sequence[Line]] = import_module(f"brconsole.tui.panels.{name}").lines
    return lines


def _charts(model: FleetModel, row: ServiceRow | None, width: int, height: int) -> Sequence[Line]:
    from brconsole.tui.panels import detail

    return detail.charts(model, row, width, height)


def _title(name: str, model: FleetModel) -> str:
    if name == "changes":
        listed = len(model.fleet.changes.value or ())
        return f"Changes · {listed}" if listed else "Changes"
    if name == "budget" and model.fleet.slos.known:
        from brconsole.tui.panels import budget

        return budget.title(model)
    if name == "spend" and model.fleet.spend.known:
        from brconsole.tui.panels import spend

        return spend.title(model)
    return "Error budget" if name == "budget" else name.capitalize()


def _alert_counts(model: FleetModel, *, short: bool) -> Line:
    if not model.fleet.alerts.known:
        return EMPTY
    from brconsole.tui.panels import alerts

    return alerts.counts(model, short=short)
