"""The question before a write: what changes, what moves, what it rests on; and after it, how far it is.

Cancel has the focus, the key that confirms is never the one that opened, enter by itself never confirms. What is sent
is the plan that is shown: the gateway re-reads the service and refuses where the world has changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from brconsole.domain.intent import Rollout
from brconsole.domain.plan import Confirmation, Plan
from brconsole.operations.desk import RollBack, RollBackGroup, Stage
from brconsole.operations.gateway import Proposal
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Confirmed, Outcome, OutcomeKind, by_name
from brconsole.operations.rollback import GroupProposal
from brconsole.operations.rollouts import Promote, Start
from brconsole.tui import formats, glyphs
from brconsole.tui.actions import Action, Scope
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import EMPTY, Line, Pen, cut, fit, shown, wrap
from brconsole.tui.panels import plan as plan_panel
from brconsole.tui.panels import release as release_panel
from brconsole.tui.screens.base import BoardScreen

if TYPE_CHECKING:
    from brconsole.operations.desk import Desk, Ended, Made, Order
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel

WIDEST = 104
LOOK_FIRST_S = 0.3
"""A plan must stand on the screen for so long before its key is taken; a rollback's card stood there before."""
AGAIN_BEFORE = timedelta(seconds=90)
"""A plan whose evidence goes out of date within this time is made anew: the question never rests on old gates."""
_STAGES = {Stage.SENT: "sent", Stage.ACCEPTED: "accepted", Stage.SERVING: "serving", Stage.DRAINED: "drained"}
_WHEEL = {
    True: "Each step then waits for your P. As long as it is open this console watches: it extends and holds, and "
    "a canary that fails goes back to stable by itself. m lets it step by itself too.",
    False: "It then steps by itself when its gates pass, and a canary that fails goes back to stable by itself, as "
    "long as this console is open. m keeps the steps for you.",
}
_SIGNS = {True: (glyphs.GOOD, "good"), False: (glyphs.LOADING, "dim")}


