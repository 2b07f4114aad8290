"""The release of one service: where the canary stands, on what evidence it may go on, who drives, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.domain.annotation import Unreadable
from brconsole.domain.findings import Finding, WayOut
from brconsole.domain.intent import MOST_EXTENSIONS, Phase, Rollout, intent_of
from brconsole.operations.desk import Seen
from brconsole.operations.rollouts import RolloutView
from brconsole.tui import chrome, formats, glyphs
from brconsole.tui.actions import Action, Scope, key_name
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import EMPTY, Line, fit_middle, shown, wrap
from brconsole.tui.panels import journal
from brconsole.tui.panels import release as parts
from brconsole.tui.panels.frame import skeleton
from brconsole.tui.panels.plan import VERDICTS
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.screens.fleet import describe_command
from brconsole.tui.state import FleetModel

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp

WIDE, TALL = 118, 30
"""From this size evidence and journal stand beside the gates and the undo target."""
_ALWAYS = ("rollback.open",)


class ReleaseScreen(BoardScreen):
    """One service's rollout, or what a start would meet."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.RELEASE, Scope.LIST)

    def __init__(self, app: BrconsoleApp, model: FleetModel, service: str) -> None:
        super().__init__(app)
        self.model = model
        self.service = service
        self._scroll = 0
        self._judged: RolloutView | None = None
        """The last look with evidence, so that what convicted a canary stays in sight after it is gone."""

    def target(self) -> tuple[FleetModel, str]:
        """The service of the page."""
        return self.model, self.service

    def hinted(self) -> tuple[Action, ...]:
        """The orders that make sense where the rollout stands; the others answer with why they do not."""
        useful = self._useful()
        return tuple(
            action
            for action in self.actions()
            if Scope.RELEASE not in action.scopes or action.group != "Act" or action.id in useful
        )

    def _seen(self) -> Seen:
        return self.app.writes.seen(self.model, self.service)

    def _useful(self) -> set[str]:
        seen = self._seen()
        state = self.app.writes.rollout(self.model, self.service)
        ways = {parts.WAYS[way] for way in self._ways(seen.view) if way in parts.WAYS}
        useful = {*_ALWAYS, *ways}
        if state is None or not state.active:
            newest = self.model.fleet.service(self.service)
            useful |= {"traffic.shift", "traffic.undo"}
            if newest is not None and newest.latest_ready not in (None, *newest.desired_split()):
                useful.add("release.start")
            return useful
        useful |= {"release.abort", "release.drive"}
        if state.forward:
            useful.add("release.promote")
        if state.phase is Phase.HOLDING:
            useful |= {"release.resume", "traffic.shift"}
        elif state.forward:
            useful.add("release.hold")
        if state.holds >= MOST_EXTENSIONS:
            useful.add("release.waive")
        return useful

    @staticmethod
    def _ways(view: RolloutView | None) -> set[WayOut]:
        return set() if view is None else {way for finding in view.findings for way in finding.ways}

    # -- painting -----------------------------------------------------------------------------------------------------

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Header, what comes next, and the panels."""
        app, model = self.app, self.model
        seen = self._seen()
        view = seen.view
        now = parts.moment_of(view, model)
        top = [
            chrome.header(model, app.mode(model), simulated=app.simulated(model), width=width, view=self.service),
            chrome.verdict(model, width) if view is None else parts.verdict(view, now, width),
        ]
        body = height - len(top)
        panels = self._panels(seen, width, body)
        return [*top, *compose(panels, width, body, f"env:{model.colour}", heavy=model.environment.protected)]

    def _panels(self, seen: Seen, width: int, height: int) -> list[Panel]:
        view = seen.view
        inner = width - 4
        head = self._head(seen, inner, max(3, height // 3))
        service = None if view is None else view.service
        found = self.model.fleet.service(self.service)
        if service is None or (found is not None and found.generation > service.generation):
            service = found
        state = self.app.writes.rollout(self.model, self.service)
        now = parts.moment_of(view, self.model)
        split: list[Line] = []
        if service is not None:
            row = self.model.row(self.service)
            split = parts.arms(self.model, row, service, state if state and state.active else None, seen, inner)
        title = f"Release · {shown(self.service, 60)}"
        if state is not None:
            title = f"Release {shown(state.id, 40)} · {shown(self.service, 60)}"
        boxes = self._boxes(width, height, len(head), max(2, len(split)))
        key = key_name(self.app.keys.of("rollback.open").keys[0])
        panels = [
            Panel(boxes["head"], ((title, "title"),), self._badge(seen), head),
            Panel(boxes["arms"], (("Traffic", "title"),), EMPTY, split or skeleton(inner, 2)),
            self._gates(seen, boxes["gates"]),
            Panel(
                boxes["undo"],
                (("Undo target", "title"),),
                EMPTY,
                parts.undo(seen, now, key, boxes["undo"].inner_width, boxes["undo"].inner_height),
            ),
        ]
        if "chart" in boxes:
            box = boxes["chart"]
            drawn = self._evidence(view)
            title = "Evidence: is the canary worse?" if drawn is view else "Evidence of the last step"
            chart = parts.evidence_chart(drawn, box.inner_width, box.inner_height)
            panels.append(Panel(box, ((title, "title"),), EMPTY, chart))
        if "journal" in boxes:
            box = boxes["journal"]
            entries = seen.entries[: len(seen.entries) - self._scroll] if self._scroll else seen.entries
            tail = journal.tail(entries, now, box.inner_width, box.inner_height)
            panels.append(
                Panel(box, (("Journal", "title"),), ((f"{len(seen.entries)}", "dim"),) if seen.entries else EMPTY, tail)
            )
        return panels

    def _evidence(self, view: RolloutView | None) -> RolloutView | None:
        """The look whose evidence is drawn: the present one while there is any, else the last that had some."""
        active = view is not None and isinstance(view.state, Rollout) and view.state.active
        found = parts.judgement(view)
        if found is not None and found[0].requests:
            self._judged = view
        return view if active or self._judged is None else self._judged

    def _badge(self, seen: Seen) -> Line:
        now, view = self.model.now, seen.view
        if view is None:
            return ((f"{glyphs.BAD} failed", "bad"),) if seen.problem else ((f"{glyphs.LOADING} loading", "dim"),)
        old = None if now is None else max(0.0, (now - view.now).total_seconds())
        if seen.problem is not None:
            return ((f"{glyphs.BAD} failed · {formats.age(old)}", "bad"),)
        if old is not None and old > parts.FRESH.total_seconds():
            return ((f"{glyphs.STALE} stale · {formats.age(old)}", "warn"),)
        return ((glyphs.LIVE, "good"), (f" {formats.age(old)}", "dim"))

    def _head(self, seen: Seen, width: int, most: int) -> list[Line]:
        """The rail with its times, or that there is no rollout; then what is the matter."""
        view = seen.view
        lines: list[Line] = []
        now = parts.moment_of(view, self.model)
        state = self.app.writes.rollout(self.model, self.service)
        if seen.problem is not None:
            lines += wrap(f"{glyphs.BAD} {shown(seen.problem, 300)}", width, "bad", 2)
        if state is not None:
            lines += [parts.rail(state, now, width), parts.status(state, now, width)]
            lines.append(parts.wheel(seen, state, now, self._drives(), width))
        else:
            lines += self._without(view, width)
        found: tuple[Finding, ...] = () if view is None else view.findings
        keys = {action.id: key_name(action.keys[0]) for action in self.app.keys.actions if action.keys}
        return [*lines, *parts.findings(found, keys, width, max(0, most - len(lines)))]

    def _without(self, view: RolloutView | None, width: int) -> list[Line]:
        service = self.model.fleet.service(self.service) if view is None else view.service
        if service is None:
            known = self.model.fleet.services.value is not None
            text = "It is not in this region." if known else "Waiting for Cloud Run."
            return [((text, "warn" if known else "dim"),)]
        state = intent_of(service)
        if isinstance(state, Unreadable):
            return wrap(f"{glyphs.BAD} the record of a rollout cannot be read: {state.reason}", width, "bad", 2)
        newest = service.latest_ready
        lines: list[Line] = [(("No rollout is under way.", "text"),)]
        if newest is not None and newest not in service.desired_split():
            key = key_name(self.app.keys.of("release.start").keys[0])
            name = fit_middle(shown(newest, 63), 40)
            lines.append(((f"{key}", "key"), (f" starts one of {name}, which is ready and serves nothing", "text")))
        return lines

    def _drives(self) -> bool:
        desk = self.app.settings.desks.get(self.model.environment.name)
        return desk is not None and self.service in desk.driven

    def _gates(self, seen: Seen, box: Box) -> Panel:
        view = seen.view
        if view is None:
            body: list[Line] = wrap(shown(seen.problem, 300), box.inner_width, "bad", 4) if seen.problem else []
            return Panel(box, (("Gates", "title"),), EMPTY, body or skeleton(box.inner_width, min(6, box.inner_height)))
        active = isinstance(view.state, Rollout) and view.state.active
        sign, role = VERDICTS[view.gates.verdict]
        title = "Gates" if active else "Gates that a start would meet"
        now = parts.moment_of(view, self.model)
        lines = parts.gates(parts.gates_now(view, now), now, box.inner_width, box.inner_height)
        badge: Line = ((f"{sign} {view.gates.verdict.value}", role),) if view.gates.gates else EMPTY
        return Panel(box, ((title, "title"),), badge, lines or [(("There is no candidate to judge.", "dim"),)])

    def _boxes(self, width: int, height: int, head: int, arms: int) -> dict[str, Box]:
        boxes = {"head": Box(0, 0, width, head + 2)}
        y = head + 1
        boxes["arms"] = Box(0, y, width, arms + 2)
        y += arms + 1
        rest = height - y
        if width < WIDE or height < TALL:
            undo = 1 if rest < 16 else 3
            tail = max(0, rest - undo - 14)
            gates = rest - undo - 3 - (tail + 1 if tail >= 3 else 0)
            boxes["gates"] = Box(0, y, width, gates + 2)
            y += gates + 1
            boxes["undo"] = Box(0, y, width, undo + 2)
            y += undo + 1
            if tail >= 3:
                boxes["journal"] = Box(0, y, width, height - y)
            return boxes
        left = width * 11 // 20
        undo = 5
        upper = rest - undo - 1
        boxes["gates"] = Box(0, y, left, upper)
        chart = max(12, (rest * 3) // 5)
        boxes["chart"] = Box(left - 1, y, width - left + 1, chart)
        boxes["undo"] = Box(0, y + upper - 1, left, rest - upper + 1)
        boxes["journal"] = Box(left - 1, y + chart - 1, width - left + 1, rest - chart + 1)
        return boxes

    # -- keys ---------------------------------------------------------------------------------------------------------

    def move(self, steps: int) -> None:
        """Through the journal, newest last."""
        self._scroll = max(0, min(len(self._seen().entries) - 1, self._scroll - max(-1000, min(1000, steps))))
        self.repaint()

    def do_copy_name(self, _key: str) -> None:
        """`copy.name`: of the rollout, else of the service."""
        state = self.app.writes.rollout(self.model, self.service)
        self.app.copy_text(self.service if state is None else state.id)

    def do_copy_command(self, _key: str) -> None:
        """`copy.command`"""
        self.app.copy_text(describe_command(self.model, self.service))
