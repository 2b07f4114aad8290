"""What a person orders: each order is put to the desk as a captured name and shown as a dialog before it is sent.

The gateway refuses by itself what may not be; what is refused here is only told earlier, and in words.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from brconsole.domain.intent import AFTER_PROMOTION, Phase, Rollout, intent_of
from brconsole.operations import desk as orders
from brconsole.operations.outcome import NOT_CONFIRMED, Confirmed, Outcome
from brconsole.tui.actions import MIGRATIONS, Action
from brconsole.tui.paint import shown
from brconsole.tui.state import FleetModel

if TYPE_CHECKING:
    from brconsole.operations.desk import Desk, Seen
    from brconsole.operations.gateway_jobs import JobProposal
    from brconsole.operations.modes import Modes
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.screens.dialog import DialogScreen

DEBOUNCE_S = 0.3
"""The same writing key within this time is a key that bounces or repeats by itself."""
DEFAULT_REASON = "by hand, in the console"
_OF_AN_ENVIRONMENT = frozenset({"rollback.group", *(action.id for action in MIGRATIONS)})
"""What is written without a service being chosen."""


class Writes:
    """The orders of one console."""

    def __init__(self, app: BrconsoleApp) -> None:
        self.app = app
        self._pressed: dict[str, float] = {}
        self.dialogs: list[DialogScreen] = []
        """Every dialog whose write is not at its end, also when it is not shown any more."""

    # -- what may be --------------------------------------------------------------------------------------------------

    def permits(self, action: Action, key: str) -> bool:
        """Whether a writing action may begin; if not, why not is said."""
        now, before = monotonic(), self._pressed.get(action.id, float("-inf"))
        self._pressed[action.id] = now
        if key and now - before < DEBOUNCE_S:
            return False
        why = self.refusal(action)
        if why is not None:
            self.app.say(why, "warning", seconds=8)
        return why is None

    def refusal(self, action: Action) -> str | None:
        """Why an action may not begin here, None where it may."""
        model = self._place(action)
        if model is None:
            return "choose a service of an environment first"
        environment = model.environment.name
        modes, desk = self._modes(environment), self._desk(environment)
        if modes is None or desk is None:
            return f"{environment} is read-only here: this console was opened to look only"
        return modes.refusal(emergency=action.emergency)

    def under_way(self) -> str | None:
        """What is being written, None where nothing is."""
        self.dialogs = [dialog for dialog in self.dialogs if dialog.sending]
        return None if not self.dialogs else f"a write to {shown(self.dialogs[0].subject, 60)} is under way"

    def wheels(self) -> str | None:
        """Whose wheel is held here and what becomes of it without this console, None where none is."""
        from brconsole.domain.records import LEASE

        for name, desk in self.app.settings.desks.items():
            for service in sorted(desk.driven):
                view = desk.seen(service).view
                state = None if view is None else view.state
                late = ""
                if isinstance(state, Rollout) and state.standing not in AFTER_PROMOTION:
                    late = f", and it is overdue at {state.deadline:%H:%M} UTC"
                return (
                    f"this console drives {shown(service, 60)} in {name}: without it an agent goes on "
                    f"{LEASE.seconds} s later; where none runs it stays where it is and nobody watches it{late}"
                )
        return None

    def _target(self) -> tuple[FleetModel, str] | None:
        return self.app.target

    def _place(self, action: Action) -> FleetModel | None:
        """The environment that an action would write to; most need a service that is chosen in it."""
        target, place = self._target(), self.app.front.place()
        if target is not None or place is not None:
            return place if target is None else target[0]
        environment = self.app.environment
        return self.app.models.get(environment or "") if action.id in _OF_AN_ENVIRONMENT else None

    def _desk(self, environment: str) -> Desk | None:
        return self.app.settings.desks.get(environment)

    def _modes(self, environment: str) -> Modes | None:
        return self.app.settings.modes.get(environment)

    def seen(self, model: FleetModel, service: str) -> Seen:
        """What the desk knows of a service."""
        desk = self._desk(model.environment.name)
        return orders.Seen() if desk is None else desk.seen(service)

    def rollout(self, model: FleetModel, service: str) -> Rollout | None:
        """The rollout that is recorded, by the newest that is known."""
        found = model.fleet.service(service)
        view = self.seen(model, service).view
        if view is not None and (found is None or view.service.generation >= found.generation):
            found = view.service
        state = None if found is None else intent_of(found)
        return state if isinstance(state, Rollout) else None

    # -- orders -------------------------------------------------------------------------------------------------------

    def _ask(
        self, order: orders.Order, title: str, verb: str, argument: str, *, reason: str = DEFAULT_REASON
    ) -> DialogScreen | None:
        """Put an order to the desk and show the dialog at once; it fills when the answer is there."""
        from brconsole.tui.screens.dialog import DialogScreen

        target = self._target()
        if target is None:
            return None
        model, service = target
        desk, modes = self._desk(model.environment.name), self._modes(model.environment.name)
        if desk is None or modes is None:
            return None
        dialog = DialogScreen(self.app, model, service, order, title, verb, argument or reason, desk, modes)
        self.dialogs.append(dialog)
        self.app.clear_notifications()  # none may lie over the question
        self.app.open(dialog)
        dialog.ask()
        return dialog

    def do_release_promote(self, _key: str, argument: str) -> None:
        """`release.promote`: the step that is in view, and no other."""
        from brconsole.operations.rollouts import Promote

        if (target := self._target()) is None:
            return
        model, service = target
        state = self.rollout(model, service)
        percent = next_percent(state)
        words = "the next step" if percent is None else f"{percent} %"
        self._ask(Promote(service, percent), f"Promote {service} to {words}", f"promote to {words}", argument)

    def do_release_waive(self, _key: str, argument: str) -> None:
        """`release.waive`: named as differently from a promotion as what it does."""
        from brconsole.operations.rollouts import Promote

        if (target := self._target()) is None:
            return
        model, service = target
        percent = next_percent(self.rollout(model, service))
        words = "the next step" if percent is None else f"{percent} %"
        order = Promote(service, percent, without_evidence=True, takeover=True)
        self._ask(order, f"Go on to {words} WITHOUT EVIDENCE: {service}", "go on without evidence", argument)

    def do_release_start(self, _key: str, argument: str) -> None:
        """`release.start`: a person steps it; `W` lets the console do that."""
        from brconsole.operations.rollouts import Start

        if (target := self._target()) is not None:
            order = Start(target[1], manual=True)
            self._ask(order, f"Start a rollout of {target[1]}", "start, and step it by hand", argument)

    def do_release_hold(self, _key: str, argument: str) -> None:
        """`release.hold`"""
        from brconsole.operations.rollouts import Hold

        if (target := self._target()) is not None:
            self._ask(Hold(target[1]), f"Hold the rollout of {target[1]}", "hold", argument)

    def do_release_resume(self, _key: str, argument: str) -> None:
        """`release.resume`"""
        from brconsole.operations.rollouts import Resume

        if (target := self._target()) is not None:
            self._ask(Resume(target[1]), f"Continue the rollout of {target[1]}", "continue", argument)

    def do_release_abort(self, _key: str, argument: str) -> None:
        """`release.abort`"""
        from brconsole.operations.rollouts import Abort

        if (target := self._target()) is not None:
            title = f"Abort the rollout of {target[1]}"
            self._ask(Abort(target[1]), title, "abort, back to stable", argument, reason="aborted by hand")

    def do_release_adopt(self, _key: str, argument: str) -> None:
        """`release.adopt`"""
        from brconsole.operations.rollouts import Adopt

        if (target := self._target()) is not None:
            self._ask(Adopt(target[1]), f"Adopt the split of {target[1]}", "adopt and hold", argument)

    def do_release_restore(self, _key: str, argument: str) -> None:
        """`release.restore`"""
        from brconsole.operations.rollouts import Restore

        if (target := self._target()) is not None:
            self._ask(Restore(target[1]), f"Restore the rollout's split of {target[1]}", "restore", argument)

    def do_release_dismiss(self, _key: str, argument: str) -> None:
        """`release.dismiss`"""
        from brconsole.operations.rollouts import Dismiss

        if (target := self._target()) is not None:
            title = f"{target[1]}: the newest revision is not wanted"
            self._ask(Dismiss(target[1]), title, "mark as not wanted", argument)

    def do_rollback_open(self, _key: str, argument: str) -> None:
        """`rollback.open`"""
        if (target := self._target()) is not None:
            order = orders.RollBack(target[1])
            self._ask(order, f"Roll back {target[1]}", "roll back", argument, reason="rollback by hand")

    def do_rollback_group(self, _key: str, argument: str) -> None:
        """`rollback.group`"""
        order = orders.RollBackGroup()
        self._ask(
            order, "Roll back the whole release group", "roll back all", argument, reason="group rollback by hand"
        )

    def do_traffic_undo(self, _key: str, argument: str) -> None:
        """`traffic.undo`"""
        if (target := self._target()) is not None:
            order = orders.UndoShift(target[1])
            title = f"Undo the last split of {target[1]}"
            self._ask(order, title, "restore the split before", argument, reason="undo by hand")

    def do_traffic_shift(self, _key: str, _argument: str) -> None:
        """`traffic.shift`: the editor; what it makes is then put as every other order."""
        from brconsole.tui.screens.split import SplitScreen

        if (target := self._target()) is None:
            return
        model, name = target
        service = model.fleet.service(name)
        if service is None:
            self.app.say(f"{name} is not known yet", "warning")
            return
        state = self.rollout(model, name)
        if state is not None and state.active and state.phase is not Phase.HOLDING:
            text = f"rollout {state.id} is under way ({state.phase.value}): H holds it, A aborts it; then split by hand"
            self.app.say(text, "warning", seconds=8)
            return
        self.app.open(SplitScreen(self.app, model, service, self._review))

    def _review(self, service: str, split: dict[str, int]) -> None:
        self._ask(orders.Shift(service, split), f"Shift the traffic of {service}", "shift", "")

    def do_release_drive(self, _key: str, _argument: str) -> None:
        """`release.drive`: a standing order to this console, asked for like every other write."""
        if (target := self._target()) is None:
            return
        model, service = target
        desk = self._desk(model.environment.name)
        if desk is None:
            return
        if service in desk.driven:
            desk.drive(service, wanted=False)
            self.app.say(f"{service}: the wheel is let go; whoever takes it goes on where it stands", seconds=8)
            return
        state = self.rollout(model, service)
        if state is None or not state.active:
            self.app.say(f"{service}: no rollout is under way, so there is nothing to drive", "warning")
            return
        from brconsole.tui.screens.dialog import DriveDialog

        self.app.open(DriveDialog(self.app, model, service, desk, state))

    # -- migrations ---------------------------------------------------------------------------------------------------

    def _migration(self, order: orders.MigrationOrder, title: str, verb: str, argument: str) -> None:
        """Put an order to the desk of the environment in front of the person."""
        from brconsole.tui.screens.migration_dialog import MigrationDialog

        self._in_front()
        model = self.app.front.place()
        desk = None if model is None else self._desk(model.environment.name)
        if model is None or desk is None:
            self.app.say("open the migrations of an environment first", "warning")
            return
        dialog = MigrationDialog(self.app, model, order, title, verb, argument or DEFAULT_REASON, desk)
        self.app.clear_notifications()
        self.app.open(dialog)
        dialog.ask()

    def _in_front(self) -> None:
        """Show the migrations, where an order came from another screen: its answer is understood there."""
        from brconsole.tui.screens.migrations import MigrationsScreen

        if not isinstance(self.app.front, MigrationsScreen):
            self.app.act("migration.open")

    def do_migration_run(self, _key: str, argument: str) -> None:
        """`migration.run`"""
        self._migration(orders.RunMigration(), "Run the migrations", "run them", argument)

    def do_migration_retry(self, _key: str, argument: str) -> None:
        """`migration.retry`"""
        order = orders.RunMigration(retry=True)
        self._migration(order, "Run a failed migration once more", "run it once more", argument)

    def do_migration_approve(self, _key: str, argument: str) -> None:
        """`migration.approve`: the plan that is in sight, and no other."""
        model = self.app.front.place()
        desk = None if model is None else self._desk(model.environment.name)
        seen = None if desk is None else desk.migration_seen()
        plan = None if seen is None or seen.plan is None else seen.plan.plan
        if seen is None or plan is None or seen.checking:
            checking = seen is not None and seen.checking
            why = "the check of the plan is not done: wait for its word" if checking else "there is no plan to approve"
            self.app.say(why, "warning")
            return
        order = orders.ApproveMigration(plan.hash)
        self._migration(order, f"Approve the plan {plan.hash[:12]}", "approve it", argument)

    def do_migration_cancel(self, _key: str, argument: str) -> None:
        """`migration.cancel`"""
        self._migration(orders.CancelMigration(), "Cancel the run under way", "cancel the run", argument)

    def do_migration_plan(self, _key: str, _argument: str) -> None:
        """`migration.plan`"""
        self._look("plan", "the candidate's code is asked what is pending; its answer takes a moment")

    def do_migration_look(self, _key: str, _argument: str) -> None:
        """`migration.look`"""
        self._look("status", "the job asks the database where it stands; its answer takes a moment")

    def _look(self, mode: str, words: str) -> None:
        """It only reports, so nothing is asked before it is sent."""
        model = self.app.front.place()
        desk = None if model is None else self._desk(model.environment.name)
        if desk is None:
            self.app.say("open the migrations of an environment first", "warning")
            return
        self.app.say(words, seconds=6)
        self.send_migration(desk, orders.LookAtSchema(mode), NOT_CONFIRMED)

    def send_migration(self, desk: Desk, made: JobProposal | orders.LookAtSchema, confirmed: Confirmed) -> None:
        """Send it, and say how it ended; what it logs meanwhile stands on the screen of the migrations."""
        desk.send_migration(made, confirmed, _nothing, self._migration_ended)

    def _migration_ended(self, outcome: Outcome) -> None:
        good = outcome.exit_status == 0
        self.app.from_desk(
            lambda: self.app.say(outcome.sentence, "information" if good else "warning", seconds=8 if good else 15)
        )

    # -- modes --------------------------------------------------------------------------------------------------------

    def open_mode(self, argument: str) -> None:
        """`:write REASON`"""
        modes = self._here()
        if modes is None:
            return
        if not argument:
            self.app.ask_command("write ")
            return
        why = modes.open(argument)
        left = modes.state().left_s
        if why is not None:
            self.app.say(why, "warning", seconds=8)
        elif left is None:
            self.app.say("writes are allowed here anyway", seconds=5)
        else:
            self.app.say(f"writes are allowed for {left / 60:.0f} minutes; :read-only ends it", "warning", seconds=8)
        self.app.repaint()

    def close_mode(self) -> None:
        """`:read-only`"""
        modes = self._here()
        if modes is None:
            return
        modes.close()
        state = modes.state()
        text = f"writes stay allowed: {state.why}" if state.writable else f"read-only again: {state.why}"
        self.app.say(text, seconds=5)
        self.app.repaint()

    def _here(self) -> Modes | None:
        environment = self.app.environment
        modes = None if environment is None else self._modes(environment)
        if modes is None:
            self.app.say("open an environment first: each has its own mode", "warning")
        return modes


def _nothing(_stage: orders.Stage, _text: str) -> None:
    """The log of a look stands on the screen."""


def next_percent(state: Rollout | None) -> int | None:
    """The share that the next promotion asks for, None where none is under way."""
    from brconsole.domain import records
    from brconsole.domain.intent import AFTER_PROMOTION

    if state is None or not state.forward:
        return None
    return 100 if state.standing in AFTER_PROMOTION else records.next_percent(state)