class Overlay(BoardScreen):
    """A box over the screen that it was opened from, which stays in sight, faint."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.DIALOG,)
    TITLE_ROLE = "title"

    def __init__(self, app: BrconsoleApp, model: FleetModel, title: str) -> None:
        super().__init__(app)
        self.model = model
        self.title = title
        self._below = app.front
        self._focus_yes = False
        self._offset = 0
        self._typed = ""

    def actions(self) -> tuple[Action, ...]:
        """Only what answers the question: no key of the screen below works."""
        return tuple(
            action for action in self.app.keys.actions if Scope.DIALOG in action.scopes or action.id == "app.back"
        )

    def hinted(self) -> tuple[Action, ...]:
        """What answers now."""
        answers = self.answers()
        return tuple(action for action in self.actions() if action.id in (*answers, "app.back"))

    def answers(self) -> tuple[str, ...]:
        """The ids of what may be answered now, besides going back."""
        return ("dialog.confirm", "dialog.cancel")

    def page(self, width: int, height: int) -> Sequence[Line]:
        """The box in the middle."""
        wide = min(width, WIDEST)
        body = self.content(wide - 4)
        buttons = self.buttons(wide - 4)
        room = height - 2 - len(buttons)
        self._offset = max(0, min(self._offset, len(body) - room))
        hidden = max(0, len(body) - room - self._offset)
        seen = body[self._offset : self._offset + room]
        tall = len(seen) + len(buttons) + 2
        badge: Line = ((f"{hidden} more, down", "accent"),) if hidden else EMPTY
        panel = Panel(Box(0, 0, wide, tall), ((self.title, "title"),), badge, [*seen, *buttons], focused=True)
        box = compose([panel], wide, tall, f"env:{self.model.colour} bold", heavy=self.model.environment.protected)
        below = [tuple((text, "faint") for text, _ in fit(line, width)) for line in self._below.page(width, height)]
        below += [fit(EMPTY, width)] * (height - len(below))
        top = list(self._below.page(width, height))[:1]
        x, y = (width - wide) // 2, max(0, (height - tall) // 2)
        lines = [*below]
        for index, line in enumerate(box):
            if y + index < height:
                under = lines[y + index]
                lines[y + index] = (*cut(under, 0, x), *line, *cut(under, x + wide, width))
        return [*top, *lines[1:]] if y > 0 else lines

    def content(self, width: int) -> list[Line]:
        """What stands in the box."""
        raise NotImplementedError

    def buttons(self, width: int) -> list[Line]:
        """The last lines of the box."""
        raise NotImplementedError

    def move(self, steps: int) -> None:
        """Scroll."""
        self._offset = max(0, self._offset + steps)
        self.repaint()

    def typed(self, key: str, character: str | None) -> bool:
        """Up and down scroll what does not fit."""
        if key in ("up", "down"):
            self.move(1 if key == "down" else -1)
            return True
        return False

    def type_name(self, key: str, character: str | None) -> bool:
        """One key of the environment's name, where that confirms; enter hands it over."""
        if key == "backspace":
            self._typed = self._typed[:-1]
        elif key == "enter":
            self._named()
        elif character is not None and character.isprintable() and len(self._typed) < 40:
            self._typed += character
        else:
            return False
        self.repaint()
        return True

    def _named(self) -> None:
        name = self.model.environment.name
        if self._typed == name:
            self.confirmed(by_name(self._typed))
        else:
            self.app.say(f"nothing was sent: that is not the environment's name, {name}", "warning")
            self._typed = ""

    def confirmed(self, confirmed: Confirmed) -> None:
        """The person said yes in this way."""
        raise NotImplementedError

    def name_line(self, width: int) -> list[Line]:
        """The line on which the environment's name is typed."""
        line = Pen().put(f"type {self.model.name} and enter: ", "warn").put(f"{shown(self._typed, 40)}▏", "strong")
        return [EMPTY, fit(line.put("     esc", "key").put(" cancel", "dim").line(), width)]

    def refused(self, answer: Outcome, width: int, more: Sequence[Line] = ()) -> list[Line]:
        """Why there is no question: what was answered in its place, `more` of what may be done, and that nothing was
        written where that is so.
        """
        good = answer.exit_status == 0
        sign, role = (glyphs.GOOD, "good") if good else (glyphs.BAD, "bad")
        if answer.kind is OutcomeKind.GATE_HOLD:
            sign, role = glyphs.STALE, "warn"
        lines = wrap(f"{sign} {shown(answer.kind.value, 40)}: {shown(answer.sentence, 500)}", width, role, 6)
        for reason in answer.blocked_by:
            lines += wrap(f"  {shown(reason, 300)}", width, "text", 3)
        lines += more
        return lines if good else [*lines, EMPTY, (("nothing was written", "dim"),)]

    def do_dialog_cancel(self, _key: str) -> None:
        """`dialog.cancel`"""
        self.app.close()

    def do_dialog_focus(self, _key: str) -> None:
        """`dialog.focus`"""
        self._focus_yes = not self._focus_yes
        self.repaint()

    def do_dialog_choose(self, key: str) -> None:
        """`dialog.choose`: enter alone never confirms, since Cancel has the focus."""
        if self._focus_yes:
            self.app.act("dialog.confirm", key)
        else:
            self.do_dialog_cancel(key)

    def do_dialog_arm(self, _key: str) -> None:
        """`dialog.arm`"""
        self.app.say("there is nothing to arm here")

    def _two_buttons(self, yes: str, width: int, role: str = "strong") -> list[Line]:
        cancel = "title under" if not self._focus_yes else "dim"
        chosen = f"{role} under" if self._focus_yes else role
        pen = Pen().put(f"{glyphs.CURSOR if not self._focus_yes else ' '} [ n  Cancel ]", cancel).put("   ")
        pen.put(f"{glyphs.CURSOR if self._focus_yes else ' '} [ y  {yes} ]", chosen)
        return [EMPTY, fit(pen.line(), width)]


