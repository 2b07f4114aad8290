"""The use cases of a rollout, for a person, a pipeline and the agent alike.

    view = await releases.look("api")                            # `release status`, the release screen
    made = await releases.propose(Promote("api"), reason="ok")   # a Proposal to put to a person, or an Outcome
    outcome = await gateway.send(made, BY_DIALOG)                # or both at once:
    outcome = await releases.promote("api", BY_DIALOG, "ok")
    outcome = await releases.run("api", reason="nightly")        # `release run`: to the end, under a standing order

Each order reads the live service, decides in the domain and goes through the gateway. Who loses a race is told
"already done" or what changed; nothing is decided on what a screen showed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from brconsole.domain import gates as gate
from brconsole.domain import orders
from brconsole.domain.decision import Actor, Answer, Ask, Decision, Evidence, Heartbeat, Nothing, Refused, Wait, Write
from brconsole.domain.environment import Environment, RolloutPlan
from brconsole.domain.findings import Finding, findings
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.domain.gates import GateInputs, Gates
from brconsole.domain.intent import Intent, Phase, Rollout, intent_of
from brconsole.domain.judge import Verdict
from brconsole.domain.needs import driving, step_gates
from brconsole.domain.rates import service_rates
from brconsole.domain.rollout import next as next_step
from brconsole.domain.service import Revision, Service
from brconsole.domain.undo import RollbackTarget, TargetSource, concluded, next_deploy
from brconsole.operations.emergency import Rollback
from brconsole.operations.evidence import EvidenceReader, Gathered
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import (
    RUN,
    Gateway,
    Progress,
    Proposal,
    WriteAction,
    propose_rollback,
    propose_write,
)
from brconsole.operations.outcome import STANDING, Confirmed, Outcome, OutcomeKind, failed
from brconsole.operations.ports import Beacon, Clock, LiveService
from brconsole.operations.timing import RealTiming, Timing

LOOK_S = 10.0
"""Between two looks of a driver while a rollout is under way, in service time (facts §11)."""
LEAST_LOOK_S = 1.0
"""The same in real time, at any speed."""
QUESTION_FRESH = timedelta(minutes=2)
"""A promotion that is asked about waits so long for its answer; then the gates are read again."""
UNREACHABLE_LOOKS = 30
"""Failed looks in a row after which a pipeline gives up; the rollout stays as it is, and an agent goes on with it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Prepare a candidate: 0 % and a tag. Without a revision, the latest ready one that does not serve."""

    service: str
    revision: str | None = None
    retry: bool = False
    """Also a candidate that was rolled back before."""
    manual: bool = False
    """A person steps it."""
    action: WriteAction = WriteAction.START


@dataclass(frozen=True, slots=True)
class Promote:
    """The next step, under the same gates as by itself."""

    service: str
    to_percent: int | None = None
    """The share that was in view; another next step is then refused."""
    without_evidence: bool = False
    takeover: bool = False
    action: WriteAction = WriteAction.PROMOTE


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop where it is; the watch goes on."""

    service: str
    action: WriteAction = WriteAction.HOLD


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on where it was held; `anew` starts the step again."""

    service: str
    anew: bool = False
    action: WriteAction = WriteAction.RESUME


@dataclass(frozen=True, slots=True)
class Abort:
    """Back to stable, and the candidate counts as failed."""

    service: str
    action: WriteAction = WriteAction.ABORT


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take the present split for what is wanted, and hold there."""

    service: str
    action: WriteAction = WriteAction.ADOPT


@dataclass(frozen=True, slots=True)
class Restore:
    """The split that the rollout wants, after somebody else's change."""

    service: str
    action: WriteAction = WriteAction.RESTORE


@dataclass(frozen=True, slots=True)
class Dismiss:
    """The newest revision of a pinned or rolled-back service is not wanted."""

    service: str
    action: WriteAction = WriteAction.DISMISS


Order = Start | Promote | Hold | Resume | Abort | Adopt | Restore | Dismiss
_NEED_EVIDENCE = (Promote, Abort)


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One service's rollout as it is now: what `release status` prints and the release screen shows."""

    service: Service
    state: Intent
    decision: Decision
    gates: Gates
    """Of the present step, with the dwell; without a rollout, those that a start would meet."""
    findings: tuple[Finding, ...]
    evidence: Evidence
    inputs: GateInputs | None
    """What the gates were evaluated from, for the chart (`gates.judged`)."""
    driver: str | None
    now: datetime
    """The server's time of the read."""

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """What stands against the next step."""
        blocking = tuple(finding.text for finding in self.findings if finding.blocks)
        active = isinstance(self.state, Rollout) and self.state.active
        return tuple(dict.fromkeys((*blocking, *(self.gates.blocked_by if active else ()))))


