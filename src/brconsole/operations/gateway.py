"""The one door of writes.

Authorize (read-only? confirmed? fresh? permitted? locked?) → journal the intent → write → read back and verify →
journal the outcome → observe at once. Nothing else calls a writing method of a port. A rollback takes the same way with
fewer questions: freshness, lease, gates and metrics do not stop it, a conflict is read and decided anew, and where
nothing can be read it is sent without (DESIGN §8.2).

For the faces:

    refused = gateway.refusal(WriteAction.PROMOTE)      # before anything is read; None where it may be prepared
    proposal = await releases.propose(Promote("api"))   # a Proposal to show (plan, blast radius, level), or an Outcome
    outcome = await gateway.send(proposal, BY_DIALOG, progress=print)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from brconsole.domain import rollout, traffic, undo
from brconsole.domain.decision import Answer, Evidence, Nothing, Refused, Settled, Transition, Wait, Write, settle
from brconsole.domain.environment import Environment
from brconsole.domain.findings import carries_latest, settled, told
from brconsole.domain.intent import ANNOTATION, Rollout, intent_of
from brconsole.domain.plan import Plan, check_traffic, confirmation, plan, recheck, unchanged
from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.operations.emergency import Rollback, changed
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.journal import JournalFailure
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind, failed
from brconsole.operations.ports import Clock, LiveService, TrafficWriter, WriteProbe
from brconsole.operations.reading import sentence
from brconsole.operations.timing import RealTiming, Timing, within
from brconsole.operations.trail import Trail, record_after

Progress = Callable[[str], None]
"""Told one sentence at a time; must not raise."""

RUN = "Cloud Run"
RETRIES = 5
"""How often a rollback that met a conflict is decided anew (DESIGN §8.2)."""
SERVED_WITHIN_S = 120.0
"""How long a write may take until it is served, in service time; then the service is stuck (reference: recovery)."""
LOOK_S = 2.0
"""Between two looks after a write, in service time."""
LEAST_LOOK_S = 1.0
"""The same in real time, at any speed."""
LEAST_WAIT_S = 6.0
"""Real seconds that are waited at any speed of a simulation."""
EMERGENCY_READ_S = 3.0
"""Real seconds that a rollback waits for a read before it goes without."""
PERMISSION_S = 3.0
PERMISSION_KNOWN = timedelta(minutes=5)
GRACE = timedelta(seconds=10)
"""For so long after a write a served split that differs is no failure yet, even if Cloud Run says it is done."""
LOST_ANSWER_LOOKS = 3
_UNKNOWN = (FailureKind.TIMEOUT, FailureKind.UNAVAILABLE, FailureKind.UNREADABLE)
"""Failures after which nobody knows whether the write was taken."""
_WORTH_RETRYING = (*_UNKNOWN, FailureKind.CONFLICT, FailureKind.QUOTA)
"""Failures that do not stop a rollback."""


class WriteAction(StrEnum):
    """Everything that writes, by the ids that the faces share."""

    SHIFT = "traffic.shift"
    UNDO = "traffic.undo"
    START = "release.start"
    PROMOTE = "release.promote"
    HOLD = "release.hold"
    RESUME = "release.resume"
    ABORT = "release.abort"
    ADOPT = "release.adopt"
    RESTORE = "release.restore"
    DISMISS = "release.dismiss"
    DRIVE = "release.drive"
    """What the reducer decides by itself, under an agent's or a pipeline's standing order."""
    ROLLBACK = "release.rollback"
    PROBE = "doctor.probe"
    """A write that changes nothing, to find out which write path is safe."""
    MIGRATE = "migration.run"
    APPROVE = "migration.approve"
    CANCEL = "migration.cancel"
    LOOK = "migration.look"
    """An execution of the migration job that only reports: it changes nothing in the database."""

    @property
    def of_job(self) -> bool:
        """Whether it writes to the migration job (`gateway_jobs`), not to a service."""
        return self in (WriteAction.MIGRATE, WriteAction.APPROVE, WriteAction.CANCEL, WriteAction.LOOK)

    @property
    def emergency(self) -> bool:
        """Whether it only ever returns to stable."""
        return self in (WriteAction.ROLLBACK, WriteAction.ABORT)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan that may be put to a person, with what the gateway needs to send it."""

    plan: Plan
    decided: Write | None = None
    """The transition behind it; None for a split by hand, which leaves the record alone."""
    rollback: Rollback | None = None
    """Set for a rollback and nothing else."""
    fresh_until: datetime | None = None
    """When the oldest evidence that it rests on goes out of date; None where it rests on none."""
    wheel: str | None = None
    """Who else holds the wheel, None where nobody does or where the takeover was asked for."""
    service_accounts: tuple[str, ...] = ()
    """The identities of the revisions that get traffic: the write needs actAs on each."""
    notes: tuple[str, ...] = ()
    page: bool = False
    again: Callable[[LiveService], Answer] | None = field(default=None, compare=False)
    """Decides once more on the service as re-read for the write, with the evidence of the question: what counts is the
    moment of the write (DESIGN §8.6), not that of the question. None for a split by hand.
    """


