"""The door of writes, for the migration job: runs, approvals, looks and cancellations.

The same way as `gateway`, with the same modes, confirmations and journal: authorize → journal the intent → write → read
back → journal the outcome. Nothing else calls a writing method of `JobWriter`.

A run is started once for its release (DESIGN §8.22): the claim is a conditional write, the executions are looked
through again after it, and starting is refused by the server where the job is no longer as it was claimed. So every
execution that was started under an earlier claim is seen by whoever holds the later one. An unknown outcome is read
back and never tried again.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from brconsole.domain.environment import Environment
from brconsole.domain.job import Execution, ExecutionState, LiveJob, digest_of
from brconsole.domain.job_plan import JobPlan
from brconsole.domain.migration_run import (
    APPROVAL,
    CLAIM,
    PLAN_ENV,
    RELEASE_ENV,
    Approval,
    Awaited,
    Claim,
    MayStart,
    RunDecision,
    RunRequest,
    Stop,
    Stopped,
    Watch,
    approval_of,
    approving,
    awaited_claim,
    decide,
    dump_approval,
    dump_claim,
    told_run,
    under_way,
)
from brconsole.domain.plan import Confirmation
from brconsole.domain.text import clean
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import RUN, Progress, WriteAction
from brconsole.operations.journal import JournalFailure
from brconsole.operations.migration_ports import JobWriter
from brconsole.operations.migration_reader import MigrationReader
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind, failed
from brconsole.operations.ports import Clock
from brconsole.operations.timing import RealTiming, Timing
from brconsole.operations.trail import Trail

TRIES = 6
"""How often a write that the server refused for a newer version is decided anew."""
LOST_ANSWER_LOOKS = 4
AWAIT_S = 2.0
"""Between two looks for the execution that somebody else is about to start, in service time."""
LEAST_LOOK_S = 1.0
"""The same in real time, at any speed; and between the looks for a lost answer."""
_UNKNOWN = (FailureKind.TIMEOUT, FailureKind.UNAVAILABLE, FailureKind.UNREADABLE)
"""Failures after which nobody knows whether the write was taken."""


@dataclass(frozen=True, slots=True)
class JobProposal:
    """A write to the job that may be put to a person."""

    plan: JobPlan
    request: RunRequest | None = None
    """Of a run."""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the execution is given besides."""
    revisions: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of an approval: the reviewed sources by revision."""
    existing: Execution | None = None
    """The run of this release that exists already: it is watched, and nothing is started."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an order, and the execution that it led to or found."""

    outcome: Outcome
    execution: Execution | None = None
    started: bool = False
    """Whether this order started it."""


