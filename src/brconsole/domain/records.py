"""The records and writes that transitions end in; a write is always the whole traffic list with the whole record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from brconsole.domain.decision import Actor, Nothing, Transition, Wait, Write
from brconsole.domain.environment import PlanStep, RolloutPlan
from brconsole.domain.findings import settled, told
from brconsole.domain.intent import (
    ANNOTATION,
    BEFORE_TRAFFIC,
    ENDED,
    LONGEST_NAME,
    LONGEST_REASON,
    MOST_FAILED,
    OUR_TAGS,
    UNKNOWN_REVISION,
    Driver,
    FailedCandidate,
    Intent,
    Phase,
    Rollout,
    dump,
    known_digest,
    known_revision,
    plan_id,
    rollout_id,
    to_second,
    traffic_list,
)
from brconsole.domain.migration_proof import ReleaseSchema
from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean
from brconsole.domain.undo import RollbackTarget, in_force, serves

LEASE = timedelta(seconds=90)
"""Who drives and is silent for so long may be replaced (advisory)."""
DEFAULT_SOAK_S = 900
"""A promoted canary is watched so long where the plan's last step has no dwell."""
DEFAULT_DEADLINE_S = 4 * 3600
"""The deadline of an adopted rollout where the environment has no plan."""


def roll_back(
    state: Intent,
    service: Service,
    target: RollbackTarget,
    now: datetime,
    actor: Actor,
    reason: str,
    revisions: Iterable[Revision] | None = None,
    failed: bool = True,
) -> Nothing | Wait | Write:
    """All traffic to the target, in every state. A second time there is nothing to ask for: it is done already, or it
    waits to be served and recorded as complete.

    `failed` remembers what was rolled back, so that nobody tries it again by accident.
    """
    record = state if isinstance(state, Rollout) else None
    ended = record is None or record.phase in ENDED
    if target.serves_all and ended and serves(service, target.revision):
        return Nothing(f"already done: {target.revision} gets 100 %")
    if target.serves_all and (ended or _asked_already(record, target)):
        left = "recorded as complete" if settled(service) else f"served: {told(service.serving_split())} now"
        return Wait(now, f"asked for already: {target.revision} gets 100 %, and it is not yet {left}")
    undone = _undone(record, service, target.revision)
    digests = {revision.name: revision.digest for revision in revisions or ()}
    recorded = record.digest if record is not None and record.canary == undone else None
    digest = known_digest(digests.get(undone)) or recorded
    known = record.failed if record is not None else ()
    if failed and undone != UNKNOWN_REVISION and FailedCandidate(undone, digest) not in known:
        known = (*known, FailedCandidate(undone, digest))[-MOST_FAILED:]
    moment = to_second(now)
    same = record is not None and in_force(record, service)
    steps = record.steps if record is not None and same else (PlanStep(100),)
    intent = Rollout(
        id=record.id if record is not None and same else rollout_id(service.name, undone, now),
        seq=seq_of(state) + 1,
        phase=Phase.ROLLING_BACK,
        plan=record.plan if record is not None and same else plan_id("rollback", steps),
        steps=steps,
        step=record.step if record is not None and same else 0,
        stable=target.revision,
        canary=undone,
        step_started=moment,
        deadline=record.deadline if record is not None and same else moment,
        digest=digest,
        latest=known_revision(service.latest_created),
        step_gen=service.generation,
        driver=driver_of(actor, now),
        sentinel=record.sentinel if record is not None and same else None,
        schema=record.schema if record is not None and same and record.canary == undone else None,
        stable_schema=record.stable_schema
        if record is not None and same and record.stable == target.revision
        else None,
        reason=reason_of(reason),
        failed=known,
    )
    return written(Transition.ROLL_BACK, state, service, intent)


def advanced(
    state: Rollout, service: Service, now: datetime, actor: Actor, reason: str, schema: ReleaseSchema | None = None
) -> Write:
    """The write to the next step: the first share, a larger one, or everything. What was learned of the schemas since
    the start is written down with it.
    """
    known = schema or ReleaseSchema()
    step = 0 if state.standing in BEFORE_TRAFFIC else state.step + 1
    last = state.steps[step].percent == 100
    intent = moved(
        state,
        service,
        now,
        actor,
        reason,
        phase=Phase.PROMOTED if last else Phase.OBSERVING,
        held=None,
        step=step,
        holds=0,
        step_started=to_second(now),
        schema=state.schema or known.candidate,
        stable_schema=state.stable_schema or known.stable,
        sentinel=known.sentinel or state.sentinel,
    )
    return written(Transition.OBSERVE if step == 0 and not last else Transition.PROMOTE, state, service, intent)


