"""What a person may order of a rollout. Each order is a write, is done already, or is refused with the reason.

Rolling back (`records.roll_back`) needs neither plan, gates, metrics nor a lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from brconsole.domain import gates as gate
from brconsole.domain.annotation import Unreadable
from brconsole.domain.decision import Actor, Answer, Evidence, Nothing, Refused, Transition
from brconsole.domain.environment import RolloutPlan
from brconsole.domain.findings import findings, told
from brconsole.domain.intent import (
    AFTER_PROMOTION,
    CANARY_TAG,
    LONGEST_NAME,
    MOST_EXTENSIONS,
    MOST_FAILED,
    PREV_TAG,
    FailedCandidate,
    Intent,
    Phase,
    Rollout,
    dump,
    known_digest,
    known_revision,
    parse,
    plan_id,
    rollout_id,
    to_second,
    traffic_list,
)
from brconsole.domain.judge import Verdict
from brconsole.domain.migration_proof import ReleaseSchema
from brconsole.domain.needs import drifted, driving, dwell_gate, needed_gates
from brconsole.domain.records import (
    advanced,
    driver_of,
    held,
    moved,
    next_percent,
    reason_of,
    rest_of_plan,
    roll_back,
    seq_of,
    settled_record,
    with_soak,
    written,
)
from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget
from brconsole.domain.undo import NoTarget, RollbackTarget, TargetSource, concluded, in_force, rollback_target, serves


def start(
    state: Intent,
    service: Service,
    plan: RolloutPlan,
    plan_name: str,
    revisions: tuple[Revision, ...],
    now: datetime,
    actor: Actor,
    reason: str,
    candidate: str | None = None,
    retry: bool = False,
    manual: bool = False,
    schema: ReleaseSchema | None = None,
) -> Answer:
    """Prepare a rollout: the candidate gets its tag and 0 %, what serves is pinned by its name and tagged `prev`.

    Without a name the candidate is the latest ready revision that does not serve. A rollback that is served but was
    never recorded as complete is no obstacle: the record of the new rollout says so by taking its place.
    """
    state = concluded(state, service)
    if isinstance(state, Rollout) and state.active:
        return Refused(f"rollout {state.id} of {state.canary} is under way ({state.phase.value})")
    if isinstance(state, Unreadable):
        return Refused(f"the record of a rollout cannot be read ({state.reason}): roll back or adopt it first")
    serving = service.desired_split()
    name = candidate or service.latest_ready
    if len(serving) != 1:
        return Refused(f"traffic is split without a rollout ({told(serving)}): roll back or adopt it first")
    (stable,) = serving
    if not serves(service, stable):
        return Refused(f"a change is under way: serving {told(service.serving_split())}")
    if name is None or name == stable:
        return Refused(
            f"no ready revision is newer than {stable}, which serves" if candidate is None else _serves(stable)
        )
    known = {revision.name: revision for revision in revisions}
    if name not in known or known[name].ready is False:
        return Refused(f"{clean(name, 63)} {'is not ready' if name in known else 'does not exist'}")
    failed = state.failed if isinstance(state, Rollout) else ()
    before = state.failed_before(name, known_digest(known[name].digest)) if isinstance(state, Rollout) else None
    if before is not None and not retry:
        same = "" if before.revision == name else f" with the image of {before.revision}"
        return Refused(f"{name}{same} was rolled back before: --retry releases it all the same")
    steps = with_soak(plan.steps)
    intent = Rollout(
        id=rollout_id(service.name, name, now),
        seq=seq_of(state) + 1,
        phase=Phase.PREPARED,
        plan=plan_id(plan_name, steps),
        steps=steps,
        step=0,
        stable=stable,
        canary=name,
        step_started=to_second(now),
        deadline=to_second(now + timedelta(seconds=plan.deadline_s)),
        digest=known_digest(known[name].digest),
        manual=manual,
        sentinel=None if schema is None else schema.sentinel,
        schema=None if schema is None else schema.candidate,
        stable_schema=None if schema is None else schema.stable,
        latest=known_revision(service.latest_created),
        step_gen=service.generation,
        driver=driver_of(actor, now),
        reason=reason_of(reason),
        failed=tuple(entry for entry in failed if entry != before),
    )
    unreadable = parse(dump(intent))
    if isinstance(unreadable, Unreadable):
        return Refused(f"this rollout cannot be recorded: {unreadable.reason}")
    return written(Transition.PREPARE, state, service, intent)


def promote(
    state: Intent,
    service: Service,
    evidence: Evidence,
    now: datetime,
    actor: Actor,
    reason: str,
    to_percent: int | None = None,
    without_evidence: bool = False,
    takeover: bool = False,
) -> Answer:
    """The next step at a person's word, under the same gates as by itself.

    `to_percent` is the share that was asked for; a rollout that has reached it is done already. `without_evidence` goes
    on although samples are missing, after all extensions, and is recorded; nothing else can be overruled.
    """
    if not isinstance(state, Rollout) or not state.forward:
        return Refused("no rollout is under way")
    target = 100 if state.standing in AFTER_PROMOTION else next_percent(state)
    if to_percent is not None and state.percent >= to_percent:
        return Nothing(f"already done: {state.canary} is at {state.percent} %")
    if to_percent is not None and to_percent != target:
        return Refused(f"the next step of {state.id} is {target} %, not {to_percent} %")
    if state.standing is Phase.PROMOTED:
        return Nothing(f"already done: {state.canary} is at 100 %")
    holder = driving(state, evidence, now)
    if holder is not None and holder.who != actor.who and not takeover:
        return Refused(f"{clean(holder.who, LONGEST_NAME)} holds the wheel until {holder.until:%H:%M:%S} UTC")
    blocking = [finding.text for finding in findings(state, service, evidence.revisions, now) if finding.blocks]
    if blocking:
        return Refused("something must be settled first", tuple(blocking))
    needed = [*needed_gates(state, service, evidence, now), *dwell_gate(state, now)]
    lacking = [entry for entry in needed if entry.verdict is not Verdict.PASS]
    exhausted = state.holds >= MOST_EXTENSIONS
    if lacking and not (without_evidence and exhausted and all(entry.needs_evidence for entry in lacking)):
        return Refused("the gates do not pass", gate.blocked_by(lacking))
    told_so = f"promoted without evidence ({lacking[0].evidence}): {reason}" if lacking else reason
    if state.standing is Phase.SOAKING:
        intent = moved(state, service, now, actor, told_so, phase=Phase.IDLE, held=None)
        return written(Transition.FINISH, state, service, intent)
    return advanced(state, service, now, actor, told_so, evidence.schema)


def hold(state: Intent, service: Service, now: datetime, actor: Actor, reason: str) -> Answer:
    """Stop where it is until a person goes on. The watch goes on."""
    if not isinstance(state, Rollout) or not state.forward:
        return Refused("no rollout is under way")
    if state.phase is Phase.HOLDING:
        return Nothing("already done: it is held")
    drift = drifted(state, service)
    return drift or written(Transition.HOLD, state, service, held(state, reason, now, actor, service))


def resume(state: Intent, service: Service, now: datetime, actor: Actor, reason: str, anew: bool = False) -> Answer:
    """Go on where it was held. `anew` starts the step again, with dwell and evidence of its own: a person's way past a
    conviction that only holds, and what happens in any case after all extensions.
    """
    if not isinstance(state, Rollout) or not state.forward:
        return Refused("no rollout is under way")
    if state.phase is not Phase.HOLDING:
        return Nothing("already done: it is not held")
    again = anew or state.holds >= MOST_EXTENSIONS
    clock = {"holds": 0, "step_started": to_second(now)} if again else {}
    intent = moved(state, service, now, actor, reason, phase=state.standing, held=None, **clock)
    return drifted(state, service) or written(Transition.RESUME, state, service, intent)


def abort(state: Intent, service: Service, evidence: Evidence, now: datetime, actor: Actor, reason: str) -> Answer:
    """Return to stable and remember the candidate as failed. Without a rollout there is nothing to abort; one that is
    being rolled back waits to be seen through.
    """
    if not isinstance(state, Rollout) or not state.active:
        return Refused("no rollout is under way; to undo the last release use rollback")
    target = rollback_target(service, state, evidence.history, evidence.revisions)
    if isinstance(target, NoTarget):
        return Refused(target.reason)
    return roll_back(state, service, target, now, actor, reason, evidence.revisions)


def restore(state: Intent, service: Service, now: datetime, actor: Actor, reason: str) -> Answer:
    """Undo somebody else's change: the split that the rollout wants, and the step starts anew."""
    if not isinstance(state, Rollout) or not state.active:
        return Refused("no rollout is under way")
    if drifted(state, service) is None:
        return Nothing("already done: traffic is as the rollout wants it")
    intent = moved(state, service, now, actor, reason, step_started=to_second(now))
    return written(Transition.RESTORE, state, service, intent)