@dataclass(slots=True)
class _Announced:
    """The journal's intent of a rollback under way."""

    intent: str | None = None
    problem: str = ""
    """What the journal would not take."""


class Gateway:
    """The door of one environment in one session. All methods belong to one loop.

    `observe` is called when something was written, so that every screen looks at once.
    """

    def __init__(
        self,
        environment: Environment,
        writer: TrafficWriter,
        clock: Clock,
        trail: Trail,
        modes: Modes,
        *,
        observe: Callable[[], None] | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.environment = environment
        self.modes = modes
        self.trail = trail
        self._writer = writer
        self._clock = clock
        self._observe = observe or _nobody_looks
        self._timing = timing or RealTiming()
        self._good: dict[str, LiveService] = {}
        self._busy: set[str] = set()
        self._may: dict[str, tuple[datetime, bool]] = {}
        self.in_flight: set[str] = set()
        """Intents of this gateway whose outcome is still to come."""

    # ------------------------------------------------------------------------------------------------------- reading

    def refusal(self, action: WriteAction, service: str = "") -> Outcome | None:
        """Why an action may not even be prepared; asked before anything is read."""
        why = self.modes.refusal(emergency=action.emergency)
        return None if why is None else Outcome(OutcomeKind.REFUSED, why, service)

    async def read(self, service: str) -> LiveService:
        """The live object, fresh. Raises SourceFailure."""
        live = await self._writer.read(service)
        self._good[service] = live
        return live

    def last_good(self, service: str) -> LiveService | None:
        """The newest read of a service in this session."""
        return self._good.get(service)

    def now(self) -> datetime | None:
        """Service time."""
        return self._clock.now()

    async def may_act_as(self, service_account: str) -> bool | None:
        """Whether the console may act as a runtime service account; None where that could not be asked in time."""
        now = self._clock.now()
        known = self._may.get(service_account)
        if known is not None and now is not None and now - known[0] <= PERMISSION_KNOWN:
            return known[1]
        try:
            held = await within(self._ask_may(service_account), PERMISSION_S, self._timing)
        except Exception:  # noqa: BLE001 - not askable is not forbidden: the write itself will tell
            return None
        if held is not None and now is not None:
            self._may[service_account] = (now, held)
        return held

    async def _ask_may(self, service_account: str) -> bool | None:
        return await self._writer.may_act_as(service_account)

    # ----------------------------------------------------------------------------------------------------- authorizing

    async def authorize(self, proposal: Proposal, confirmed: Confirmed) -> LiveService | Outcome:
        """Whether a proposal may be sent now: the service as it is, re-read, or why not.

        Nothing is read before the mode and the confirmation allow it.
        """
        refused = self._refused_unread(proposal, confirmed)
        if refused is not None:
            return refused
        asked = proposal.plan
        try:
            live = await self.read(asked.service)
        except SourceFailure as failure:
            return failed(RUN, failure, asked.service)
        where = self._stands(proposal, live.service)
        if where is Settled.DONE:
            by = _by(live.service)
            return self._outcome(proposal, OutcomeKind.ALREADY_DONE, f"already done{by}: {_what(proposal)}")
        conflict = recheck(asked, live.service)
        if where is Settled.LOST or conflict is not None:
            reason = conflict.reason if conflict is not None else f"the rollout went on{_by(live.service)}"
            return self._outcome(proposal, OutcomeKind.CONFLICT, f"{asked.service}: {reason}; look again")
        if proposal.fresh_until is not None and live.server_time > proposal.fresh_until:
            text = f"the gates were read for {proposal.fresh_until:%H:%M:%S} UTC at the latest: look again"
            return self._outcome(proposal, OutcomeKind.GATE_HOLD, f"{asked.service}: out of date; {text}")
        for account in proposal.service_accounts:
            if await self.may_act_as(account) is False:
                text = (
                    f"no permission to act as {clean(account, 120)}, which every change of {asked.service}'s traffic "
                    "needs; grant roles/iam.serviceAccountUser on it"
                )
                return self._outcome(proposal, OutcomeKind.REFUSED, text)
        return live

    def _refused_unread(self, proposal: Proposal, confirmed: Confirmed) -> Outcome | None:
        asked = proposal.plan
        why = self.modes.refusal_to_send(asked)
        if why is None and not confirmed.covers(asked.confirmation, self.environment.name):
            why = f"not confirmed: {_how_to_confirm(asked, self.environment)}"
        if why is None and asked.environment != self.environment.name:
            why = f"the plan is for {asked.environment}, not for {self.environment.name}"
        if why is None and not asked.emergency:
            if proposal.wheel is not None:
                why = f"{clean(proposal.wheel, 120)} holds the wheel"
            elif asked.service in self._busy:
                why = f"another write to {asked.service} is under way"
        return None if why is None else self._outcome(proposal, OutcomeKind.REFUSED, why)

    # --------------------------------------------------------------------------------------------------------- sending

    async def send(
        self,
        proposal: Proposal | Outcome,
        confirmed: Confirmed,
        progress: Progress | None = None,
        wait_s: float = SERVED_WITHIN_S,
    ) -> Outcome:
        """Send a proposal, or say why not; where proposing it ended in an Outcome already, that is it. Waits up to
        `wait_s` (service time) until it is served; with 0 it is read back once. Raises nothing of a port's.
        """
        if isinstance(proposal, Outcome):
            return proposal
        tell = progress or _nobody_listens
        if proposal.rollback is not None:
            refused = self._refused_unread(proposal, confirmed)
            if refused is not None:
                return refused
            self.modes.used(proposal.plan)
            return await self._roll_back(proposal, proposal.rollback, tell, wait_s)
        live = await self.authorize(proposal, confirmed)
        if isinstance(live, Outcome):
            return live
        now = self._decided_now(proposal, live)
        if isinstance(now, Outcome):
            return now
        proposal = now
        if proposal.plan.service in self._busy:  # another one came while this one was read
            why = f"another write to {proposal.plan.service} is under way"
            return self._outcome(proposal, OutcomeKind.REFUSED, why)
        self._busy.add(proposal.plan.service)
        try:
            return await self._write(proposal, live, tell, wait_s)
        finally:
            self._busy.discard(proposal.plan.service)

    async def probe(self, service: str, probing: WriteProbe, confirmed: Confirmed) -> tuple[Outcome, bool | None]:
        """Whether Run v2 refuses a stale etag, by a write that changes nothing (DESIGN §8.9); None where that was not
        found out.
        """
        refused = self.refusal(WriteAction.PROBE, service)
        if refused is not None:
            return refused, None
        try:
            live = await self.read(service)
        except SourceFailure as failure:
            return failed(RUN, failure, service), None
        state = intent_of(live.service)
        if isinstance(state, Rollout) and state.active:
            text = f"{service}: rollout {state.id} is under way; probe a service that is at rest"
            return Outcome(OutcomeKind.REFUSED, text, service, live.service.desired_split()), None
        asked = unchanged(self.environment, WriteAction.PROBE.value, live.service)
        proposal = Proposal(asked)
        not_now = self._refused_unread(proposal, confirmed)
        if not_now is not None:
            return not_now, None
        try:
            intent = await self.trail.intent(asked, record_after(asked), live.server_time)
        except JournalFailure as failure:
            return self._outcome(proposal, OutcomeKind.FAILED, f"nothing was sent: {failure}"), None
        enforced: bool | None = None
        with self._flying(intent):
            try:
                enforced = await probing.etag_enforced(service)
            except SourceFailure as failure:
                ended = failed(RUN, failure, service)
                outcome = self._outcome(proposal, ended.kind, ended.sentence)
            else:
                word = "refuses" if enforced else "does not refuse"
                text = f"{service}: Run v2 {word} a write under an etag that is not the live one"
                outcome = self._outcome(proposal, OutcomeKind.DONE, text)
            return await self._recorded(proposal, intent, outcome), enforced

    async def _write(self, proposal: Proposal, live: LiveService, tell: Progress, wait_s: float) -> Outcome:
        asked = proposal.plan
        try:
            intent = await self.trail.intent(asked, record_after(asked), live.server_time)
        except JournalFailure as failure:
            text = f"nothing was sent: {failure}"
            return self._outcome(proposal, OutcomeKind.FAILED, text)
        with self._flying(intent):
            try:
                await self._writer.write(live, asked.after, changed(live.service, asked.annotations))
            except SourceFailure as failure:
                outcome = await self._not_taken(proposal, failure, tell, wait_s)
            else:
                self._observe()
                tell(f"{asked.service}: accepted, {_what(proposal)}")
                outcome = await self._verify(proposal, tell, wait_s)
            return await self._recorded(proposal, intent, outcome)

    async def _not_taken(self, proposal: Proposal, failure: SourceFailure, tell: Progress, wait_s: float) -> Outcome:
        """A write that was answered with a failure: refused for certain, lost to another, or nobody knows."""
        asked = proposal.plan
        if failure.kind is not FailureKind.CONFLICT and failure.kind not in _UNKNOWN:
            refused = failed(RUN, failure, asked.service)
            return self._outcome(proposal, refused.kind, refused.sentence)
        looks = 1 if failure.kind is FailureKind.CONFLICT else LOST_ANSWER_LOOKS
        found: Settled | None = None
        by = ""
        for look in range(looks):
            if look:
                await self._timing.sleep(LEAST_LOOK_S)
            try:
                live = await self.read(asked.service)
            except SourceFailure:
                continue
            found, by = self._stands(proposal, live.service), _by(live.service)
            if found is not Settled.OPEN:
                break
        if found is Settled.DONE and failure.kind is FailureKind.CONFLICT:
            return self._outcome(proposal, OutcomeKind.ALREADY_DONE, f"already done{by}: {_what(proposal)}")
        if found is Settled.DONE:
            return await self._verify(proposal, tell, wait_s)
        if found is Settled.LOST or failure.kind is FailureKind.CONFLICT:
            text = f"{asked.service}: the world changed{by} while this was sent; nothing was written, look again"
            return self._outcome(proposal, OutcomeKind.CONFLICT, text)
        seen = "the service is as before" if found is Settled.OPEN else "it cannot be read back"
        text = f"{asked.service}: not known whether the write was taken ({clean(failure.reason, 200)}); {seen}"
        return self._outcome(proposal, OutcomeKind.UNKNOWN, text)

    async def _verify(self, proposal: Proposal, tell: Progress, wait_s: float) -> Outcome:
        """Read back until what was accepted is served, overtaken or stuck."""
        asked = proposal.plan
        accepted: datetime | None = None
        last = f"accepted, not verified: {_what(proposal)}"
        async with aclosing(self._looks(asked.service, wait_s)) as looks:
            async for live in looks:
                if isinstance(live, SourceFailure):
                    last = f"accepted, not verified ({sentence(RUN, live)})"
                    continue
                accepted = accepted or live.server_time
                if self._stands(proposal, live.service) is not Settled.DONE:
                    return self._overtaken(proposal, live.service)
                if settled(live.service):
                    return self._outcome(proposal, OutcomeKind.DONE, f"{asked.service}: {_what(proposal)}")
                serving = told(live.service.serving_split())
                last = f"{asked.service}: accepted, still serving {serving}"
                tell(last)
                if not live.service.reconciling and live.server_time - accepted > GRACE:
                    why = f" ({clean(live.service.reason, 200)})" if live.service.reason else ""
                    text = f"{asked.service}: Cloud Run did not do it{why} and goes on serving {serving}; roll back"
                    return self._outcome(proposal, OutcomeKind.FAILED, text, page=True)
        return self._outcome(proposal, OutcomeKind.ACCEPTED, last)

    def _overtaken(self, proposal: Proposal, service: Service) -> Outcome:
        """The write was accepted, and the service says something else: somebody went on, or wrote over it."""
        state = intent_of(service)
        mine = None if proposal.decided is None else proposal.decided.intent.seq
        now = told(service.desired_split())
        if self._writer.conditional or (isinstance(state, Rollout) and mine is not None and state.seq > mine):
            text = f"{proposal.plan.service}: {_what(proposal)}; changed since{_by(service)} to {now}"
            return self._outcome(proposal, OutcomeKind.DONE, text)
        text = f"{proposal.plan.service}: the write was overwritten{_by(service)}: {now}"
        return self._outcome(proposal, OutcomeKind.CONFLICT, text)

    # ------------------------------------------------------------------------------------------------------- rollback

    async def _roll_back(self, proposal: Proposal, order: Rollback, tell: Progress, wait_s: float) -> Outcome:
        """Until the target has everything: up to RETRIES conflicts are decided anew, then it is sent without a read."""
        entered = _Announced()
        try:
            current, outcome = proposal, None
            for _ in range(2):  # a second time where the first ended without a read, and reads work again
                current, outcome = await self._roll_back_read(current, order, entered, tell, wait_s)
                outcome = outcome or await self._unread(current, order, entered, tell, wait_s)
                if outcome is not None:
                    break
            if outcome is None:
                text = (
                    f"{order.service}: refused or overtaken at every try; traffic is not at {order.target.revision} yet"
                )
                outcome = self._outcome(current, OutcomeKind.CONFLICT, f"{text}, roll back once more", page=True)
            if entered.problem:
                outcome = replace(outcome, notes=(*outcome.notes, f"not in the local journal: {entered.problem}"))
            return outcome if entered.intent is None else await self._recorded(current, entered.intent, outcome)
        finally:
            self.in_flight.discard(entered.intent or "")

    async def _roll_back_read(
        self, current: Proposal, order: Rollback, entered: _Announced, tell: Progress, wait_s: float
    ) -> tuple[Proposal, Outcome | None]:
        """The proposal as it was last decided and its outcome, None where it must be sent without a read."""
        for attempt in range(1 + RETRIES):
            live = await self._read_quickly(order.service)
            if live is None:
                return current, None
            decided = order.decide(live.service, live.server_time)
            if isinstance(decided, Write):
                current = _on(current, self.environment, live.service, decided)
                await self._announce(entered, current, live.server_time)
                try:
                    await self._writer.write(live, current.plan.after, changed(live.service, current.plan.annotations))
                except SourceFailure as failure:
                    if failure.kind not in _WORTH_RETRYING:
                        refused = failed(RUN, failure, order.service)
                        return current, self._outcome(current, refused.kind, refused.sentence, page=True)
                    tell(f"{order.service}: {clean(failure.reason, 200)}; trying again")
                    if attempt and failure.kind is not FailureKind.CONFLICT:
                        await self._timing.sleep(LEAST_LOOK_S)
                    continue
                self._accepted(order, tell)
            outcome = await self._verify_rollback(current, order, tell, wait_s, done=entered.intent is not None)
            if outcome is not None:
                return current, outcome
            tell(f"{order.service}: somebody moved traffic during the rollback; once more")
        return current, None

    async def _unread(
        self, proposal: Proposal, order: Rollback, entered: _Announced, tell: Progress, wait_s: float
    ) -> Outcome | None:
        """Send without a read, from what was last known; None where it can be read again and is not so."""
        known = self._good.get(order.service)
        now = self._clock.now() or (None if known is None else known.server_time)
        after, annotations = order.blind(None if known is None else known.service, now)
        await self._announce(entered, proposal, now)
        unsure: Outcome | None = None
        try:
            await self._writer.write_unread(order.service, after, annotations)
        except SourceFailure as failure:
            if failure.kind not in _UNKNOWN:
                refused = failed(RUN, failure, order.service)
                return self._outcome(proposal, refused.kind, refused.sentence, page=True)
            text = f"{order.service}: not known whether the rollback was taken ({clean(failure.reason, 200)})"
            unsure = self._outcome(proposal, OutcomeKind.UNKNOWN, text, page=True)
            tell(text)
        else:
            self._accepted(order, tell, word="accepted, not verified")
        verified = await self._verify_rollback(proposal, order, tell, wait_s, done=True)
        if unsure is not None and verified is not None and verified.kind is not OutcomeKind.DONE:
            return unsure
        return verified

    async def _verify_rollback(
        self, proposal: Proposal, order: Rollback, tell: Progress, wait_s: float, *, done: bool
    ) -> Outcome | None:
        """Read back until the target serves everything; None where that is not what is asked for (any more)."""
        target = order.target.revision
        last = f"{order.service}: rollback to {target} accepted, not verified"
        first: datetime | None = None
        async with aclosing(self._looks(order.service, wait_s)) as looks:
            async for live in looks:
                if isinstance(live, SourceFailure):
                    last = f"{order.service}: rollback to {target} accepted, not verified ({sentence(RUN, live)})"
                    continue
                first = first or live.server_time
                if not order.arrived(live.service, live.server_time):
                    return None
                state = undo.progress(live.service, target, None)
                if state.state is not undo.DrainState.REQUESTED:
                    kind = OutcomeKind.DONE if done else OutcomeKind.ALREADY_DONE
                    text = f"{order.service}: {'' if done else 'already done: '}{state.text}"
                    open_still = await self._close_record(proposal, live)
                    return self._outcome(proposal, kind, text, notes=(undo.next_deploy(target), *open_still))
                last = f"{order.service}: {state.text}"
                tell(last)
                if not live.service.reconciling and live.server_time - first > GRACE:
                    why = f" ({clean(live.service.reason, 200)})" if live.service.reason else ""
                    text = f"{last}: Cloud Run did not do it{why}"
                    return self._outcome(proposal, OutcomeKind.FAILED, text, page=True)
        return self._outcome(proposal, OutcomeKind.ACCEPTED, last, notes=(undo.next_deploy(target),), page=True)

    async def _close_record(self, proposal: Proposal, live: LiveService) -> tuple[str, ...]:
        """Write down that the rollback is complete; what must be said where that is not possible. Whoever looks next
        does it then.
        """
        rollback = proposal.rollback
        assert rollback is not None
        now = live.server_time
        decided = rollout.next(intent_of(live.service), live.service, Evidence(), now, rollback.actor)
        if not isinstance(decided, Write) or decided.transition is not Transition.ROLLED_BACK:
            return ()
        closing = propose_write(self.environment, WriteAction.DRIVE, live.service, decided)
        try:
            intent = await self.trail.intent(closing.plan, record_after(closing.plan), now)
        except JournalFailure as failure:
            return (f"the rollback is not recorded as complete yet: {failure}",)
        with self._flying(intent):
            outcome = self._outcome(closing, OutcomeKind.DONE, f"{proposal.plan.service}: the rollback is complete")
            try:
                await self._writer.write(live, closing.plan.after, changed(live.service, closing.plan.annotations))
            except SourceFailure as failure:
                outcome = replace(failed(RUN, failure, proposal.plan.service), before=closing.plan.before)
            await self._recorded(closing, intent, outcome)
        return () if outcome.good else (f"the rollback is not recorded as complete yet: {outcome.sentence}",)

    async def _read_quickly(self, service: str) -> LiveService | None:
        try:
            return await within(self.read(service), EMERGENCY_READ_S, self._timing)
        except Exception:  # noqa: BLE001 - no failure to read stops a rollback
            return None

    async def _announce(self, entered: _Announced, proposal: Proposal, now: datetime | None) -> None:
        """Journal a rollback's intent, once: a full disk does not stop it."""
        if entered.intent is not None:
            return
        after = record_after(proposal.plan)
        try:
            entered.intent = await self.trail.intent(proposal.plan, after, now)
        except JournalFailure as failure:
            entered.problem = str(failure)
            entered.intent = await self.trail.loose_intent(proposal.plan, after, now, entered.problem)
        self.in_flight.add(entered.intent)

    def _accepted(self, order: Rollback, tell: Progress, word: str = "accepted") -> None:
        self._observe()
        tell(f"{order.service}: rollback to {order.target.revision} {word}")

    @contextmanager
    def _flying(self, intent: str) -> Iterator[None]:
        """While an intent's outcome is still to come from here."""
        self.in_flight.add(intent)
        try:
            yield
        finally:
            self.in_flight.discard(intent)

    # --------------------------------------------------------------------------------------------------------- helpers

    def _decided_now(self, proposal: Proposal, live: LiveService) -> Proposal | Outcome:
        """The proposal as it is decided at the moment of the write, or why it is not any more."""
        if proposal.again is None:
            return proposal
        answer = proposal.again(live)
        if isinstance(answer, Write) and answer.traffic == proposal.plan.after:
            return replace(proposal, decided=answer, plan=replace(proposal.plan, annotations=answer.annotations))
        name = proposal.plan.service
        if isinstance(answer, Nothing):
            return self._outcome(proposal, OutcomeKind.ALREADY_DONE, f"{name}: {answer.reason}")
        if isinstance(answer, Refused) and not answer.conflict:
            kind = OutcomeKind.GATE_HOLD if answer.blocked_by else OutcomeKind.REFUSED
            held = self._outcome(proposal, kind, f"{name}: {answer.reason}")
            return replace(held, blocked_by=answer.blocked_by)
        return self._outcome(proposal, OutcomeKind.CONFLICT, f"{name}: what is next is another step now; look again")

    def _stands(self, proposal: Proposal, service: Service) -> Settled:
        """Where a service stands with regard to a proposal."""
        asked = proposal.plan
        record = service.annotations.get(ANNOTATION)
        split = service.desired_split()
        if record == asked.base.annotation and split == asked.base.split and not carries_latest(service):
            # A split by hand leaves the record alone, so a plan that changes nothing is done before it begins.
            nothing = proposal.decided is None and split == asked.target
            return Settled.DONE if nothing else Settled.OPEN
        if proposal.decided is not None:
            return settle(proposal.decided, service)
        arrived = not traffic.differs(split, asked.target) and not carries_latest(service)
        if arrived and record == asked.base.annotation:
            return Settled.DONE
        return Settled.OPEN if record == asked.base.annotation and split == asked.base.split else Settled.LOST

    async def _looks(self, service: str, wait_s: float) -> AsyncGenerator[LiveService | SourceFailure, None]:
        """The service as it is, again and again until the wait is over; the first look is at once."""
        speed = max(self._clock.speed, 1e-3)
        ends = self._timing.monotonic() + (max(wait_s / speed, LEAST_WAIT_S) if wait_s > 0 else 0.0)
        while True:
            try:
                yield await self.read(service)
            except SourceFailure as failure:
                yield failure
            if self._timing.monotonic() >= ends:
                return
            await self._timing.sleep(max(LEAST_LOOK_S, LOOK_S / speed))

    async def _recorded(self, proposal: Proposal, intent: str, outcome: Outcome) -> Outcome:
        """Journal an outcome and look at once; what the journal would not take is said beside it."""
        fields = self.trail.outcome_fields(proposal.plan)
        problem = await self.trail.outcome(intent, fields, outcome, self._clock.now())
        self._observe()
        notes = (*outcome.notes, f"the outcome is not in the local journal: {problem}") if problem else outcome.notes
        return replace(outcome, entry=intent, notes=notes)

    def _outcome(
        self,
        proposal: Proposal,
        kind: OutcomeKind,
        text: str,
        *,
        notes: tuple[str, ...] = (),
        page: bool = False,
    ) -> Outcome:
        asked = proposal.plan
        listed = (*proposal.notes, *notes)
        return Outcome(kind, text, asked.service, asked.before, asked.target, notes=listed, page=page or proposal.page)


def propose_write(
    environment: Environment,
    action: WriteAction,
    service: Service,
    decided: Write,
    *,
    requests_per_s: float | None = None,
    rollback: Rollback | None = None,
    fresh_until: datetime | None = None,
    wheel: str | None = None,
    service_accounts: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    again: Callable[[LiveService], Answer] | None = None,
) -> Proposal:
    """What the reducer or an order decided, as a plan on the service it was decided for."""
    moves = traffic.differs(service.desired_split(), decided.intent.split)
    made = plan(
        action.value,
        environment,
        service,
        decided.traffic,
        decided.reason,
        confirmation(environment, moves, emergency=rollback is not None),
        decided.annotations,
        requests_per_s,
        emergency=rollback is not None,
    )
    return Proposal(made, decided, rollback, fresh_until, wheel, service_accounts, notes, decided.page, again)


def propose_rollback(
    environment: Environment,
    action: WriteAction,
    service: Service,
    decided: Write | Wait,
    order: Rollback,
    *,
    requests_per_s: float | None = None,
    notes: tuple[str, ...] = (),
) -> Proposal:
    """A rollback as it was decided; where it was asked for before, the plan is to see it through."""
    if isinstance(decided, Wait):
        asked = unchanged(environment, action.value, service, order.reason, emergency=True)
        return Proposal(asked, None, order, notes=(decided.reason, *notes))
    return propose_write(
        environment, action, service, decided, requests_per_s=requests_per_s, rollback=order, notes=notes
    )


def _on(proposal: Proposal, environment: Environment, service: Service, decided: Write) -> Proposal:
    """The same rollback on the service as it is now."""
    check_traffic(decided.traffic)
    now = propose_write(environment, WriteAction(proposal.plan.action), service, decided, rollback=proposal.rollback)
    return replace(proposal, plan=replace(now.plan, confirmation=proposal.plan.confirmation), decided=decided)


def _what(proposal: Proposal) -> str:
    asked = proposal.plan
    word = "" if proposal.decided is None else f"{proposal.decided.transition.value}: "
    if asked.moved_percent:
        return f"{word}{told(asked.before)} → {told(asked.target)}"
    return f"{word}{told(asked.target)}"


def _how_to_confirm(asked: Plan, environment: Environment) -> str:
    if asked.confirmation.value == "typed":
        return f"type the environment's name, {environment.name}"
    return "answer y, or give --yes where nobody can be asked"


def _by(service: Service) -> str:
    return f" by {clean(service.last_modifier, 100)}" if service.last_modifier else ""


def _nobody_looks() -> None:
    """Where no screen follows the environment."""


def _nobody_listens(text: str) -> None:
    """Where nobody wants to know how far it is."""
