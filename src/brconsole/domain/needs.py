"""What a step needs before the next one: its gates as they count now, its dwell, nobody else at the wheel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from brconsole.domain import gates as gate
from brconsole.domain import traffic
from brconsole.domain.decision import Evidence, Heartbeat, Refused
from brconsole.domain.findings import carries_latest, told
from brconsole.domain.gates import Gate, Gates
from brconsole.domain.intent import AFTER_PROMOTION, BEFORE_TRAFFIC, Driver, Phase, Rollout
from brconsole.domain.judge import Verdict
from brconsole.domain.records import LEASE
from brconsole.domain.service import Service


def step_gates(state: Rollout, service: Service, evidence: Evidence, now: datetime) -> Gates:
    """The gates of the present step as they count now, with the dwell, for whoever shows them."""
    return Gates((*needed_gates(state, service, evidence, now), *dwell_gate(state, now)))


def evidence_since(state: Rollout) -> datetime:
    """From when on the canary is judged: the start of the step, so that no step lives on another's requests."""
    return state.step_started


def driving(state: Rollout, evidence: Evidence, now: datetime) -> Driver | None:
    """Who holds the wheel at `now`, from the heartbeat or the last transition, whichever speaks of later."""
    beat = evidence.heartbeat
    known = [state.driver] if state.driver is not None else []
    if beat is not None:
        known.append(Driver(beat.who, beat.at + LEASE, beat.headless))
    held = [driver for driver in known if now < driver.until <= now + 2 * LEASE]  # nobody holds it for a year
    return max(held, key=lambda driver: driver.until) if held else None


def sign_of_life(state: Rollout, service: str, beats: Iterable[Heartbeat], now: datetime) -> Heartbeat | None:
    """Which of all heartbeats counts for a rollout: its own driver's. Where that one is silent and its lease is over,
    the console's or pipeline's that has taken the wheel of this service, although no transition says so yet.
    """
    driver = state.driver
    listed = sorted((beat for beat in beats if beat.service in (None, service)), key=lambda beat: beat.at)
    own = [beat for beat in listed if driver is not None and beat.who == driver.who]
    alive = driver is not None and (now < driver.until or (bool(own) and now < own[-1].at + LEASE))
    counted = own if alive else [beat for beat in listed if beat.service == service] or own
    return counted[-1] if counted else None


def needed_gates(state: Rollout, service: Service, evidence: Evidence, now: datetime) -> tuple[Gate, ...]:
    """The gates that this step needs, as they count now. One that was not evaluated for this step holds."""
    names = set(gate.EVERYWHERE)
    if state.standing not in BEFORE_TRAFFIC:
        names |= {gate.JOBS} if service.is_worker else {gate.ERRORS, gate.LATENCY}
    if state.standing in AFTER_PROMOTION:
        names &= gate.NEED_TRAFFIC  # nothing is promoted any more: only the watch counts
    if evidence.seq != state.seq:
        return tuple(Gate(name, Verdict.HOLD, "not evaluated for this step yet", None) for name in sorted(names))
    counted = tuple(entry.at(now) for entry in evidence.gates if entry.name in names)
    absent = names - {entry.name for entry in counted}
    return (*counted, *(Gate(name, Verdict.HOLD, "not evaluated", None) for name in sorted(absent)))


def dwell_gate(state: Rollout, now: datetime) -> tuple[Gate, ...]:
    """The dwell of the present step as a gate; none before there is traffic, and none after an end."""
    if state.standing in BEFORE_TRAFFIC or state.standing is Phase.PROMOTED or not state.forward:
        return ()
    return (gate.dwell(state.step_started, state.steps[state.step].dwell_s, state.holds, now),)


def step_ends(state: Rollout) -> datetime:
    """When the step has been observed for long enough, extensions included."""
    if state.standing in BEFORE_TRAFFIC:
        return state.step_started
    return gate.dwell_ends(state.step_started, state.steps[state.step].dwell_s, state.holds)


def against(state: Rollout, service: Service, evidence: Evidence, now: datetime) -> tuple[str, ...]:
    """What stands against the next step, dwell included."""
    return gate.blocked_by((*needed_gates(state, service, evidence, now), *dwell_gate(state, now)))


def drifted(state: Rollout, service: Service) -> Refused | None:
    """The refusal that a change by another hand brings, None where traffic is as the rollout wants it."""
    desired = service.desired_split()
    if not traffic.differs(desired, state.split) and not carries_latest(service):
        return None
    text = f"the rollout wants {told(state.split)}, the service {told(desired)}: adopt it, restore it or roll back"
    return Refused(text, conflict=True)