def adopt(
    state: Intent, service: Service, plan: RolloutPlan | None, now: datetime, actor: Actor, reason: str
) -> Answer:
    """Take the present split for what is wanted and hold there: after a change by hand, or where the record is lost.

    The arms must be those of the rollout, or those tagged `prev` and `canary` where there is no record.
    """
    split = service.desired_split()
    record = state if isinstance(state, Rollout) and state.active else None
    if record is None and len(split) == 1:
        if isinstance(state, Unreadable):
            return written(Transition.ADOPT, state, service, settled_record(state, service, now, actor, reason))
        return Refused(f"there is nothing to adopt: {told(split)}")
    tags = {target.tag: target.revision for target in service.desired if target.tag}
    stable = record.stable if record is not None else tags.get(PREV_TAG)
    canary = record.canary if record is not None else tags.get(CANARY_TAG)
    if not split or stable is None or canary is None or stable == canary or not set(split) <= {stable, canary}:
        return Refused(f"{told(split)} are not the arms of a rollout: roll back, or shift the traffic by hand")
    if record is not None and drifted(record, service) is None:
        return Nothing("already done: traffic is as the rollout wants it")
    percent = split.get(canary, 0)
    if percent == 0:
        target = RollbackTarget(stable, TargetSource.RECORDED, None, None, serves_all=False)
        return roll_back(state, service, target, now, actor, reason)
    steps, deadline_s = rest_of_plan(record, plan, percent)
    moment = to_second(now)
    standing = Phase.SOAKING if percent == 100 else Phase.OBSERVING
    intent = Rollout(
        id=record.id if record is not None else rollout_id(service.name, canary, now),
        seq=seq_of(state) + 1,
        phase=Phase.HOLDING,
        plan=plan_id("adopted", steps),
        steps=steps,
        step=0,
        stable=stable,
        canary=canary,
        step_started=moment,
        deadline=record.deadline if record is not None else moment + timedelta(seconds=deadline_s),
        held=standing,
        digest=record.digest if record is not None else None,
        sentinel=record.sentinel if record is not None else None,
        schema=record.schema if record is not None else None,
        stable_schema=record.stable_schema if record is not None else None,
        manual=True,
        latest=known_revision(service.latest_created),
        step_gen=service.generation,
        driver=driver_of(actor, now),
        reason=reason_of(reason),
        failed=state.failed if isinstance(state, Rollout) else (),
    )
    return written(Transition.ADOPT, state, service, intent)


