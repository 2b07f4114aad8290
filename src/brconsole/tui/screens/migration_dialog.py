"""The question before a write to the migration job. What follows it, the screen below shows: the run and its log."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from brconsole.domain.plan import Confirmation
from brconsole.operations.desk import ApproveMigration, CancelMigration, RunMigration
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.outcome import BY_DIALOG, Confirmed, Outcome
from brconsole.tui import glyphs
from brconsole.tui.paint import EMPTY, Line, Pen, shown, wrap
from brconsole.tui.panels import migrations as parts
from brconsole.tui.screens.dialog import LOOK_FIRST_S, Overlay

if TYPE_CHECKING:
    from brconsole.operations.desk import Desk, MigrationOrder
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel


class MigrationDialog(Overlay):
    """A run, an approval or a cancellation, from the question to its yes."""

    def __init__(
        self,
        app: BrconsoleApp,
        model: FleetModel,
        order: MigrationOrder,
        title: str,
        verb: str,
        reason: str,
        desk: Desk,
    ) -> None:
        super().__init__(app, model, title)
        self.order = order
        self.verb = verb
        self.reason = reason
        self.made: JobProposal | None = None
        self.answer: Outcome | None = None
        self._desk = desk
        self._shown_at = float("-inf")

    def place(self) -> FleetModel:
        """The captured environment, whatever is shown below."""
        return self.model

    def ask(self) -> None:
        """Put the order to the desk."""
        self._desk.propose_migration(
            self.order, self.reason, lambda made: self.app.from_desk(lambda: self._answered(made))
        )

    def _answered(self, made: JobProposal | Outcome) -> None:
        self._shown_at = monotonic()
        if isinstance(made, Outcome):
            self.answer = made
        else:
            self.made = made
        self.repaint()

    # -- keys ---------------------------------------------------------------------------------------------------------

    @property
    def _level(self) -> Confirmation:
        return Confirmation.NONE if self.made is None else self.made.plan.confirmation

    def typed(self, key: str, character: str | None) -> bool:
        """The environment's name, where the run cannot be undone."""
        if self._level is Confirmation.TYPED:
            return self.type_name(key, character) or super().typed(key, character)
        return super().typed(key, character)

    def answers(self) -> tuple[str, ...]:
        """Nothing but going back before there is a plan, and where a name is typed."""
        if self.made is None or self._level is Confirmation.TYPED:
            return ()
        return ("dialog.confirm", "dialog.cancel")

    def do_dialog_confirm(self, _key: str) -> None:
        """`dialog.confirm`"""
        if self.made is None:
            if self.answer is None:
                self.app.say("nothing was sent: the answer is not there yet", "warning", seconds=3)
        elif self._level is Confirmation.TYPED:
            self.app.say(f"type the environment's name, {self.model.name}, then enter", "warning", seconds=4)
        elif monotonic() - self._shown_at < LOOK_FIRST_S:
            self.app.say("nothing was sent: look at the plan first", "warning", seconds=3)
        else:
            self.confirmed(BY_DIALOG)

    def confirmed(self, confirmed: Confirmed) -> None:
        """Send what is shown, and make room for the screen that tells how it goes."""
        made, self.made = self.made, None
        if made is None:
            return
        self.app.close()
        self.app.say(f"sent: {made.plan.what}", seconds=5)
        self.app.writes.send_migration(self._desk, made, confirmed)

    # -- painting -----------------------------------------------------------------------------------------------------

    def content(self, width: int) -> list[Line]:
        """Where, what, and what it means."""
        environment = self.model.environment
        lines: list[Line] = [((f"{shown(environment.name, 24)} · {shown(environment.project, 40)}", "dim"),)]
        if self.answer is not None:
            return [*lines, EMPTY, *self.refused(self.answer, width)]
        if self.made is None:
            return [*lines, EMPTY, ((f"{glyphs.LOADING} looking at the job, its executions and the plan", "dim"),)]
        asked = self.made.plan
        lines += [EMPTY, *wrap(shown(asked.what, 300), width, "strong", 3)]
        if isinstance(self.order, RunMigration | ApproveMigration):
            lines += [EMPTY, *parts.pending(parts.rows(self._desk.migration_seen()), width)]
        lines.append(EMPTY)
        for key, value in asked.after.items():
            before = asked.before.get(key)
            was = f"{shown(str(before), 60)} → " if before not in (None, "", value) else ""
            lines += wrap(f"{shown(key, 30)}: {was}{shown(str(value), 120)}", width, "dim", 2)
        for note in self.made.notes:
            lines += wrap(f"{glyphs.WARN} {shown(note, 300)}", width, "warn", 3)
        if isinstance(self.order, CancelMigration):
            lines += wrap("The revision at work is rolled back where its transaction allows it.", width, "text", 2)
        lines += wrap(f"why: {shown(asked.reason, 200)}", width, "dim", 2)
        return lines

    def buttons(self, width: int) -> list[Line]:
        """Cancel first and in focus."""
        if self.answer is not None or self.made is None:
            word = " back" if self.answer is not None else " cancel"
            return [EMPTY, Pen().put("esc", "key").put(word, "dim").line()]
        if self._level is Confirmation.TYPED:
            return self.name_line(width)
        return self._two_buttons(self.verb, width)
