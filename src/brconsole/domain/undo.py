"""Where a rollback goes, whether it can, and when it is done.

The target is the recorded stable, else the tag `prev`, else the last revision that served everything; never simply the
second newest one, which may have failed before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from brconsole.domain import traffic
from brconsole.domain.findings import carries_latest, settled, told
from brconsole.domain.intent import PREV_TAG, Intent, Phase, Rollout, intent_of
from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean


class TargetSource(StrEnum):
    """Why a revision is the target."""

    NAMED = "named by a person"
    RECORDED = "the recorded stable"
    TAG = "tagged prev"
    HISTORY = "the last that served 100 %"


@dataclass(frozen=True, slots=True)
class RollbackTarget:
    """The revision to return to. `exists` and `ready` are None where the revisions were not read."""

    revision: str
    source: TargetSource
    exists: bool | None
    ready: bool | None
    serves_all: bool
    """Whether all traffic is asked to go there already."""
    skipped: tuple[str, ...] = ()
    """Why better sources were passed over."""


@dataclass(frozen=True, slots=True)
class NoTarget:
    """Nothing to return to by itself; `choices` are the ready revisions that a person may name, newest first."""

    reason: str
    choices: tuple[str, ...]


def rollback_target(
    service: Service,
    intent: Intent,
    history: Sequence[str] | None,
    revisions: Sequence[Revision] | None,
    named: str | None = None,
) -> RollbackTarget | NoTarget:
    """Find the target from what is known; `history` are the revisions that served 100 %, newest first, None where it
    could not be read. Nothing but the service itself is needed.
    """
    known = None if revisions is None else {revision.name: revision for revision in revisions}
    desired = service.desired_split()
    skipped: list[str] = []
    for revision, source in _candidates(service, intent, history, named):
        found = None if known is None else known.get(revision)
        if known is not None and found is None:
            skipped.append(f"{clean(revision, 63)} ({source.value}) does not exist any more")
        elif found is not None and found.ready is False and source is not TargetSource.NAMED:
            skipped.append(f"{revision} ({source.value}) is not ready")
        else:
            serves_all = desired == {revision: 100} and not carries_latest(service)
            ready = None if found is None else found.ready
            exists = None if known is None else True
            return RollbackTarget(revision, source, exists, ready, serves_all, tuple(skipped))
    choices = tuple(
        revision.name for revision in revisions or () if revision.ready and desired.get(revision.name, 0) != 100
    )
    why = (
        "; ".join(skipped) or "no rollout is recorded, nothing is tagged prev, and no history of full traffic is known"
    )
    return NoTarget(why, choices)


def in_force(intent: Rollout, service: Service) -> bool:
    """Whether a record still speaks of the service: an ended rollout does as long as its outcome is what is wanted."""
    return intent.active or not traffic.differs(service.desired_split(), intent.split)


def served(record: Rollout, service: Service) -> bool:
    """Whether what a record asks for is what is asked of the service and what it serves."""
    asked = not traffic.differs(service.desired_split(), record.split) and not carries_latest(service)
    return asked and settled(service)


def serves(service: Service, target: str) -> bool:
    """Whether a rollback's target alone serves and nobody works on the traffic any more. What Cloud Run still works on
    once a rollback is recorded as complete is that record.
    """
    record = intent_of(service)
    complete = isinstance(record, Rollout) and record.phase is Phase.ROLLED_BACK and record.stable == target
    return service.serving_split() == {target: 100} and (complete or not service.reconciling)


def concluded(intent: Intent, service: Service) -> Intent:
    """The record as the service proves it: a rollback that is served is complete, although the one who ordered it did
    not live to write so.
    """
    if isinstance(intent, Rollout) and intent.phase is Phase.ROLLING_BACK and served(intent, service):
        return replace(intent, phase=Phase.ROLLED_BACK)
    return intent


class DrainState(StrEnum):
    """How far a rollback is."""

    REQUESTED = "requested"
    SERVING = "serving"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class RollbackProgress:
    """How far a rollback is, with the sentence that may be printed."""

    state: DrainState
    text: str


def progress(service: Service, target: str, others_requests: int | None) -> RollbackProgress:
    """Whether all is served by the target, and whether the others' requests have ended.

    `others_requests` is what the other revisions got in the newest closed minute that began after serving matched; None
    where that minute is not known yet (metrics are about four minutes late).
    """
    if not serves(service, target):
        serving = told(service.serving_split())
        return RollbackProgress(DrainState.REQUESTED, f"rollback to {target} requested, still serving {serving}")
    if others_requests is None:
        text = f"rolled back: {target} serves 100 %; not known yet whether the others are drained"
        return RollbackProgress(DrainState.SERVING, text)
    if others_requests:
        text = f"rolled back: {target} serves 100 %; the others still had {others_requests:,} requests in a minute"
        return RollbackProgress(DrainState.SERVING, text)
    return RollbackProgress(DrainState.DRAINED, f"rolled back: {target} serves 100 %, the others are drained")


@dataclass(frozen=True, slots=True)
class SchemaFit:
    """Whether a revision can live with the database as it is; `fits` is None where that is not known."""

    fits: bool | None
    text: str


def schema_fit(live: int | None, reads: tuple[int, int] | None) -> SchemaFit:
    """Whether code that can read these schemas can read the live one. A rollback goes on all the same: what it cannot
    read must be said, not what must be done.
    """
    if reads is None:
        known = "" if live is None else f" (live is {live})"
        return SchemaFit(None, f"not known which schemas it reads{known}")
    able = f"{reads[0]} to {reads[1]}" if reads[0] != reads[1] else f"only {reads[0]}"
    if live is None:
        return SchemaFit(None, f"schema: the live one is not known, it reads {able}")
    if live > reads[1]:
        return SchemaFit(False, f"schema: live {live} is newer than it can read ({able})")
    if live < reads[0]:
        return SchemaFit(False, f"schema: live {live} is older than it can read ({able})")
    return SchemaFit(True, f"schema: live {live}, it reads {able}")


def next_deploy(target: str) -> str:
    """What must be said after every rollback."""
    return f"traffic is pinned to {target}: the next deploy gets 0 % until a rollout of it is started"


def _candidates(
    service: Service, intent: Intent, history: Sequence[str] | None, named: str | None
) -> Iterator[tuple[str, TargetSource]]:
    if named is not None:
        yield named, TargetSource.NAMED
        return
    serving_now = next((name for name, share in service.desired_split().items() if share == 100), None)
    record = intent if isinstance(intent, Rollout) else None
    holds = record is not None and in_force(record, service)
    # A rollback that a person settled is no state to return to: from there on it is the revision before that.
    settled = record is not None and record.phase is Phase.RELEASED
    if record is not None and holds and not settled:
        yield record.stable, TargetSource.RECORDED
    failed = {known.revision for known in record.failed} if record is not None else set()
    earlier = [name for name in history or () if name != serving_now and name not in failed]
    tagged = next((target.revision for target in service.desired if target.tag == PREV_TAG and target.revision), None)
    if settled and tagged == serving_now:
        tagged = None
    outdated = record is not None and not holds and tagged == record.stable
    if tagged is not None and not (outdated and earlier):
        yield tagged, TargetSource.TAG
    for name in earlier:
        yield name, TargetSource.HISTORY
    if tagged is not None and outdated:
        yield tagged, TargetSource.TAG