class DialogScreen(Overlay):
    """One order from the question to its end."""

    def __init__(
        self,
        app: BrconsoleApp,
        model: FleetModel,
        service: str,
        order: Order,
        title: str,
        verb: str,
        reason: str,
        desk: Desk,
        modes: Modes,
    ) -> None:
        super().__init__(app, model, title)
        self.service = service
        self.order = order
        self.verb = verb
        self.reason = reason
        self.made: Made | None = None
        self.answer: Outcome | None = None
        self.ended: Ended | None = None
        self.sending = False
        self.stages: dict[Stage, datetime | None] = {}
        self._desk = desk
        self._modes = modes
        self._sentence = ""
        self._shown_at = float("-inf")
        self._asking = False
        self._kept: list[str] = []
        """Keys of a rollback that came before its answer; they count if the target is the one that was in sight."""
        self._target_in_sight: str | None = None

    @property
    def subject(self) -> str:
        """What is written to."""
        return "the release group" if isinstance(self.order, RollBackGroup) else self.service

    def target(self) -> tuple[FleetModel, str]:
        """The captured name, whatever is chosen below."""
        return self.model, self.service

    @property
    def _is_rollback(self) -> bool:
        return isinstance(self.order, RollBack)

    # -- asking -------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Put the order to the desk."""
        self._asking = True
        card = self._desk.seen(self.service).card if self._is_rollback else None
        self._target_in_sight = getattr(card.target, "revision", None) if card is not None else None
        self._desk.propose(self.order, self.reason, lambda made: self.app.from_desk(lambda: self._answered(made)))

    def tick(self) -> None:
        """Have a promotion made anew before its evidence goes out of date."""
        made, now = self.made, self.model.now
        if self._asking or self.sending or self.ended is not None or now is None or not isinstance(made, Proposal):
            return
        if made.fresh_until is not None and made.fresh_until - now < AGAIN_BEFORE:
            self.ask()

    def _answered(self, made: Made | Outcome) -> None:
        self._asking = False
        if self.sending or self.ended is not None:
            return
        before = self.made
        if isinstance(made, Proposal) and isinstance(before, Proposal) and _same(made.plan, before.plan):
            self.made = made
            return
        if before is not None:
            self.made = None
            self.app.say("the world changed meanwhile: this is how it is now", "warning", seconds=5)
        self._shown_at = monotonic()
        if isinstance(made, Outcome):
            self.answer = made
            self._kept.clear()
        else:
            self.made = made
            self._take_kept(made)
        self.repaint()

    def _take_kept(self, made: Made) -> None:
        kept, self._kept = self._kept, []
        if not kept:
            return
        found = made.rollback.target.revision if isinstance(made, Proposal) and made.rollback is not None else None
        if found is None or found != self._target_in_sight:
            self.app.say("the target is another one than the one in sight: look again, nothing was sent", "warning")
            return
        for key in kept:
            self._arm() if key == "arm" else self._confirm()

    def do_plan_copy(self, _key: str) -> None:
        """`plan.copy`"""
        if self._plans:
            self.app.copy_text("\n".join(asked.gcloud for asked in self._plans))
        else:
            self.app.say("there is no command to copy", "warning")

    @property
    def _plans(self) -> tuple[Plan, ...]:
        if self.made is None:
            return ()
        return self.made.plans if isinstance(self.made, GroupProposal) else (self.made.plan,)

    @property
    def _level(self) -> Confirmation:
        if isinstance(self.made, GroupProposal):
            return self.made.confirmation
        return Confirmation.NONE if self.made is None else self.made.plan.confirmation

    @property
    def _must_arm(self) -> bool:
        """Whether the environment is read-only by default and this act is not armed yet."""
        if self._modes.state().writable or not self._plans:
            return False
        return not all(self._modes.armed(plan) for plan in self._plans)

    # -- keys ---------------------------------------------------------------------------------------------------------

    def typed(self, key: str, character: str | None) -> bool:
        """The environment's name, letter by letter, where it is asked for; digits choose another target."""
        if self._asks_name:
            return self.type_name(key, character) or super().typed(key, character)
        choices = self._choices()
        if self.made is None and key.isdigit() and 1 <= int(key) <= len(choices):
            self._choose(choices[int(key) - 1])
            return True
        return super().typed(key, character)

    def answers(self) -> tuple[str, ...]:
        """Nothing but going back before there is a plan and after it was sent."""
        if self.made is None or self.sending or self.ended is not None:
            return ()
        if self._must_arm:
            return ("dialog.arm", "dialog.cancel", "plan.copy")
        choice = ("dialog.option",) if isinstance(self.order, Start) else ()
        return () if self._asks_name else ("dialog.confirm", "dialog.cancel", *choice, "plan.copy")

    @property
    def _asks_name(self) -> bool:
        typed = self._level is Confirmation.TYPED and not self.sending and self.ended is None
        return typed and self.made is not None and not self._must_arm

    def _choices(self) -> tuple[str, ...]:
        card = self._desk.seen(self.service).card if self._is_rollback and self.answer is not None else None
        return getattr(card.target, "choices", ()) if card is not None else ()

    def _choose(self, revision: str) -> None:
        self.order = RollBack(self.service, revision)
        self.answer = None
        self.ask()
        self.repaint()

    def do_dialog_arm(self, _key: str) -> None:
        """`dialog.arm`"""
        if self.made is None and self.answer is None and self._is_rollback:
            self._kept.append("arm")
        elif self.made is not None and self.ended is None and not self.sending:
            self._arm()
        self.repaint()

    def do_dialog_option(self, _key: str) -> None:
        """`dialog.option`: whether a rollout that is to be started waits for a person at each step."""
        if isinstance(self.order, Start) and not self.sending and self.ended is None:
            self.order = replace(self.order, manual=not self.order.manual)
            self.verb = "start, and step it by hand" if self.order.manual else "start, and let it step by itself"
            self.made = self.answer = None
            self.ask()
        else:
            self.app.say("there is nothing to choose here")

    def _arm(self) -> None:
        if self._modes.state().writable:
            self.app.say("nothing to arm: writes are allowed; y sends it", seconds=3)
            return
        why = self._modes.arm(self._plans)
        if why is not None:
            self.app.say(why, "warning", seconds=8)

    def do_dialog_confirm(self, _key: str) -> None:
        """`dialog.confirm`"""
        if self.made is None and self.answer is None:
            if self._is_rollback and self._target_in_sight is not None:
                self._kept.append("confirm")
            else:
                self.app.say("nothing was sent: the answer of Cloud Run is not there yet", "warning", seconds=3)
            return
        if self.made is None or self.sending or self.ended is not None:
            return
        if self._level is Confirmation.TYPED:
            self.app.say(f"type the environment's name, {self.model.name}, then enter", "warning", seconds=4)
        elif not self._is_rollback and monotonic() - self._shown_at < LOOK_FIRST_S:
            self.app.say("nothing was sent: look at the plan first", "warning", seconds=3)
        else:
            self._confirm()
        self.repaint()

    def _confirm(self) -> None:
        if self._must_arm:
            self.app.say(f"{self.model.name} is read-only: a arms this one rollback, then y", "warning")
            return
        self.confirmed(BY_KEY if self._level is Confirmation.YES_NO else BY_DIALOG)

    def confirmed(self, confirmed: Confirmed) -> None:
        """Send what is shown."""
        made = self.made
        if made is None or self.sending or self.ended is not None:
            return
        self.sending = True
        self.stages[Stage.SENT] = self.model.now
        self._sentence = "sent; waiting for Cloud Run"
        feed = self.app.settings.feeds.get(self.model.environment.name)

        def told(stage: Stage, text: str) -> None:
            at = None if feed is None else feed.now()
            self.app.from_desk(lambda: self._progressed(stage, text, at))

        self._desk.send(made, confirmed, told, lambda ended: self.app.from_desk(lambda: self._finished(ended)))

    def _progressed(self, stage: Stage, text: str, at: datetime | None) -> None:
        self.stages.setdefault(stage, at)
        self._sentence = text
        if stage is Stage.DRAINED and self.app.front is not self:
            self.app.say(text, seconds=8)
        self.repaint()

    def _finished(self, ended: Ended) -> None:
        self.sending = False
        self.ended = ended
        self._sentence = ended.sentence
        if isinstance(self.order, Start) and ended.kind in (OutcomeKind.DONE, OutcomeKind.ACCEPTED):
            self._desk.drive(self.service, wanted=True)
        if self.app.front is not self:
            good = ended.exit_status == 0
            self.app.say(ended.sentence, "information" if good else "warning", seconds=12)
        self.repaint()

    # -- painting -----------------------------------------------------------------------------------------------------

    def content(self, width: int) -> list[Line]:
        """Where, what, on what it rests; then how far it is."""
        environment = self.model.environment
        where = f"{shown(self.subject, 63)} in {shown(environment.name, 24)} · {shown(environment.project, 40)}"
        lines: list[Line] = [((where, "dim"),)]
        if self.sending or self.ended is not None:
            return [*lines, *self._progress(width)]
        if self.answer is not None:
            return [*lines, EMPTY, *self.refused(self.answer, width, self._choice_lines())]
        if self._is_rollback:
            seen = self._desk.seen(self.service)
            lines += plan_panel.card(seen.card, seen.card_at, self.model.now, width)
        if self.made is None:
            return [*lines, EMPTY, ((f"{glyphs.LOADING} asking Cloud Run for the service as it is now", "dim"),)]
        lines.append(EMPTY)
        if isinstance(self.made, GroupProposal):
            lines += self._group(self.made, width)
        else:
            known = bool(self.made.plan.before)
            lines += plan_panel.body(self.made.plan, width, known=known, command=not self._is_rollback or width > 90)
            lines += self._rests_on(width)
            if isinstance(self.order, Start):
                lines += [EMPTY, *wrap(_WHEEL[self.order.manual], width, "text", 3)]
            for note in self.made.notes:
                lines += wrap(f"{glyphs.WARN} {shown(note, 300)}", width, "warn", 2)
            if self.made.wheel is not None:
                lines += wrap(f"{glyphs.WARN} {shown(self.made.wheel, 120)} holds the wheel", width, "warn", 2)
        if self._is_rollback and (card := self._desk.seen(self.service).card) is not None:
            lines += wrap(f"then: {shown(card.next_deploy, 200)}", width, "dim", 2)
        return lines

    def _rests_on(self, width: int) -> list[Line]:
        """The gates behind a promotion, with their evidence."""
        view = self._desk.seen(self.service).view
        if not isinstance(self.order, Promote) or view is None:
            return []
        listed = release_panel.gates_now(view, self.model.now)
        return [EMPTY, *(release_panel.gate_line(gate, self.model.now, width) for gate in listed)]

    def _group(self, made: GroupProposal, width: int) -> list[Line]:
        lines: list[Line] = []
        for proposal in made.proposals:
            asked = proposal.plan
            target = ", ".join(f"{shown(name, 63)} {share} %" for name, share in asked.target.items())
            before = ", ".join(f"{share}" for share in asked.before.values()) or formats.UNKNOWN
            lines.append(
                fit(
                    Pen()
                    .cell(shown(asked.service, 24), 18, "strong")
                    .put(f" {before} → {target}  ", "text")
                    .put(_moves(asked), "warn")
                    .line(),
                    width,
                )
            )
        for outcome in made.settled:
            lines += wrap(f"{formats.NOTHING} {shown(outcome.sentence, 200)}", width, "dim", 2)
        if not made.proposals:
            lines.append((("no service of the group has anything to go back to", "warn"),))
        return lines

    def _choice_lines(self) -> list[Line]:
        return [
            Pen().put(f"  {index}", "key").put(f" roll back to {shown(name, 63)}", "text").line()
            for index, name in enumerate(self._choices()[:9], 1)
        ]

    def _progress(self, width: int) -> list[Line]:
        lines: list[Line] = [EMPTY]
        stages = [Stage.SENT, Stage.ACCEPTED, Stage.SERVING]
        done = self.ended is None or self.ended.exit_status == 0
        if self._is_rollback and done:
            stages.append(Stage.DRAINED)
        reached = [index for index, stage in enumerate(stages) if stage in self.stages]
        last = max(reached, default=0)
        begun = self.stages.get(Stage.SENT)
        for index, stage in enumerate(stages):
            sign, role = _SIGNS[index <= last]
            at = self.stages.get(stage)
            pen = Pen().put(f"{sign} ", role).cell(_STAGES[stage], 10, "strong" if index <= last else "dim")
            if stage in self.stages:
                pen.put(formats.clock(at), "text")
                if at is not None and begun is not None and index:
                    pen.put(f"   after {formats.duration(max(0.0, (at - begun).total_seconds()))}", "dim")
            elif index <= last:
                pen.put("seen at the next step", "dim")
            elif stage is Stage.DRAINED:
                pen.put("metrics tell it about four minutes later", "dim")
            lines.append(pen.line())
        lines.append(EMPTY)
        if self.ended is None:
            return [*lines, *wrap(shown(self._sentence, 400), width, "text", 4)]
        good = self.ended.exit_status == 0
        sign, role = (glyphs.GOOD, "good") if good else (glyphs.BAD, "bad")
        said = self._sentence if good else self.ended.sentence
        lines += wrap(f"{sign} {shown(self.ended.kind.value, 40)}: {shown(said, 500)}", width, role, 5)
        for note in getattr(self.ended, "notes", ()):
            lines += wrap(f"  {shown(note, 300)}", width, "dim", 2)
        return lines

    def buttons(self, width: int) -> list[Line]:
        """Cancel first and in focus; after the end only the way back."""
        if self.sending:
            return [EMPTY, (("esc leaves this view; the write goes on and its end is told", "dim"),)]
        if self.ended is not None or self.answer is not None:
            return [EMPTY, Pen().put("esc", "key").put(" back", "dim").line()]
        if self.made is None:
            return [EMPTY, Pen().put("esc", "key").put(" cancel", "dim").line()]
        if self._must_arm:
            text = f"{self.model.name} is read-only: "
            line = Pen().put(text, "warn").put("a", "key").put(" arms this one act, then ", "text")
            line.put("y", "key").put(f" {self.verb}", "text").put("     n", "key").put(" cancel", "dim")
            return [EMPTY, fit(line.line(), width)]
        if self._level is Confirmation.TYPED:
            return self.name_line(width)
        return self._two_buttons(self.verb, width, "bad" if self._is_rollback else "strong")


