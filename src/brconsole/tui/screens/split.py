"""The traffic editor: percents that always sum to 100, what moves, and the command that does the same by hand.

One revision takes whatever the others leave; at first that is the one with the largest share. Every other share is set
by arrows, + and -, or digits, and can never take more than there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from brconsole.domain import orders
from brconsole.domain.decision import Refused
from brconsole.domain.intent import intent_of
from brconsole.domain.plan import Plan, confirmation, plan
from brconsole.domain.rates import service_rates
from brconsole.domain.service import Service
from brconsole.operations.gateway import WriteAction
from brconsole.tui import formats, glyphs
from brconsole.tui.actions import Action, Scope
from brconsole.tui.paint import EMPTY, Line, Pen, add_role, bar, fit, fit_middle, shown, wrap
from brconsole.tui.screens.dialog import Overlay

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel

MOST_ROWS = 9
"""Revisions that are offered: those with traffic or a tag, then the newest."""


class SplitScreen(Overlay):
    """An editor over the screen that it was opened from."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.SPLIT,)

    def __init__(
        self, app: BrconsoleApp, model: FleetModel, service: Service, review: Callable[[str, dict[str, int]], None]
    ) -> None:
        super().__init__(app, model, f"Shift the traffic of {shown(service.name, 60)}")
        self._service = service
        self._review = review
        self._before = service.desired_split()
        self.names = self._offered()
        self.shares = {name: self._before.get(name, 0) for name in self.names}
        self.rest = max(self.names, key=lambda name: self.shares[name])
        """The revision that takes what the others leave."""
        others = [index for index, name in enumerate(self.names) if name != self.rest]
        self._index = others[0] if others else 0
        self._digits = ""

    def _offered(self) -> tuple[str, ...]:
        rows = [row.revision for row in self._service.traffic()]
        newest = [revision.name for revision in self.model.revisions(self._service.name) if revision.ready is not False]
        candidate = [self._service.latest_ready] if self._service.latest_ready in newest else []
        names = dict.fromkeys([*self._before, *candidate, *rows, *newest])
        return tuple(names)[: max(MOST_ROWS, len(self._before))]

    def actions(self) -> tuple[Action, ...]:
        """What edits, and the way back."""
        kept = ("app.back", "list.down", "list.up", "list.top", "list.bottom")
        return tuple(action for action in self.app.keys.actions if Scope.SPLIT in action.scopes or action.id in kept)

    def hinted(self) -> tuple[Action, ...]:
        """All of it."""
        return self.actions()

    def target(self) -> tuple[FleetModel, str]:
        """The captured name."""
        return self.model, self._service.name

    @property
    def chosen(self) -> str:
        """The revision under the cursor."""
        return self.names[self._index]

    # -- editing ------------------------------------------------------------------------------------------------------

    def set_share(self, name: str, wanted: int) -> None:
        """Give a revision a share; the one that takes the rest gives or gets the difference."""
        if name == self.rest:
            return
        others = sum(share for other, share in self.shares.items() if other not in (name, self.rest))
        self.shares[name] = max(0, min(wanted, 100 - others))
        self.shares[self.rest] = 100 - others - self.shares[name]

    def _step(self, by: int) -> None:
        self._digits = ""
        if self.chosen == self.rest:
            self.app.say("this one takes what the others leave; space on another one makes that one take it", seconds=4)
        else:
            self.set_share(self.chosen, self.shares[self.chosen] + by)
        self.repaint()

    def typed(self, key: str, character: str | None) -> bool:
        """Digits set a share, minus takes one away."""
        if character is not None and character.isdigit() and character.isascii():
            typed = (self._digits + character)[-3:]
            self._digits = typed if int(typed) <= 100 else character
            if self.chosen == self.rest:
                self._step(0)
            else:
                self.set_share(self.chosen, int(self._digits))
            self.repaint()
            return True
        if key == "backspace" and self._digits:
            self._digits = self._digits[:-1]
            self.set_share(self.chosen, int(self._digits or 0))
            self.repaint()
            return True
        if key == "minus":
            self._step(-1)
            return True
        return False

    def move(self, steps: int) -> None:
        """Through the revisions."""
        self._digits = ""
        self._index = max(0, min(len(self.names) - 1, self._index + steps))
        self.repaint()

    def do_split_more(self, _key: str) -> None:
        """`split.more`"""
        self._step(1)

    def do_split_less(self, _key: str) -> None:
        """`split.less`"""
        self._step(-1)

    def do_split_more_ten(self, _key: str) -> None:
        """`split.more_ten`"""
        self._step(10)

    def do_split_less_ten(self, _key: str) -> None:
        """`split.less_ten`"""
        self._step(-10)

    def do_split_rest(self, _key: str) -> None:
        """`split.rest`"""
        self.rest = self.chosen
        self.repaint()

    def do_split_review(self, _key: str) -> None:
        """`split.review`: put it to the desk; the question comes with the service as it is then."""
        split = {name: share for name, share in self.shares.items() if share}
        if split == self._before:
            self.app.say("nothing to shift: this is the split as it is", seconds=4)
            return
        self.app.close()
        self._review(self._service.name, split)

    def do_plan_copy(self, _key: str) -> None:
        """`plan.copy`"""
        made = self.preview()
        if isinstance(made, Plan):
            self.app.copy_text(made.gcloud)
        else:
            self.app.say(made, "warning")

    def preview(self) -> Plan | str:
        """The plan on the service as it was observed; the one that is sent is made on a fresh read."""
        service, environment = self._service, self.model.environment
        split = {name: share for name, share in self.shares.items() if share}
        targets = orders.shift(intent_of(service), service, split)
        if isinstance(targets, Refused):
            return targets.reason
        rate = service_rates(self.model.fleet_of(service.name), service.name).requests_per_s
        level = confirmation(environment, moves_traffic=True)
        return plan(WriteAction.SHIFT.value, environment, service, targets, "", level, requests_per_s=rate)

    # -- painting -----------------------------------------------------------------------------------------------------

    def content(self, width: int) -> list[Line]:
        """One row a revision, what moves, and the command."""
        column = min(max([8, *(len(shown(name, 63)) for name in self.names)]), max(14, width - 44))
        head = Pen().put("  ").cell("REVISION", column, "dim").cell("SERVING", 9, "dim", right=True)
        head.cell("NOW", 8, "dim", right=True).cell("AFTER", 10, "dim", right=True)
        lines: list[Line] = [head.line(), *(self._row(index, column, width) for index in range(len(self.names)))]
        total = Pen().to(2 + column + 9).cell("sum", 8, "dim", right=True).cell("100 %", 10, "good", right=True)
        lines += [total.put(f"  {glyphs.GOOD}", "good").line(), EMPTY]
        made = self.preview()
        if isinstance(made, str):
            return [*lines, *wrap(f"{glyphs.BAD} {shown(made, 300)}", width, "bad", 3)]
        lines += wrap(made.blast_radius, width, "warn" if made.moved_percent else "dim", 2)
        tags = " ".join(sorted(target.tag for target in self._service.desired if target.tag))
        if tags:
            lines += wrap(f"tags stay as they are: {shown(tags, 100)}", width, "dim", 2)
        return [*lines, EMPTY, *wrap(shown(made.gcloud, 600), width, "dim", 5)]

    def _row(self, index: int, column: int, width: int) -> Line:
        name = self.names[index]
        share, before = self.shares[name], self._before.get(name, 0)
        serving = self._service.serving_split().get(name, 0)
        here = index == self._index
        pen = Pen().put(f"{glyphs.CURSOR if here else ' '} ", "key")
        pen.cell(fit_middle(shown(name, 63), column), column, "strong" if here else "text")
        pen.cell(formats.share(serving), 9, "dim", right=True).cell(formats.share(before), 8, "text", right=True)
        role = "dim" if share == before else "good" if share > before else "warn"
        pen.put(" → ", "dim").cell(f"{share} %", 7, f"{role} bold" if share != before else role, right=True)
        if name == self.rest:
            pen.put("  takes the rest", "accent")
        elif width - pen.width >= 14:
            pen.put("  ").add(bar(share / 100, min(20, width - pen.width - 2), "canary"))
        return add_role(fit(pen.line(), width), "on-cursor") if here else pen.line()

    def buttons(self, width: int) -> list[Line]:
        """The keys in words."""
        line = (
            Pen().put("← →", "key").put(" 1 %   ", "dim").put("[ ]", "key").put(" 10 %   ", "dim").put("digits", "key")
        )
        line.put(" set   ", "dim").put("space", "key").put(" takes the rest   ", "dim")
        line.put("enter", "key").put(" review", "text")
        return [EMPTY, fit(line.line(), width)]
