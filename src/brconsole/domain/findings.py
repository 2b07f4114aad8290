"""What does not agree between a rollout's intent and its service: named, with the ways out. Derived, never stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from brconsole.domain import traffic
from brconsole.domain.annotation import Unreadable
from brconsole.domain.intent import Intent, Phase, Rollout
from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean

IN_FLIGHT = timedelta(seconds=120)
"""A write may take so long; then the service is stuck."""
UNATTENDED = frozenset({Phase.IDLE, Phase.RELEASED})
"""Ended, and a person has nothing to settle."""


class FindingKind(StrEnum):
    """What is the matter (reference: the recovery table)."""

    RECONCILING = "reconciling"
    STUCK = "stuck"
    DRIFT = "drift"
    ORPHAN = "orphan"
    UNREADABLE = "unreadable"
    PINNED = "pinned"
    CANARY_DIED = "canary_died"
    STABLE_MISSING = "stable_missing"
    NEW_DEPLOY = "new_deploy"


class WayOut(StrEnum):
    """What a person may choose."""

    WAIT = "wait"
    AGAIN = "order it again"
    ROLL_BACK = "roll back"
    ADOPT = "adopt"
    RESTORE = "restore"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"
    START = "start a rollout"
    DISMISS = "mark as not wanted"
    NAME_TARGET = "name a rollback target"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree. `blocks` says that nothing advances meanwhile; rolling back is always possible."""

    kind: FindingKind
    text: str
    ways: tuple[WayOut, ...]
    blocks: bool = True


def findings(
    intent: Intent, service: Service, revisions: tuple[Revision, ...] | None, now: datetime
) -> tuple[Finding, ...]:
    """Everything that is the matter with a service, what blocks first. `revisions` is None where they were not read."""
    found = [*_of_revisions(intent, service, revisions), *_of_traffic(intent, service), *_of_flight(service, now)]
    found += _of_deploys(intent, service)
    return tuple(sorted(found, key=lambda finding: not finding.blocks))


def carries_latest(service: Service) -> bool:
    """Whether whatever is deployed next would get traffic."""
    return not service.desired or any(target.revision is None and target.percent for target in service.desired)


def settled(service: Service) -> bool:
    """Whether what is served is what was asked for and nobody is working on it. The newest revision may be broken all
    the same, so generations and the terminal condition say nothing here.
    """
    return not service.reconciling and not traffic.differs(service.desired_split(), service.serving_split())


def told(split: dict[str, int]) -> str:
    """A split in words."""
    return ", ".join(f"{clean(name, 63)} {share} %" for name, share in sorted(split.items())) or "nothing"


def _of_revisions(intent: Intent, service: Service, revisions: tuple[Revision, ...] | None) -> Iterator[Finding]:
    if not isinstance(intent, Rollout) or not intent.forward or revisions is None:
        return
    known = {revision.name: revision for revision in revisions}
    canary, stable = known.get(intent.canary), known.get(intent.stable)
    if canary is None or canary.ready is False:
        state = "does not exist any more" if canary is None else "is not ready any more"
        yield Finding(FindingKind.CANARY_DIED, f"the canary {intent.canary} {state}", (WayOut.ROLL_BACK,))
    if stable is None:
        choices = ", ".join(revision.name for revision in revisions if revision.ready and revision != canary)
        yield Finding(
            FindingKind.STABLE_MISSING,
            f"the undo target {intent.stable} does not exist any more; ready are: {choices or 'none'}",
            (WayOut.NAME_TARGET,),
        )


def _of_traffic(intent: Intent, service: Service) -> Iterator[Finding]:
    desired = service.desired_split()
    by = f" (last changed by {clean(service.last_modifier, 100)})" if service.last_modifier else ""
    if isinstance(intent, Rollout) and intent.active:
        if traffic.differs(desired, intent.split) or carries_latest(service):
            latest = "; LATEST carries traffic" if carries_latest(service) else ""
            text = f"the rollout wants {told(intent.split)}, the service {told(desired)}{latest}{by}"
            yield Finding(FindingKind.DRIFT, text, (WayOut.ADOPT, WayOut.RESTORE, WayOut.ROLL_BACK))
        return
    if isinstance(intent, Unreadable):
        text = f"the annotation of a rollout cannot be read: {intent.reason}{by}"
        yield Finding(FindingKind.UNREADABLE, text, (WayOut.ROLL_BACK, WayOut.ADOPT))
    if len(desired) > 1:
        text = f"traffic is split without a rollout: {told(desired)}{by}"
        yield Finding(FindingKind.ORPHAN, text, (WayOut.ROLL_BACK, WayOut.ADOPT))


def _of_flight(service: Service, now: datetime) -> Iterator[Finding]:
    if settled(service):
        return
    waited = None if service.updated is None else now - service.updated
    wish = f"asked for {told(service.desired_split())}, serving {told(service.serving_split())}"
    # A change so new that nothing tells since when is in flight; drift without a change under way never is.
    if (waited is None and service.reconciling) or (waited is not None and waited <= IN_FLIGHT):
        yield Finding(FindingKind.RECONCILING, f"a change is under way: {wish}", (WayOut.WAIT, WayOut.ROLL_BACK))
        return
    since = "for an unknown time" if waited is None else f"for {round(waited.total_seconds())} s"
    why = f" ({clean(service.reason, 200)})" if service.reason else ""
    yield Finding(FindingKind.STUCK, f"a change does not come to its end {since}{why}: {wish}", (WayOut.ROLL_BACK,))


def _of_deploys(intent: Intent, service: Service) -> Iterator[Finding]:
    if isinstance(intent, Rollout) and intent.active:
        newest = service.latest_created
        if newest is not None and newest not in (intent.latest, intent.canary, intent.stable):
            text = (
                f"{newest} was deployed meanwhile and gets 0 %: it may be released after this rollout or instead of it"
            )
            yield Finding(FindingKind.NEW_DEPLOY, text, (WayOut.WAIT, WayOut.ABORT), blocks=False)
        return
    newest = service.latest_ready
    if not service.pinned or newest is None:
        return
    if isinstance(intent, Rollout) and intent.phase in UNATTENDED and intent.failed_before(newest, None):
        return  # a person said that it is not wanted
    yield Finding(
        FindingKind.PINNED,
        f"traffic is pinned to {told(service.serving_split())}: {newest} and the next deploy get 0 %",
        (WayOut.START, WayOut.DISMISS),
        blocks=False,
    )