@dataclass(frozen=True, slots=True)
class Ticked:
    """One look of a driver: what it found and what became of the write, if there was one."""

    view: RolloutView
    outcome: Outcome | None

    @property
    def page(self) -> bool:
        """Whether a person must look now."""
        asked = isinstance(self.view.decision, Ask | Wait | Write) and self.view.decision.page
        return asked or (self.outcome is not None and self.outcome.page)


class Releases:
    """The rollouts of one environment in one session. All methods belong to one loop."""

    def __init__(
        self,
        environment: Environment,
        gateway: Gateway,
        evidence: EvidenceReader,
        actor: Actor,
        clock: Clock,
        *,
        beacon: Beacon | None = None,
        fleet: Callable[[], Fleet | None] | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.environment = environment
        self.gateway = gateway
        self.actor = actor
        self._evidence = evidence
        self._clock = clock
        self._beacon = beacon
        self._fleet = fleet or _no_fleet
        self._timing = timing or RealTiming()

    # ----------------------------------------------------------------------------------------------------- looking

    async def look(self, service: str) -> RolloutView | Outcome:
        """The rollout of a service as it is now; an Outcome where the service cannot be read."""
        try:
            live = await self.gateway.read(service)
        except SourceFailure as failure:
            return failed(RUN, failure, service)
        return await self._view(live)

    async def _view(self, live: LiveService) -> RolloutView:
        service, now = live.service, live.server_time
        state = intent_of(service)
        active = state if isinstance(state, Rollout) and state.active else None
        gathered = await self._gather(service, active, now)
        evidence = gathered.evidence
        listed = step_gates(active, service, evidence, now) if active is not None else Gates(evidence.gates)
        driver = None if active is None else driving(active, evidence, now)
        return RolloutView(
            service,
            state,
            next_step(state, service, evidence, now, self.actor),
            listed,
            findings(state, service, evidence.revisions, now),
            evidence,
            gathered.inputs,
            None if driver is None else driver.who,
            now,
        )

    async def _gather(self, service: Service, state: Rollout | None, now: datetime) -> Gathered:
        return await self._evidence.gather(service, state, now, self._fleet())

    # --------------------------------------------------------------------------------------------------- proposing

    async def propose(self, order: Order, reason: str) -> Proposal | Outcome:
        """What an order would write, for a person to see; or why it is not done, or that it is done already.

        Refused before anything is read where the mode forbids it.
        """
        refused = self.gateway.refusal(order.action, order.service)
        if refused is not None:
            return refused
        try:
            live = await self.gateway.read(order.service)
        except SourceFailure as failure:
            return failed(RUN, failure, order.service)
        state = intent_of(live.service)
        evidence = await self._evidence_for(order, state, live)
        wheel = self._other_at_the_wheel(order, state, live, evidence)
        shown = replace(order, takeover=True) if isinstance(order, Promote) and wheel is not None else order
        answer = self._decide(shown, reason, state, live, evidence)
        if isinstance(answer, Write):
            return self._proposal(order, reason, answer, state, live, evidence, wheel)
        if isinstance(answer, Wait):
            assert isinstance(state, Rollout)  # nothing else is rolled back
            back = self._back_to(state.stable, reason, live, evidence)
            return propose_rollback(self.environment, order.action, live.service, answer, back)
        return self._answered(order.service, answer, state, live, evidence)

    async def start(
        self,
        service: str,
        confirmed: Confirmed,
        reason: str,
        *,
        revision: str | None = None,
        retry: bool = False,
        manual: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        """`release start`."""
        order = Start(service, revision, retry, manual)
        return await self.gateway.send(await self.propose(order, reason), confirmed, progress)

    async def promote(
        self,
        service: str,
        confirmed: Confirmed,
        reason: str,
        *,
        to_percent: int | None = None,
        without_evidence: bool = False,
        takeover: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        """`release promote`."""
        order = Promote(service, to_percent, without_evidence, takeover)
        return await self.gateway.send(await self.propose(order, reason), confirmed, progress)

    async def hold(self, service: str, confirmed: Confirmed, reason: str, progress: Progress | None = None) -> Outcome:
        """`release hold`."""
        return await self.gateway.send(await self.propose(Hold(service), reason), confirmed, progress)

    async def resume(
        self, service: str, confirmed: Confirmed, reason: str, *, anew: bool = False, progress: Progress | None = None
    ) -> Outcome:
        """`release resume`."""
        return await self.gateway.send(await self.propose(Resume(service, anew), reason), confirmed, progress)

    async def abort(self, service: str, confirmed: Confirmed, reason: str, progress: Progress | None = None) -> Outcome:
        """`release abort`."""
        return await self.gateway.send(await self.propose(Abort(service), reason), confirmed, progress)

    async def _evidence_for(self, order: Order, state: Intent, live: LiveService) -> Evidence:
        """Gates only where they count; the others need the revisions at most."""
        if isinstance(order, _NEED_EVIDENCE) and isinstance(state, Rollout) and state.active:
            return (await self._gather(live.service, state, live.server_time)).evidence
        read: Reading[tuple[Revision, ...]] = await self._evidence.revisions(
            live.service.name, live.server_time, self._fleet()
        )
        revisions = read.value if read.error is None else None
        schema = None
        if isinstance(order, Start):
            candidate = order.revision or live.service.latest_ready
            schema = await self._evidence.release_schema(live.service, candidate, None, revisions, live.server_time)
        return Evidence(revisions=revisions, schema=schema)

    def _decide(self, order: Order, reason: str, state: Intent, live: LiveService, evidence: Evidence) -> Answer:
        service, now, actor = live.service, live.server_time, self.actor
        match order:
            case Start():
                return self._start(order, reason, state, live, evidence)
            case Promote():
                return orders.promote(
                    state,
                    service,
                    evidence,
                    now,
                    actor,
                    reason,
                    order.to_percent,
                    order.without_evidence,
                    order.takeover,
                )
            case Hold():
                return orders.hold(state, service, now, actor, reason)
            case Resume():
                return orders.resume(state, service, now, actor, reason, order.anew)
            case Abort():
                return orders.abort(state, service, evidence, now, actor, reason)
            case Adopt():
                return orders.adopt(state, service, self.environment.plan, now, actor, reason)
            case Restore():
                return orders.restore(state, service, now, actor, reason)
            case Dismiss():
                return orders.release(state, service, now, actor, reason)

    def _start(self, order: Start, reason: str, state: Intent, live: LiveService, evidence: Evidence) -> Answer:
        planned: RolloutPlan | None = self.environment.plan
        if planned is None:
            where = f"environments.{self.environment.name}.plan"
            return Refused(f"{self.environment.name} has no plan of steps; set {where} in the configuration")
        if evidence.revisions is None:
            return Refused("the revisions could not be read, so nobody knows whether the candidate is ready")
        return orders.start(
            state,
            live.service,
            planned,
            f"{self.environment.name}-canary",
            evidence.revisions,
            live.server_time,
            self.actor,
            reason,
            order.revision,
            order.retry,
            order.manual,
            evidence.schema,
        )

    def _proposal(
        self,
        order: Order,
        reason: str,
        decided: Write,
        state: Intent,
        live: LiveService,
        evidence: Evidence,
        wheel: str | None,
    ) -> Proposal:
        if decided.urgent:
            back = self._back_to(decided.intent.stable, decided.reason, live, evidence)
            rate = self._rate(order.service)
            return propose_rollback(self.environment, order.action, live.service, decided, back, requests_per_s=rate)
        fresh = None
        if isinstance(order, Promote) and isinstance(state, Rollout):
            fresh = _fresh_until(state, live.service, evidence, live.server_time)
        return propose_write(
            self.environment,
            order.action,
            live.service,
            decided,
            requests_per_s=self._rate(order.service),
            fresh_until=fresh,
            wheel=wheel,
            service_accounts=_accounts(decided, live.service, evidence),
            again=lambda then: self._decide(order, reason, intent_of(then.service), then, evidence),
        )

    def _other_at_the_wheel(self, order: Order, state: Intent, live: LiveService, evidence: Evidence) -> str | None:
        """Who else drives and until when: the plan is shown with it, and sent only with the takeover asked for."""
        if not isinstance(order, Promote) or order.takeover or not isinstance(state, Rollout):
            return None
        holder = driving(state, evidence, live.server_time)
        if holder is None or holder.who == self.actor.who:
            return None
        return f"{holder.who} (until {holder.until:%H:%M:%S} UTC)"

    def _back_to(
        self, stable: str, reason: str, live: LiveService, evidence: Evidence, *, counts: bool = True
    ) -> Rollback:
        """A rollback that the reducer or an order decided, as the gateway sends it."""
        target = RollbackTarget(stable, TargetSource.RECORDED, None, None, serves_all=False)
        return Rollback(live.service.name, target, self.actor, reason, evidence.revisions or (), failed=counts)

    def _answered(
        self, service: str, answer: Nothing | Refused, state: Intent, live: LiveService, evidence: Evidence
    ) -> Outcome:
        split = live.service.desired_split()
        if isinstance(answer, Nothing):
            return Outcome(OutcomeKind.ALREADY_DONE, f"{service}: {answer.reason}", service, split, split)
        kind = OutcomeKind.CONFLICT if answer.conflict else OutcomeKind.REFUSED
        if answer.blocked_by and isinstance(state, Rollout) and state.active:
            verdict = step_gates(state, live.service, evidence, live.server_time).verdict
            if verdict is not Verdict.PASS:
                kind = OutcomeKind.GATE_FAIL if verdict is Verdict.FAIL else OutcomeKind.GATE_HOLD
        return Outcome(kind, f"{service}: {answer.reason}", service, split, None, answer.blocked_by)

    def _rate(self, service: str) -> float | None:
        fleet = self._fleet()
        if fleet is None:
            return None
        return service_rates(fleet, service).requests_per_s

    # ----------------------------------------------------------------------------------------------------- driving

    async def tick(self, service: str, progress: Progress | None = None) -> Ticked | Outcome:
        """One look of a driver: read, decide, and write what the reducer decided. An Outcome where nothing was read."""
        view = await self.look(service)
        if isinstance(view, Outcome):
            return view
        decision = view.decision
        if not isinstance(decision, Write):
            return Ticked(view, None)
        live = self.gateway.last_good(service)
        assert live is not None
        if decision.urgent:
            counts = decision.intent.failed != _failed(view.state)
            back = self._back_to(decision.intent.stable, decision.reason, live, view.evidence, counts=counts)
            made = propose_rollback(
                self.environment, WriteAction.ROLLBACK, live.service, decision, back, requests_per_s=self._rate(service)
            )
        else:
            made = propose_write(
                self.environment,
                WriteAction.DRIVE,
                view.service,
                decision,
                requests_per_s=self._rate(service),
                service_accounts=_accounts(decision, view.service, view.evidence),
            )
        return Ticked(view, await self.gateway.send(made, STANDING, progress, wait_s=0))

    async def drive(self, service: str, progress: Progress | None = None) -> Ticked | Outcome:
        """One look with the hands on this service's wheel: as `tick`, with a sign of life beside it while the rollout
        is under way, by which the lease lives on between two transitions (DESIGN §8.5).
        """
        ticked = await self.tick(service, progress)
        if isinstance(ticked, Ticked) and isinstance(ticked.view.state, Rollout) and ticked.view.state.active:
            await self._alive(service, ticked)
        return ticked

    async def run(
        self,
        service: str,
        reason: str,
        *,
        revision: str | None = None,
        retry: bool = False,
        stop_when_held: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        """`release run`: start a rollout where none is under way, and drive it to its end.

        Ends with DONE (100 %, soaked), ROLLED_BACK, or what was in the way. A rollout that is held is watched on, since
        nobody else may be watching; `stop_when_held` ends with GATE_HOLD instead, and leaves it to an agent.
        """
        tell = progress or _nobody_listens
        refused = self.gateway.refusal(WriteAction.DRIVE, service)
        if refused is not None:
            return refused
        begun = await self._begin(service, reason, revision, retry, tell)
        if isinstance(begun, Outcome):
            return begun
        said, failures = "", 0
        while True:
            ticked = await self.drive(service, tell)
            if isinstance(ticked, Outcome):
                failures += 1
                if failures >= UNREACHABLE_LOOKS or ticked.kind is OutcomeKind.REFUSED:
                    return ticked
                tell(ticked.sentence)
            else:
                failures = 0
                ended = _ended(begun, service, ticked, stop_when_held)
                if ended is not None:
                    return ended
                text = _words(service, ticked)
                if text != said:
                    tell(text)
                    said = text
            await self._timing.sleep(max(LEAST_LOOK_S, LOOK_S / max(self._clock.speed, 1e-3)))

    async def _begin(
        self, service: str, reason: str, revision: str | None, retry: bool, tell: Progress
    ) -> str | Outcome:
        """The id of the rollout to drive, started where there is none."""
        try:
            live = await self.gateway.read(service)
        except SourceFailure as failure:
            return failed(RUN, failure, service)
        state = intent_of(live.service)
        candidate = revision or live.service.latest_ready
        if isinstance(state, Rollout) and state.active and _to_drive(state, live.service, candidate):
            if revision is not None and revision != state.canary:
                text = f"{service}: rollout {state.id} of {state.canary} is under way, not of {revision}"
                return Outcome(OutcomeKind.CONFLICT, text, service, live.service.desired_split())
            tell(f"{service}: going on with rollout {state.id}")
            return state.id
        started = await self.start(service, STANDING, reason, revision=revision, retry=retry, progress=tell)
        if not started.good and started.kind is not OutcomeKind.ACCEPTED:
            return started
        try:
            state = intent_of((await self.gateway.read(service)).service)
        except SourceFailure as failure:
            return failed(RUN, failure, service)
        return state.id if isinstance(state, Rollout) else started

    async def _alive(self, service: str, ticked: Ticked) -> None:
        """The driver's sign of life; that it cannot be given stops nothing."""
        if self._beacon is None:
            return
        try:
            await self._beacon.heartbeat(Heartbeat(self.actor.who, ticked.view.now, self.actor.headless, service))
            await self._beacon.overdue(service, overdue_s(ticked.view), ticked.view.now)
        except SourceFailure:
            return


def overdue_s(view: RolloutView) -> float:
    """Seconds past the deadline while a canary has traffic, 0 where in time or none is under way."""
    state = view.state
    if not isinstance(state, Rollout) or not state.active or not view.service.desired_split().get(state.canary):
        return 0.0
    if state.standing in (Phase.PROMOTED, Phase.SOAKING):
        return 0.0
    return max(0.0, (view.now - state.deadline).total_seconds())


def _fresh_until(state: Rollout, service: Service, evidence: Evidence, now: datetime) -> datetime:
    """Until when a promotion may rest on the gates that were read."""
    ends = [
        entry.fresh_until
        for entry in step_gates(state, service, evidence, now).gates
        if entry.fresh_until is not None and entry.name != gate.DWELL
    ]
    return min([*ends, now + QUESTION_FRESH])


def _accounts(decided: Write, service: Service, evidence: Evidence) -> tuple[str, ...]:
    """The identities of the revisions that get traffic they do not have."""
    gaining = {name for name, share in decided.intent.split.items() if share > service.desired_split().get(name, 0)}
    listed = [
        revision.service_account
        for revision in evidence.revisions or ()
        if revision.name in gaining and revision.service_account
    ]
    return tuple(dict.fromkeys(listed))


def _to_drive(state: Rollout, service: Service, candidate: str | None) -> bool:
    """Whether a rollout under way must come to its end first. One of another candidate whose rollback is served, and
    only not recorded as complete, does not stand in the way.
    """
    return candidate == state.canary or concluded(state, service) is state


def _failed(state: Intent) -> tuple[object, ...]:
    return state.failed if isinstance(state, Rollout) else ()


def _ended(begun: str, service: str, ticked: Ticked, stop_when_held: bool) -> Outcome | None:
    """How the rollout that is driven ended, None where it goes on."""
    view = ticked.view
    state = view.state
    split = view.service.desired_split()
    if ticked.outcome is not None:
        if ticked.outcome.kind is OutcomeKind.REFUSED:
            return ticked.outcome
        return None  # the next look tells where that led
    if not isinstance(state, Rollout):
        text = f"{service}: the record of rollout {begun} is gone; traffic is {split}"
        return Outcome(OutcomeKind.CONFLICT, text, service, None, split, page=True)
    if state.id != begun:
        text = f"{service}: rollout {begun} was replaced by {state.id}"
        return Outcome(OutcomeKind.CONFLICT, text, service, None, split, page=True)
    if state.phase is Phase.IDLE:
        text = f"{service}: {state.canary} is released, 100 % and soaked"
        return Outcome(OutcomeKind.DONE, text, service, {state.stable: 100}, split)
    if state.phase in (Phase.ROLLED_BACK, Phase.RELEASED):
        text = f"{service}: rolled back to {state.stable}: {state.reason}"
        return Outcome(
            OutcomeKind.ROLLED_BACK, text, service, None, split, notes=(next_deploy(state.stable),), page=True
        )
    if stop_when_held and isinstance(view.decision, Ask):
        text = f"{service}: {view.decision.question}; it stays as it is until somebody decides"
        return Outcome(OutcomeKind.GATE_HOLD, text, service, split, split, view.decision.blocked_by, page=True)
    return None


def _words(service: str, ticked: Ticked) -> str:
    if ticked.outcome is not None:
        return ticked.outcome.sentence
    decision = ticked.view.decision
    if isinstance(decision, Ask):
        return f"{service}: {decision.question} ({', '.join(decision.ways)})"
    if isinstance(decision, Wait):
        against = f" · {'; '.join(decision.blocked_by)}" if decision.blocked_by else ""
        return f"{service}: {decision.reason}{against}"
    return f"{service}: {decision.reason}"


def _no_fleet() -> Fleet | None:
    return None


def _nobody_listens(text: str) -> None:
    """Where nobody wants to know how far it is."""
