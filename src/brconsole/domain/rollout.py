"""The pure reducer of a rollout: from the record, the service and the evidence to the one thing to do next.

Two consoles that see the same decide the same; the one whose write comes second finds it done. What a person may order
stands in `orders`, how rolling back works in `undo` and `records`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from brconsole.domain import gates as gate
from brconsole.domain import traffic
from brconsole.domain.decision import Actor, Ask, Decision, Evidence, Nothing, Transition, Wait, Write
from brconsole.domain.findings import Finding, FindingKind, WayOut, carries_latest, findings, told
from brconsole.domain.intent import (
    AFTER_PROMOTION,
    BEFORE_TRAFFIC,
    LONGEST_NAME,
    MOST_EXTENSIONS,
    Intent,
    Phase,
    Rollout,
)
from brconsole.domain.judge import Verdict
from brconsole.domain.needs import against, drifted, driving, needed_gates, step_ends
from brconsole.domain.records import advanced, held, moved, next_percent, roll_back, written
from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.domain.undo import NoTarget, rollback_target, served

LOOK_AGAIN = timedelta(seconds=60)
"""What blocks without an end of its own is looked at again then; metrics are per minute."""


def next(  # noqa: A001  the reducer's name in the design; the builtin is not used here
    state: Intent, service: Service, evidence: Evidence, now: datetime, actor: Actor
) -> Decision:
    """The one thing to do next. Rolling back comes before everything, whatever blocks the way forward."""
    found = findings(state, service, evidence.revisions, now)
    if not isinstance(state, Rollout) or not state.active:
        return _without_rollout(state, service, found, now)
    if state.phase is Phase.ROLLING_BACK:
        return _finish_rollback(state, service, found, now, actor)
    danger = _danger(state, service, evidence, found)
    if danger is not None:
        return _rolled_back_by_itself(state, service, evidence, now, actor, danger, failed=True)
    overdue = _overdue(state, service, evidence, now, actor)
    if overdue is not None:
        return overdue
    blocking = [finding for finding in found if finding.blocks]
    if blocking:
        return _blocked(blocking, now)
    if state.phase is Phase.HOLDING:
        ways = (WayOut.RESUME, WayOut.PROMOTE, WayOut.ABORT)
        return Ask(f"held: {state.reason}", ways, against(state, service, evidence, now))
    paging = [
        entry for entry in needed_gates(state, service, evidence, now) if entry.page and entry.name in gate.NEED_TRAFFIC
    ]
    if paging and state.phase not in BEFORE_TRAFFIC:
        return replace(
            written(Transition.HOLD, state, service, held(state, paging[0].evidence, now, actor, service)), page=True
        )
    return _go_on(state, service, evidence, now, actor)


def _without_rollout(state: Intent, service: Service, found: Iterable[Finding], now: datetime) -> Decision:
    blocking = [finding for finding in found if finding.kind in (FindingKind.ORPHAN, FindingKind.UNREADABLE)]
    if blocking:
        return _blocked(blocking, now)
    phase = state.phase.value if isinstance(state, Rollout) else Phase.IDLE.value
    return Nothing(f"no rollout is under way ({phase}); {told(service.desired_split())}")


def _finish_rollback(
    state: Rollout, service: Service, found: Iterable[Finding], now: datetime, actor: Actor
) -> Decision:
    if traffic.differs(service.desired_split(), state.split) or carries_latest(service):
        reason = f"somebody moved traffic during the rollback: {state.reason}"
        return written(Transition.ROLL_BACK, state, service, moved(state, service, now, actor, reason))
    if served(state, service):
        intent = moved(state, service, now, actor, state.reason, phase=Phase.ROLLED_BACK)
        return written(Transition.ROLLED_BACK, state, service, intent)
    return _blocked([finding for finding in found if finding.blocks], now)


def _danger(state: Rollout, service: Service, evidence: Evidence, found: Iterable[Finding]) -> str | None:
    """Why the canary must go now, None where it need not."""
    kinds = {finding.kind: finding for finding in found}
    share = max(service.desired_split().get(state.canary, 0), service.serving_split().get(state.canary, 0))
    if not share and FindingKind.DRIFT in kinds:
        return None  # a person took the canary out already, and the split is theirs
    if FindingKind.CANARY_DIED in kinds:
        return kinds[FindingKind.CANARY_DIED].text
    if evidence.seq != state.seq:
        return None
    failing = [entry for entry in evidence.gates if entry.verdict is Verdict.FAIL]
    return "; ".join(gate.blocked_by(failing)) if failing else None


def _rolled_back_by_itself(
    state: Rollout, service: Service, evidence: Evidence, now: datetime, actor: Actor, reason: str, failed: bool
) -> Decision:
    target = rollback_target(service, state, evidence.history, evidence.revisions)
    if isinstance(target, NoTarget):
        choices = f"; ready are: {', '.join(target.choices)}" if target.choices else ""
        return Ask(f"rollback needed, and no target: {reason}", (WayOut.NAME_TARGET,), (target.reason + choices,), True)
    decision = roll_back(state, service, target, now, actor, reason, evidence.revisions, failed)
    return replace(decision, page=True) if isinstance(decision, Write) else decision


def _overdue(state: Rollout, service: Service, evidence: Evidence, now: datetime, actor: Actor) -> Decision | None:
    """What the deadline asks for; a promoted canary has none, its soak ends by itself."""
    if now < state.deadline or state.standing in AFTER_PROMOTION:
        return None
    reason = f"the deadline {state.deadline:%Y-%m-%d %H:%M} UTC passed at {state.percent} %"
    if drifted(state, service) is not None:
        return None
    holder = driving(state, evidence, now)
    if holder is not None and not holder.headless:
        ways = (WayOut.PROMOTE, WayOut.ABORT)
        return Ask(f"{reason}, {clean(holder.who, LONGEST_NAME)} drives", ways, page=True)
    if evidence.on_deadline == "stable":
        return _rolled_back_by_itself(state, service, evidence, now, actor, reason, failed=False)
    if state.phase is Phase.HOLDING:
        return Ask(reason, (WayOut.RESUME, WayOut.PROMOTE, WayOut.ABORT), page=True)
    return replace(written(Transition.HOLD, state, service, held(state, reason, now, actor, service)), page=True)


def _blocked(blocking: list[Finding], now: datetime) -> Wait | Ask:
    texts = tuple(finding.text for finding in blocking)
    if all(finding.kind is FindingKind.RECONCILING for finding in blocking):
        return Wait(now + timedelta(seconds=5), "a change is under way", texts)
    worst = [finding for finding in blocking if finding.kind is not FindingKind.RECONCILING]
    ways = tuple(dict.fromkeys(way for finding in worst for way in finding.ways))
    return Ask(f"{worst[0].kind.value}: {worst[0].text}", ways, texts, page=worst[0].kind in _PAGING)


_PAGING = frozenset({FindingKind.STUCK, FindingKind.STABLE_MISSING})


def _go_on(state: Rollout, service: Service, evidence: Evidence, now: datetime, actor: Actor) -> Decision:
    """The way forward, when nothing is in the way but time, gates and whoever drives."""
    if state.phase is Phase.PROMOTED:
        reason = f"{state.canary} serves 100 %"
        return written(Transition.SOAK, state, service, moved(state, service, now, actor, reason, phase=Phase.SOAKING))
    ends = step_ends(state)
    needed = needed_gates(state, service, evidence, now)
    if now < ends:
        return Wait(ends, f"{_dwell_word(state)} until {ends:%H:%M:%S} UTC", gate.blocked_by(needed))
    lacking = [entry for entry in needed if entry.verdict is not Verdict.PASS]
    samples_only = bool(lacking) and all(entry.needs_evidence for entry in lacking)
    soaked = state.phase is Phase.SOAKING and (samples_only or not lacking)
    if lacking and not samples_only:
        page = any(entry.page for entry in lacking)
        return Wait(now + LOOK_AGAIN, "the gates do not pass", gate.blocked_by(lacking), page)
    holder = driving(state, evidence, now)
    if holder is not None and holder.who != actor.who:
        who = clean(holder.who, LONGEST_NAME)
        return Wait(holder.until, f"{who} holds the wheel until {holder.until:%H:%M:%S} UTC")
    if soaked:
        reason = "soaked without a conviction"
        return written(Transition.FINISH, state, service, moved(state, service, now, actor, reason, phase=Phase.IDLE))
    if lacking:
        return _extended(state, service, lacking[0].evidence, now, actor)
    if state.manual:
        return Ask(
            f"the gates pass: promote {state.canary} to {next_percent(state)} %?", (WayOut.PROMOTE, WayOut.ABORT)
        )
    reason = f"gates pass, k={state.holds}" if state.phase is Phase.OBSERVING else "gates pass before the first step"
    return advanced(state, service, now, actor, reason, evidence.schema)


def _extended(state: Rollout, service: Service, lack: str, now: datetime, actor: Actor) -> Write:
    """One extension more, and a person's turn after the last of them."""
    if state.holds < MOST_EXTENSIONS:
        number = state.holds + 1
        reason = f"extension {number} of {MOST_EXTENSIONS}: {lack}"
        return written(Transition.EXTEND, state, service, moved(state, service, now, actor, reason, holds=number))
    reason = f"not enough evidence after {MOST_EXTENSIONS} extensions: {lack}"
    return replace(written(Transition.HOLD, state, service, held(state, reason, now, actor, service)), page=True)


def _dwell_word(state: Rollout) -> str:
    return "soaks" if state.phase is Phase.SOAKING else f"dwells at {state.percent} %"