def held(state: Rollout, reason: str, now: datetime, actor: Actor, service: Service) -> Rollout:
    """The record of a hold, which keeps the share and remembers what it interrupts."""
    return moved(state, service, now, actor, reason, phase=Phase.HOLDING, held=state.standing)


def moved(state: Rollout, service: Service, now: datetime, actor: Actor, reason: str, **changes: Any) -> Rollout:
    """The next record: one number on, with who, why and when, and whatever else changes."""
    return replace(
        state,
        seq=state.seq + 1,
        step_gen=service.generation,
        driver=driver_of(actor, now),
        reason=reason_of(reason),
        **changes,
    )


def written(transition: Transition, state: Intent, service: Service, intent: Rollout) -> Write:
    """The write of a record: its split and tags with everybody else's tags and annotations kept."""
    ours = frozenset(intent.tags) if not isinstance(state, Rollout) else OUR_TAGS
    if intent.phase is Phase.RELEASED:
        ours = frozenset()
    return Write(
        transition,
        traffic_list(service.desired, intent.split, intent.tags, ours),
        {**service.annotations, ANNOTATION: dump(intent)},
        intent,
        intent.reason,
        service.annotations.get(ANNOTATION),
        service.desired_split(),
    )


def settled_record(state: Intent, service: Service, now: datetime, actor: Actor, reason: str) -> Rollout:
    """The record of a service that stays with the one revision it serves, whatever was recorded before."""
    (serving,) = service.desired_split()
    newest = service.latest_ready
    failed = state.failed if isinstance(state, Rollout) else ()
    unwanted = newest if newest is not None and newest != serving else None
    if unwanted is not None and unwanted not in {known.revision for known in failed}:
        failed = (*failed, FailedCandidate(unwanted, None))[-MOST_FAILED:]
    steps = (PlanStep(100),)
    moment = to_second(now)
    return Rollout(
        id=rollout_id(service.name, serving, now),
        seq=seq_of(state) + 1,
        phase=Phase.RELEASED,
        plan=plan_id("released", steps),
        steps=steps,
        step=0,
        stable=serving,
        canary=unwanted or UNKNOWN_REVISION,
        step_started=moment,
        deadline=moment,
        latest=known_revision(service.latest_created),
        step_gen=service.generation,
        driver=driver_of(actor, now),
        reason=reason_of(reason),
        failed=failed,
    )


def rest_of_plan(record: Rollout | None, plan: RolloutPlan | None, percent: int) -> tuple[tuple[PlanStep, ...], int]:
    """The steps from an adopted share on, and the seconds until the deadline."""
    planned = with_soak(record.steps if record is not None else plan.steps if plan is not None else (PlanStep(100),))
    dwells_s = [step.dwell_s for step in planned if step.percent >= percent]
    later = tuple(step for step in planned if step.percent > percent)
    return (PlanStep(percent, dwells_s[0]), *later), plan.deadline_s if plan is not None else DEFAULT_DEADLINE_S


def with_soak(steps: tuple[PlanStep, ...]) -> tuple[PlanStep, ...]:
    """The steps of a plan whose last one says how long a promoted canary is watched."""
    return (*steps[:-1], replace(steps[-1], dwell_s=steps[-1].dwell_s or DEFAULT_SOAK_S))


def next_percent(state: Rollout) -> int:
    """The share after the next promotion."""
    return state.steps[0 if state.standing in BEFORE_TRAFFIC else min(state.step + 1, len(state.steps) - 1)].percent


def seq_of(state: Intent) -> int:
    """The sequence number that a record goes on from."""
    return state.seq if isinstance(state, Rollout) else 0


def driver_of(actor: Actor, now: datetime) -> Driver:
    """Who made a transition, with the lease that it takes."""
    return Driver(clean(actor.who, LONGEST_NAME), to_second(now) + LEASE, actor.headless)


def reason_of(text: str) -> str:
    """A reason as the record can hold it."""
    return clean(text, LONGEST_REASON)


def _asked_already(record: Rollout | None, target: RollbackTarget) -> bool:
    return record is not None and record.phase is Phase.ROLLING_BACK and record.stable == target.revision


def _undone(record: Rollout | None, service: Service, target: str) -> str:
    """What a rollback takes the traffic from."""
    split = service.desired_split()
    arms = [name for name in sorted(split, key=lambda name: (-split[name], name)) if name != target]
    recorded = [record.canary, record.stable] if record is not None else []
    if record is not None and record.active:
        arms = [*recorded, *arms]
    newest = [name for name in (service.latest_created, service.latest_ready) if name is not None]
    known = [name for name in (*arms, *recorded, *newest) if name != target]
    return known[0] if known else UNKNOWN_REVISION