def release(state: Intent, service: Service, now: datetime, actor: Actor, reason: str) -> Answer:
    """Settle a rolled-back or pinned service: the newest revision is not wanted, the next deploy still gets 0 %."""
    state = concluded(state, service)
    if isinstance(state, Rollout) and state.active:
        return Refused(f"rollout {state.id} is under way ({state.phase.value})")
    split = service.desired_split()
    newest = service.latest_ready
    if len(split) != 1:
        return Refused(f"traffic is split without a rollout ({told(split)}): roll back or adopt it first")
    (serving,) = split
    rolled_back = isinstance(state, Rollout) and state.phase is Phase.ROLLED_BACK
    if not rolled_back and (newest is None or newest == serving):
        return Refused(f"no ready revision is newer than {serving}, which serves")
    if not isinstance(state, Rollout) or not in_force(state, service):
        return written(Transition.RELEASE, state, service, settled_record(state, service, now, actor, reason))
    known = state.failed
    if newest is not None and newest != serving and not state.failed_before(newest, None):
        known = (*known, FailedCandidate(newest, None))[-MOST_FAILED:]
    # After a release the record keeps naming the undo target; after a rollback there is none any more.
    phase = Phase.IDLE if state.phase is Phase.IDLE else Phase.RELEASED
    if phase is state.phase and known == state.failed:
        return Nothing(f"already done: {newest} is marked as not wanted")
    intent = moved(state, service, now, actor, reason, phase=phase, failed=known)
    return written(Transition.RELEASE, state, service, intent)


def shift(state: Intent, service: Service, split: Mapping[str, int]) -> tuple[TrafficTarget, ...] | Refused:
    """The whole traffic list of any split by hand. Refused during a rollout that is neither held nor ended."""
    if isinstance(state, Rollout) and state.active and state.phase is not Phase.HOLDING:
        return Refused(f"rollout {state.id} is under way ({state.phase.value}): hold or abort it first")
    if sum(split.values()) != 100 or any(share < 0 for share in split.values()):
        return Refused(f"percents must be 0 to 100 and sum to 100, not {sum(split.values())}")
    return traffic_list(service.desired, split, {}, frozenset())


def _serves(revision: str) -> str:
    return f"{revision} serves already"
