"""The migrations of one environment: what is pending, its plan and approval, the run with its log, what ran before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.operations.desk import MigrationSeen
from brconsole.tui import chrome, formats, glyphs
from brconsole.tui.actions import Action, Scope, key_name
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import EMPTY, Line, fit, shown, wrap
from brconsole.tui.panels import migrations as parts
from brconsole.tui.panels.frame import greyed, highlight, skeleton
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.table import RowCursor

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel

WIDE, TALL = 118, 30
"""From this size the SQL stands beside the list, and the history beside the log."""
PANELS = ("pending", "sql", "log", "history")
STALE_AFTER_S = 60.0
NOT_CONFIGURED = (
    "Nothing says where this project's migrations are. Name its alembic.ini in brconsole.toml:",
    "",
    "    [migrations]",
    '    alembic = "backend/alembic.ini"',
    "",
    "Then this screen shows what is pending, checks it on a throwaway PostgreSQL, and runs it as the job migrate-db.",
)


class MigrationsScreen(BoardScreen):
    """The migration job of one environment and the database that it alone reaches."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.MIGRATIONS, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel) -> None:
        super().__init__(app)
        self.model = model
        self._cursor = RowCursor()
        self._focus = PANELS[0]
        self._zoomed = False
        self._scroll: dict[str, int] = {}
        self._lengths: dict[str, int] = {}
        self._rooms: dict[str, int] = {}

    def place(self) -> FleetModel:
        """The environment of the page."""
        return self.model

    def seen(self) -> MigrationSeen:
        """The newest looks of the desk."""
        desk = self.app.settings.desks.get(self.model.environment.name)
        return MigrationSeen(configured=False) if desk is None else desk.migration_seen()

    def hinted(self) -> tuple[Action, ...]:
        """The orders that make sense where the migrations stand; the others answer with why they do not."""
        useful = self._useful()
        return tuple(
            action for action in self.actions() if not action.id.startswith("migration.") or action.id in useful
        )

    def _useful(self) -> set[str]:
        seen = self.seen()
        view = seen.view
        if view is None or view.job is None:
            return set()
        if view.under_way is not None:
            return {"migration.cancel"}
        useful = {"migration.look", "migration.plan"}
        plan = None if seen.plan is None else seen.plan.plan
        if plan is not None and plan.revisions:
            useful |= {"migration.approve", "migration.run"}
            last = view.last_run
            if last is not None and not last.succeeded:
                useful.add("migration.retry")
        return useful

    # -- painting -----------------------------------------------------------------------------------------------------

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Header, what comes next, and the panels."""
        app, model = self.app, self.model
        seen = self.seen()
        keys = {action.id: key_name(action.keys[0]) for action in app.keys.actions if action.keys}
        top = [
            chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width, view="migrations"),
            parts.verdict(seen, keys, width),
        ]
        body = height - len(top)
        panels = self._panels(seen, width, body)
        return [*top, *compose(panels, width, body, f"env:{model.colour}", heavy=model.environment.protected)]

    def _panels(self, seen: MigrationSeen, width: int, height: int) -> list[Panel]:
        if seen.configured is False:
            return [self._empty(Box(0, 0, width, height))]
        now = self.model.now
        head = self._head(seen, width - 4)
        listed = parts.rows(seen)
        boxes = self._boxes(width, height, len(head), len(listed))
        if self._zoomed:
            boxes = {self._focus: Box(0, 0, width, height)}
        panels = []
        if "head" in boxes:
            job = "migrate-db" if seen.view is None or seen.view.job is None else shown(seen.view.job.name, 63)
            title = ((f"Database · {job}", "title"),)
            panels.append(Panel(boxes["head"], title, self._badge(seen), head or skeleton(width - 4, 3)))
        if "pending" in boxes:
            panels.append(self._pending(seen, listed, boxes["pending"]))
        chosen = self._chosen(listed)
        if "sql" in boxes:
            panels.append(self._sql(seen, chosen, boxes["sql"]))
        if "log" in boxes:
            log = parts.log(seen.run, boxes["log"].inner_width)
            panels.append(
                self._text("log", parts.run_title(seen), parts.run_badge(seen.run), log, boxes["log"], end=True)
            )
        if "history" in boxes:
            rows = parts.history(seen.view, now, boxes["history"].inner_width)
            if seen.problem is not None:
                rows = [greyed(line) for line in rows]
            title = ((f"Executions · {len(rows)}" if rows else "Executions", "title"),)
            panels.append(self._text("history", title, EMPTY, rows, boxes["history"]))
        return panels

    def _empty(self, box: Box) -> Panel:
        lines: list[Line] = [EMPTY]
        for text in NOT_CONFIGURED:
            lines += wrap(text, box.inner_width, "strong" if text.startswith(" ") else "text", 3) if text else [EMPTY]
        return Panel(box, (("Migrations", "title"),), EMPTY, lines)

    def _head(self, seen: MigrationSeen, width: int) -> list[Line]:
        lines = parts.database(seen, self.model.now, width)
        if seen.view is not None and seen.problem is not None:
            lines = [greyed(line) for line in lines]
            lines += wrap(f"{glyphs.BAD} {shown(seen.problem, 300)}", width, "bad", 2)
        return [*lines, *parts.lost(seen, width)]

    def _badge(self, seen: MigrationSeen) -> Line:
        now, view = self.model.now, seen.view
        if view is None:
            return ((f"{glyphs.BAD} failed", "bad"),) if seen.problem else ((f"{glyphs.LOADING} loading", "dim"),)
        old = None if now is None else max(0.0, (now - view.as_of).total_seconds())
        if seen.problem is not None:
            return ((f"{glyphs.BAD} failed · {formats.age(old)}", "bad"),)
        if old is not None and old > STALE_AFTER_S:
            return ((f"{glyphs.STALE} stale · {formats.age(old)}", "warn"),)
        return ((glyphs.LIVE, "good"), (f" {formats.age(old)}", "dim"))

    def _pending(self, seen: MigrationSeen, listed: Sequence[parts.Row], box: Box) -> Panel:
        title: Line = (
            (self._named("pending", f"Pending · {len(listed)}" if listed else "Pending"), self._role("pending")),
        )
        badge: Line = ((f"{glyphs.LOADING} checking", "accent"),) if seen.checking else EMPTY
        if seen.view is None:
            return Panel(box, title, badge, skeleton(box.inner_width, min(3, box.inner_height)))
        if not listed:
            text = "Nothing is pending." if parts.settled(seen) else "No plan has told what is pending."
            return Panel(box, title, badge, [((text, "dim"),)])
        room = box.inner_height
        self._rooms["pending"] = room
        keys = [row.planned.revision for row in listed]
        chosen = self._cursor.settle(keys, room)
        lines = parts.pending(listed, box.inner_width)
        if seen.problem is not None:
            lines = [greyed(line) for line in lines]
        offset = self._cursor.offset
        body = [
            highlight(line, box.inner_width) if index == chosen else line
            for index, line in enumerate(lines[offset : offset + room], offset)
        ]
        return Panel(box, title, badge, body, focused=self._focus == "pending")

    def _chosen(self, listed: Sequence[parts.Row]) -> parts.Row | None:
        return next((row for row in listed if row.planned.revision == self._cursor.key), next(iter(listed), None))

    def _sql(self, seen: MigrationSeen, chosen: parts.Row | None, box: Box) -> Panel:
        """What the check says of the chosen revision, then what it does."""
        width = box.inner_width
        name = "" if chosen is None else f" · {shown(chosen.planned.revision, 40)}"
        lines = parts.facts(chosen, width) if seen.view is not None else skeleton(width, min(3, box.inner_height))
        if chosen is not None:
            lines = [*lines, *([EMPTY] if lines else []), *parts.statements(chosen, width)]
        return self._text("sql", ((f"What it does{name}", "title"),), EMPTY, lines, box)

    def _text(
        self, name: str, title: Line, badge: Line, lines: Sequence[Line], box: Box, *, end: bool = False
    ) -> Panel:
        """A panel to scroll; `end` follows its end until somebody scrolls up."""
        room = box.inner_height
        most = max(0, len(lines) - room)
        self._lengths[name], self._rooms[name] = most, room
        asked = self._scroll.get(name)
        offset = (most if end else 0) if asked is None else max(0, min(asked, most))
        if end and asked is not None and asked >= most:
            self._scroll.pop(name)
        hidden = most - offset
        if hidden > 0:
            badge = ((f"{hidden} more", "accent"), *((("  ", ""), *badge) if badge else ()))
        if self._focus == name:
            title = tuple(
                (f"{glyphs.CURSOR} {text}" if not index else text, f"{role} under")
                for index, (text, role) in enumerate(title)
            )
        return Panel(
            box,
            title,
            badge,
            [fit(line, box.inner_width) for line in lines[offset : offset + room]],
            focused=self._focus == name,
        )

    def _named(self, name: str, title: str) -> str:
        return f"{glyphs.CURSOR} {title}" if self._focus == name else title

    def _role(self, name: str) -> str:
        return "title under" if self._focus == name else "title"

    def _boxes(self, width: int, height: int, head: int, pending: int) -> dict[str, Box]:
        """Where the panels stand; they depend on the size, and on the rows only as far as there is room to give."""
        head = max(4, min(head, 8 if height >= TALL else 5))
        boxes = {"head": Box(0, 0, width, head + 2)}
        y = head + 1
        rest = height - y
        if width < WIDE or height < TALL:
            listed = max(3, min(pending or 1, rest // 3 - 1))
            log = max(4, rest // 3) if rest >= 14 else 0
            boxes["pending"] = Box(0, y, width, listed + 2)
            y += listed + 1
            middle = height - y - (log - 1 if log else 0)
            boxes["sql"] = Box(0, y, width, middle)
            if log:
                boxes["log"] = Box(0, y + middle - 1, width, height - (y + middle - 1))
            return boxes
        left = width // 2
        lower = max(9, rest * 2 // 5)
        upper = rest - lower + 1
        boxes["pending"] = Box(0, y, left, upper)
        boxes["sql"] = Box(left - 1, y, width - left + 1, upper)
        boxes["log"] = Box(0, y + upper - 1, left, lower)
        boxes["history"] = Box(left - 1, y + upper - 1, width - left + 1, lower)
        return boxes

    # -- keys ---------------------------------------------------------------------------------------------------------

    def move(self, steps: int) -> None:
        """Through the pending revisions, or through the text in focus."""
        if self._focus == "pending":
            before = self._cursor.key
            self._cursor.move([row.planned.revision for row in parts.rows(self.seen())], steps)
            if self._cursor.key != before:
                self._scroll.pop("sql", None)
        else:
            most = self._lengths.get(self._focus, 0)
            at = self._scroll.get(self._focus, most if self._focus == "log" else 0)
            self._scroll[self._focus] = max(0, min(most, at + steps))
        self.repaint()

    def page_step(self) -> int:
        """What is in sight of the panel in focus."""
        return max(1, self._rooms.get(self._focus, 10) - 1)

    def back(self) -> bool:
        """Undo what narrows the view, innermost first."""
        if self._zoomed:
            self._zoomed = False
        elif self._focus != "pending":
            self._focus = "pending"
        else:
            return False
        self._scroll.clear()
        self.repaint()
        return True

    def do_panel_next(self, _key: str) -> None:
        """`panel.next`"""
        self._turn(1)

    def do_panel_previous(self, _key: str) -> None:
        """`panel.previous`"""
        self._turn(-1)

    def _turn(self, step: int) -> None:
        self._focus = PANELS[(PANELS.index(self._focus) + step) % len(PANELS)]
        self.repaint()

    def do_panel_zoom(self, _key: str) -> None:
        """`panel.zoom`"""
        self._zoomed = not self._zoomed
        self.repaint()

    def do_copy_name(self, _key: str) -> None:
        """`copy.name`: the plan's hash, which a reviewer names."""
        plan = None if (seen := self.seen()).plan is None else seen.plan.plan
        if plan is None:
            self.app.say("there is no plan whose hash could be copied", "warning")
        else:
            self.app.copy_text(plan.hash)