class JobGateway:
    """The door of one environment's migration job in one session. All methods belong to one loop."""

    def __init__(
        self,
        environment: Environment,
        reader: MigrationReader,
        writer: JobWriter,
        clock: Clock,
        trail: Trail,
        modes: Modes,
        *,
        observe: Callable[[], None] | None = None,
        timing: Timing | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        self.environment = environment
        self.job = reader.job
        self.trail = trail
        self._modes = modes
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._observe = observe or _nobody_looks
        self._timing = timing or RealTiming()
        self._token = token or _random_token
        self.in_flight: set[str] = set()
        """Intents of this gateway whose outcome is still to come."""

    def refusal(self, action: WriteAction) -> Outcome | None:
        """Why an action may not even be prepared; asked before anything is read."""
        why = self._modes.refusal(emergency=action.emergency)
        return None if why is None else Outcome(OutcomeKind.REFUSED, why, self.job)

    # ------------------------------------------------------------------------------------------------------------ run

    async def run(self, made: JobProposal, confirmed: Confirmed, progress: Progress | None = None) -> Sent:
        """Start the run of a release, or find the one that there is. Raises nothing of a port's."""
        request, tell = made.request, progress or _nobody_listens
        assert request is not None
        refused = self._refused_unread(made.plan, confirmed)
        if refused is not None:
            return Sent(refused)
        intent: str | None = None
        sent: Sent | None = None
        try:
            for _ in range(TRIES):
                found = await self._decided(request, tell)
                if isinstance(found, Sent):
                    sent = found
                    break
                live, now = found
                if intent is None:
                    intent = await self.trail.announce(self._fields(made.plan), live.server_time)
                    self.in_flight.add(intent)
                if now.taken_over:
                    tell(f"{self.job}: {now.taken_over}; taking it over")
                sent = await self._claimed(live, made, request, tell)
                if sent is not None:
                    break
            if sent is None:
                text = f"{self.job}: it was changed by others at every try; nothing was started, look again"
                sent = Sent(self._outcome(OutcomeKind.CONFLICT, text))
            return sent if intent is None else await self._recorded(made.plan, intent, sent)
        except JournalFailure as failure:
            return Sent(self._outcome(OutcomeKind.FAILED, f"nothing was started: {failure}"))
        finally:
            self.in_flight.discard(intent or "")

    async def _decided(self, request: RunRequest, tell: Progress) -> tuple[LiveJob, MayStart] | Sent:
        """The job as it is where the run may start now; waits while somebody else is about to start this very run."""
        said = ""
        while True:
            try:
                live, executions = await self._reader.live()
            except SourceFailure as failure:
                return Sent(failed(RUN, failure, self.job))
            if live is None:
                return Sent(self._no_job())
            decision = decide(live, executions, request, live.server_time)
            if isinstance(decision, MayStart):
                return live, decision
            if not isinstance(decision, Awaited):
                return self._stopped(decision)
            who = clean(decision.claim.by, 100)
            text = f"{self.job}: claimed by {who} at {decision.claim.at:%H:%M:%S} UTC; waiting for the execution"
            if text != said:
                tell(text)
                said = text
            await self._timing.sleep(max(LEAST_LOOK_S, AWAIT_S / max(self._clock.speed, 1e-3)))

    def stopped(self, decision: RunDecision) -> Outcome | None:
        """The outcome of a decision against a run, None where it is none."""
        if not isinstance(decision, Stopped):
            return None
        kind = OutcomeKind.CONFLICT if decision.stop is Stop.CONFLICT else OutcomeKind.REFUSED
        return self._outcome(kind, f"{self.job}: {decision.reason}")

    def _stopped(self, decision: Watch | Stopped) -> Sent:
        if isinstance(decision, Watch):
            name = decision.execution.name
            return Sent(self._outcome(OutcomeKind.ALREADY_DONE, f"already started: {name}"), decision.execution)
        outcome = self.stopped(decision)
        assert outcome is not None
        return Sent(outcome)

    async def _claimed(self, live: LiveJob, made: JobProposal, request: RunRequest, tell: Progress) -> Sent | None:
        """Claim the job and start the run; None where somebody else wrote first, so that it is decided anew."""
        claim = Claim(
            request.release, request.plan.hash, request.image, self.trail.who, live.server_time, self._token()
        )
        text = dump_claim(claim)
        claimed: LiveJob | Sent | None
        try:
            claimed = await self._writer.replace(live, request.image, {CLAIM: text})
        except SourceFailure as failure:
            if failure.kind is FailureKind.CONFLICT:
                return None
            if failure.kind not in _UNKNOWN:
                return Sent(failed(RUN, failure, self.job))
            claimed = await self._own_claim(text, failure)
        if isinstance(claimed, LiveJob):
            tell(f"{self.job}: claimed for {request.release}, image {(digest_of(request.image) or '')[:19]}")
            return await self._started(claimed, made, request, text, tell)
        return claimed

    async def _own_claim(self, text: str, failure: SourceFailure) -> LiveJob | Sent | None:
        """The job where a claim whose answer was lost did take; None where it did not, and decided is anew."""
        for look in range(LOST_ANSWER_LOOKS):
            if look:
                await self._timing.sleep(LEAST_LOOK_S)
            try:
                live, _ = await self._reader.live()
            except SourceFailure:
                continue
            if live is not None and live.annotations.get(CLAIM) == text:
                return live
            if look == LOST_ANSWER_LOOKS - 1:
                break
        reason = f"not known whether the claim was taken ({clean(failure.reason, 200)}); nothing was started"
        return Sent(self._outcome(OutcomeKind.UNKNOWN, f"{self.job}: {reason}, run it again"))

    async def _started(
        self, claimed: LiveJob, made: JobProposal, request: RunRequest, text: str, tell: Progress
    ) -> Sent | None:
        """Start it under the claim, unless an earlier claim led to an execution meanwhile."""
        env = {**made.env, RELEASE_ENV: request.release, PLAN_ENV: request.plan.hash}
        for _ in range(TRIES):
            try:
                executions = await self._reader.executions()
            except SourceFailure as failure:
                why = f"claimed, and nothing was started: {failure}"
                return Sent(self._outcome(OutcomeKind.FAILED, f"{self.job}: {why}; run it again"))
            held = self._held_back(claimed, executions, request)
            if held is not None:
                return held
            try:
                name = await self._writer.run(claimed, ("run",), env)
            except SourceFailure as failure:
                if failure.kind in _UNKNOWN:
                    return await self._maybe_started(request, failure)
                if failure.kind is not FailureKind.CONFLICT:
                    return Sent(failed(RUN, failure, self.job))
            else:
                self._observe()
                tell(f"{self.job}: started {name}")
                return await self._seen(name, request, claimed)
            try:
                live, _ = await self._reader.live()
            except SourceFailure as failure:
                return Sent(failed(RUN, failure, self.job))
            if live is None or live.annotations.get(CLAIM) != text:
                return None  # taken over
            claimed = live
        return None

    def _held_back(self, claimed: LiveJob, executions: tuple[Execution, ...], request: RunRequest) -> Sent | None:
        """What stands against starting under one's own claim."""
        own = next((found for found in executions if found.env.get(RELEASE_ENV) == request.release), None)
        if own is not None:
            return self._stopped(Watch(own))
        busy = under_way(executions)
        if busy is not None:
            return self._stopped(Stopped(Stop.CONFLICT, f"another run is under way: {told_run(busy, claimed)}"))
        approval = approval_of(claimed)
        if not isinstance(approval, Approval) or approval.plan != request.plan.hash:
            return self._stopped(
                Stopped(Stop.CONFLICT, "the approval changed while this was sent; nothing was started")
            )
        if claimed.image != request.image:
            text = f"the job runs {clean(claimed.image, 200)} now; nothing was started"
            return self._stopped(Stopped(Stop.CONFLICT, text))
        return None

    async def _maybe_started(self, request: RunRequest, failure: SourceFailure) -> Sent:
        """A start whose answer was lost: read back, never sent again."""
        for look in range(LOST_ANSWER_LOOKS):
            if look:
                await self._timing.sleep(LEAST_LOOK_S)
            try:
                executions = await self._reader.executions()
            except SourceFailure:
                continue
            own = next((found for found in executions if found.env.get(RELEASE_ENV) == request.release), None)
            if own is not None:
                self._observe()
                return Sent(self._outcome(OutcomeKind.DONE, f"{self.job}: started {own.name}"), own, started=True)
        text = f"not known whether it started ({clean(failure.reason, 200)}); run it again: it looks before it starts"
        return Sent(self._outcome(OutcomeKind.UNKNOWN, f"{self.job}: {text}", page=True))

    async def _seen(self, name: str, request: RunRequest, claimed: LiveJob) -> Sent:
        """The execution as it is listed, else as it was asked for."""
        found: Execution | None = None
        try:
            found = next((one for one in await self._reader.executions() if one.name == name), None)
        except SourceFailure:
            found = None
        env = {RELEASE_ENV: request.release, PLAN_ENV: request.plan.hash}
        execution = found or Execution(
            name, self.job, ExecutionState.RUNNING, claimed.image, ("run",), env, claimed.server_time
        )
        return Sent(self._outcome(OutcomeKind.DONE, f"{self.job}: started {name}"), execution, started=True)

    # ---------------------------------------------------------------------------------------------- look and approve

    async def look(self, made: JobProposal, mode: str, image: str | None) -> Sent:
        """Start an execution that only reports (`status` or `plan`), with the code of an image (None: the job's)."""
        refused = self._refused_unread(made.plan, Confirmed())
        if refused is not None:
            return Sent(refused)

        async def act() -> Sent:
            for _ in range(TRIES):
                live, executions = await self._reader.live()
                if live is None:
                    return Sent(self._no_job())
                base = live
                if image is not None and live.image != image:
                    held = self._needs_image(live, executions)
                    if held is not None:
                        return held
                try:
                    if image is not None and live.image != image:
                        base = await self._writer.replace(live, image, {})
                    name = await self._writer.run(base, (mode,), made.env)
                except SourceFailure as failure:
                    if failure.kind is not FailureKind.CONFLICT:
                        return Sent(failed(RUN, failure, self.job))
                    continue
                execution = Execution(
                    name, self.job, ExecutionState.RUNNING, base.image, (mode,), made.env, base.server_time
                )
                return Sent(self._outcome(OutcomeKind.DONE, f"{self.job}: started {name}"), execution, started=True)
            return Sent(self._outcome(OutcomeKind.CONFLICT, f"{self.job}: it was changed by others at every try"))

        return await self._journaled(made.plan, act)

    def _needs_image(self, live: LiveJob, executions: tuple[Execution, ...]) -> Sent | None:
        """Whether the image must stay as it is now, since somebody is about to run with it."""
        claim = awaited_claim(live, executions, live.server_time)
        if claim is None:
            return None
        text = f"a run is about to start: claimed by {clean(claim.by, 100)} at {claim.at:%H:%M:%S} UTC; look again"
        return self._stopped(Stopped(Stop.CONFLICT, text))

    async def approve(self, made: JobProposal, plan: str, confirmed: Confirmed) -> Sent:
        """Write the approval of a plan on the job."""
        refused = self._refused_unread(made.plan, confirmed)
        if refused is not None:
            return Sent(refused)

        async def act() -> Sent:
            text = ""
            for _ in range(TRIES):
                live, executions = await self._reader.live()
                if live is None:
                    return Sent(self._no_job())
                busy = under_way(executions)
                if busy is not None:
                    return self._stopped(Stopped(Stop.CONFLICT, f"a run is under way: {told_run(busy, live)}"))
                before = approval_of(live)
                if text and live.annotations.get(APPROVAL) == text:
                    break
                approval = approving(before, plan, self.trail.who, live.server_time, made.revisions)
                text = dump_approval(approval)
                try:
                    await self._writer.replace(live, None, {APPROVAL: text})
                except SourceFailure as failure:
                    if failure.kind is FailureKind.CONFLICT or failure.kind in _UNKNOWN:
                        continue  # an approval written twice is one approval
                    return Sent(failed(RUN, failure, self.job))
                break
            else:
                return Sent(self._outcome(OutcomeKind.UNKNOWN, f"{self.job}: not known whether it was approved"))
            return Sent(self._outcome(OutcomeKind.DONE, f"{self.job}: plan {plan[:12]} is approved"))

        return await self._journaled(made.plan, act)

    async def cancel(self, made: JobProposal, execution: Execution, confirmed: Confirmed) -> Sent:
        """Ask for the end of a run."""
        refused = self._refused_unread(made.plan, confirmed)
        if refused is not None:
            return Sent(refused)

        async def act() -> Sent:
            executions = await self._reader.executions()
            found = next((one for one in executions if one.name == execution.name), None)
            if found is None or not found.under_way:
                state = "gone" if found is None else found.state.value
                return Sent(self._outcome(OutcomeKind.ALREADY_DONE, f"{execution.name} is over: {state}"), found)
            try:
                await self._writer.cancel(execution.name, self.job)
            except SourceFailure as failure:
                ended = failed(RUN, failure, self.job)
                kind = OutcomeKind.UNKNOWN if failure.kind in _UNKNOWN else ended.kind
                return Sent(replace(ended, kind=kind), found)
            return Sent(self._outcome(OutcomeKind.DONE, f"{execution.name}: asked to end"), found)

        return await self._journaled(made.plan, act)

    # --------------------------------------------------------------------------------------------------------- helpers

    async def told_end(self, plan: JobPlan, sent: Sent, outcome: Outcome) -> Outcome:
        """Journal how a run ended that this session started, beside what was said of its start."""
        if sent.outcome.entry is None:
            return outcome
        problem = await self.trail.outcome(sent.outcome.entry, self._fields(plan), outcome, self._clock.now())
        note = (f"the end is not in the local journal: {problem}",) if problem else ()
        return replace(outcome, entry=sent.outcome.entry, notes=(*outcome.notes, *note))

    async def _journaled(self, plan: JobPlan, act: Callable[[], Awaitable[Sent]]) -> Sent:
        """Do it between its intent and its outcome."""
        try:
            intent = await self.trail.announce(self._fields(plan), self._clock.now())
        except JournalFailure as failure:
            return Sent(self._outcome(OutcomeKind.FAILED, f"nothing was sent: {failure}"))
        with self._flying(intent):
            try:
                sent = await act()
            except SourceFailure as failure:
                sent = Sent(failed(RUN, failure, self.job))
            return await self._recorded(plan, intent, sent)

    async def _recorded(self, plan: JobPlan, intent: str, sent: Sent) -> Sent:
        fields = self._fields(plan)
        if sent.execution is not None:
            fields = {**fields, "execution": sent.execution.name}
        problem = await self.trail.outcome(intent, fields, sent.outcome, self._clock.now())
        self._observe()
        note = (f"the outcome is not in the local journal: {problem}",) if problem else ()
        return replace(sent, outcome=replace(sent.outcome, entry=intent, notes=(*sent.outcome.notes, *note)))

    @contextmanager
    def _flying(self, intent: str) -> Iterator[None]:
        self.in_flight.add(intent)
        try:
            yield
        finally:
            self.in_flight.discard(intent)

    def _refused_unread(self, asked: JobPlan, confirmed: Confirmed) -> Outcome | None:
        """Why it may not be sent, before anything is read."""
        why = self._modes.refusal()
        if why is None and not confirmed.covers(asked.confirmation, self.environment.name):
            how = "answer y, or give --yes where nobody can be asked"
            if asked.confirmation is Confirmation.TYPED:
                how = f"type the environment's name, {self.environment.name}"
            why = f"not confirmed: {how}"
        if why is None and asked.environment != self.environment.name:
            why = f"the plan is for {asked.environment}, not for {self.environment.name}"
        return None if why is None else self._outcome(OutcomeKind.REFUSED, why)

    def _fields(self, plan: JobPlan) -> dict[str, object]:
        return {
            "environment": self.environment.name,
            "project": plan.project,
            "service": plan.job,
            "action": plan.action,
            "why": plan.reason,
            "moves": plan.what,
            "what": f"{plan.action} {plan.resource}",
            "before": dict(plan.before),
            "after": dict(plan.after),
        }

    def _no_job(self) -> Outcome:
        text = f"there is no job {self.job} in {self.environment.name}; deploy it, or mend [migrations] job"
        return self._outcome(OutcomeKind.REFUSED, text)

    def _outcome(self, kind: OutcomeKind, text: str, *, page: bool = False) -> Outcome:
        return Outcome(kind, text, self.job, page=page)


def run_env(request: RunRequest) -> dict[str, str]:
    """What the job needs to know besides the release and the plan."""
    return {"EXPECTED_HEAD": request.plan.head, "IMAGE_DIGEST": digest_of(request.image) or ""}


def _random_token() -> str:
    return secrets.token_hex(8)


def _nobody_looks() -> None:
    """Where no screen follows the environment."""


def _nobody_listens(text: str) -> None:
    """Where nobody wants to know how far it is."""
