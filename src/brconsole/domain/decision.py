"""What may be decided of a rollout: the values that the reducer and a person's orders end in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from brconsole.domain import traffic
from brconsole.domain.findings import WayOut, carries_latest
from brconsole.domain.gates import Gate
from brconsole.domain.intent import ANNOTATION, Phase, Rollout, intent_of
from brconsole.domain.migration_proof import ReleaseSchema
from brconsole.domain.service import Revision, Service
from brconsole.domain.traffic import TrafficTarget


@dataclass(frozen=True, slots=True)
class Actor:
    """Who decides: a person at a console, or an agent or pipeline."""

    who: str
    headless: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life of a driver, from beside the service (a metric or an object)."""

    who: str
    at: datetime
    headless: bool = False
    service: str | None = None
    """The service whose wheel is held; None is an agent's, which looks after all of them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known besides the service. None is "could not be read", and holds whatever needs it."""

    seq: int | None = None
    """The record's sequence number for which the gates were evaluated; gates of an earlier step say nothing."""
    gates: tuple[Gate, ...] = ()
    revisions: tuple[Revision, ...] | None = None
    history: tuple[str, ...] | None = None
    """The revisions that served 100 %, newest first."""
    heartbeat: Heartbeat | None = None
    """The one that counts for this rollout (`needs.sign_of_life`)."""
    on_deadline: Literal["stable", "hold"] = "stable"
    schema: ReleaseSchema | None = None
    """What the arms of the release can read of the database; None where it was not asked or has no migrations."""


class Transition(StrEnum):
    """What a write does."""

    PREPARE = "prepare"
    OBSERVE = "observe"
    PROMOTE = "promote"
    EXTEND = "extend"
    HOLD = "hold"
    RESUME = "resume"
    SOAK = "soak"
    FINISH = "finish"
    ROLL_BACK = "roll back"
    ROLLED_BACK = "rolled back"
    RELEASE = "release"
    ADOPT = "adopt"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at `until`; `blocked_by` is what stands against the next step."""

    until: datetime
    reason: str
    blocked_by: tuple[str, ...] = ()
    page: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must choose. The watch goes on meanwhile."""

    question: str
    ways: tuple[WayOut, ...]
    blocked_by: tuple[str, ...] = ()
    page: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for is not done, and why; `conflict` says that the world changed since it was asked."""

    reason: str
    blocked_by: tuple[str, ...] = ()
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One conditional write: the whole traffic list and all annotations in one request."""

    transition: Transition
    traffic: tuple[TrafficTarget, ...]
    annotations: Mapping[str, str] = field(hash=False)
    intent: Rollout
    reason: str
    base_annotation: str | None
    """The record's text as read, None where there was none; the write is refused when the live one differs."""
    base_split: Mapping[str, int] = field(hash=False)
    page: bool = False

    @property
    def urgent(self) -> bool:
        """Whether it is a rollback, which no lease, gate or staleness stops and which wins over a forward move."""
        return self.transition is Transition.ROLL_BACK


Decision = Nothing | Wait | Ask | Write
Answer = Nothing | Refused | Wait | Write
"""What becomes of an order. Only a rollback waits: it was ordered before, and is to be seen through to its end."""


class Settled(StrEnum):
    """How the live service stands to a write that was decided, sent or lost."""

    OPEN = "open"
    """Nothing changed since it was decided: it may be sent."""
    DONE = "done"
    """Its target is reached, by this write or by another's."""
    LOST = "lost"
    """Somebody else wrote something else: decide anew (a rollback) or refuse (anything else)."""


def settle(write: Write, live: Service) -> Settled:
    """How a fresh read stands to a write: may it be sent, is it done, or did somebody else write something else?"""
    state = intent_of(live)
    split = live.desired_split()
    arrived = not traffic.differs(split, write.intent.split) and not carries_latest(live)
    if arrived and isinstance(state, Rollout) and _same_place(state, write):
        return Settled.DONE
    if live.annotations.get(ANNOTATION) == write.base_annotation and not traffic.differs(split, write.base_split):
        return Settled.OPEN
    return Settled.LOST


def _same_place(state: Rollout, write: Write) -> bool:
    """Whether a live record stands where a write leads, whoever wrote it."""
    wanted = write.intent
    if write.urgent:
        return state.stable == wanted.stable and state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    return state.id == wanted.id and (state.phase, state.held, state.step, state.holds) == (
        wanted.phase,
        wanted.held,
        wanted.step,
        wanted.holds,
    )