def _moves(asked: Plan) -> str:
    """How many requests move, short enough for a row."""
    return f"{formats.count(asked.requests_per_minute)} requests/min" if asked.moved_percent else "none moves"


def _same(one: Plan, other: Plan) -> bool:
    """Whether two plans ask the same of the same service; rates and times may have gone on."""
    return (one.action, one.service, one.base, one.after) == (other.action, other.service, other.base, other.after)


class DriveDialog(Overlay):
    """A standing order: this console does what the rollout's reducer decides, as long as it is open."""

    def __init__(self, app: BrconsoleApp, model: FleetModel, service: str, desk: Desk, state: Rollout) -> None:
        super().__init__(app, model, f"Take the wheel of {service}")
        self.service = service
        self._desk = desk
        self._state = state

    def target(self) -> tuple[FleetModel, str]:
        """The captured name."""
        return self.model, self.service

    def content(self, width: int) -> list[Line]:
        """What the order covers."""
        steps = " → ".join(f"{step.percent} %" for step in self._state.steps)
        by_hand = (
            "each step still waits for your P" if self._state.manual else f"it promotes {steps} when the gates pass"
        )
        texts = (
            f"Rollout {self._state.id}: this console then extends, holds and rolls back by itself; {by_hand}.",
            "A canary that fails its gates goes back to stable without a question.",
            "The order ends with the rollout, with W, or with this console; the lease is free 90 s later.",
        )
        return [line for text in texts for line in wrap(text, width, "text", 3)]

    def buttons(self, width: int) -> list[Line]:
        """Cancel first and in focus."""
        return self._two_buttons("take the wheel", width)

    def do_dialog_confirm(self, _key: str) -> None:
        """`dialog.confirm`"""
        why = self.app.writes.refusal(self.app.keys.of("release.drive"))
        self.app.close()
        if why is not None:
            self.app.say(why, "warning", seconds=8)
            return
        self._desk.drive(self.service, wanted=True)
        self.app.say(f"{self.service}: the wheel is here, as long as this console is open", seconds=6)
