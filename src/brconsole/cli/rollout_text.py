"""A rollout's record in one sentence, as the snapshots and `release status` tell it."""

from __future__ import annotations

from collections.abc import Iterator

from brconsole.domain.annotation import Unreadable
from brconsole.domain.fleet import Fleet
from brconsole.domain.intent import Rollout, intent_of
from brconsole.domain.text import clean


def sentence(state: Rollout) -> str:
    """Where it stands."""
    phase = state.phase.value.replace("_", " ")
    if not state.active:
        return f"{state.id} ended: {phase}"
    plan = " → ".join(f"{step.percent} %" for step in state.steps)
    return (
        f"{state.id} {phase}, {state.canary} at {state.percent} %, step {state.step + 1} of {len(state.steps)} "
        f"({plan}), deadline {state.deadline:%Y-%m-%d %H:%M} UTC"
    )


def of(fleet: Fleet, only: str | None = None) -> Iterator[tuple[str, str]]:
    """The rollouts under way, and the records that cannot be read, by service."""
    for service in fleet.services.value or ():
        state = intent_of(service)
        if only not in (None, service.name):
            continue
        if isinstance(state, Rollout) and state.active:
            yield service.name, sentence(state)
        elif isinstance(state, Unreadable):
            yield service.name, f"the record of a rollout cannot be read: {clean(state.reason, 200)}"
