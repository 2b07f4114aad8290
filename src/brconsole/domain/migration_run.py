"""Whether a migration may run now: its approval, its claim, and the executions that there are.

Approval and claim are annotations of the Cloud Run job, so that every console sees the same ones and each is written
under the job's version. A run is started once: an execution of its release is looked for before and after the claim,
and a claim that led to nothing may be taken over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from brconsole.domain import annotation
from brconsole.domain.annotation import Fields, Unreadable, entries, line, mapping, matching, moment
from brconsole.domain.job import Execution, LiveJob
from brconsole.domain.migration import MigrationClass, RevisionReport
from brconsole.domain.migration_log import PlannedRun
from brconsole.domain.plan import Confirmation
from brconsole.domain.text import clean

CLAIM = "brconsole.dev/migration"
APPROVAL = "brconsole.dev/approval"
VERSION = 1
CLAIM_BYTES = 2048
APPROVAL_BYTES = 63 * 1024
MOST_REVISIONS = 300
"""That one approval may speak of."""
MOST_EARLIER = 10
CLAIM_LEASE = timedelta(seconds=60)
"""A claim without an execution that is older may be taken over, in service time."""
LONGEST_WHO = 120
LEAST_PREFIX = 12
"""Characters of a plan's hash by which it may be named."""
RELEASE_ENV = "RELEASE_ID"
PLAN_ENV = "PLAN_HASH"
_RELEASE = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{8,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Approval:
    """A reviewer's yes to one plan, with the sources of its revisions as they were reviewed."""

    plan: str
    by: str
    at: datetime
    revisions: Mapping[str, str] = field(default_factory=dict, hash=False)
    """SHA-256 of the source by revision."""
    earlier: tuple[str, ...] = ()
    """Plans that were approved before, the newest first: their runs stay proven."""

    def covers(self, plan: str) -> bool:
        """Whether a plan is or was approved."""
        return plan == self.plan or plan in self.earlier


@dataclass(frozen=True, slots=True)
class Claim:
    """Who is about to start the run of a release."""

    release: str
    plan: str
    image: str
    by: str
    at: datetime
    token: str = ""
    """Tells two claims of one person in one second apart: who reads back its own token holds the claim."""


def approval_of(job: LiveJob) -> Approval | Unreadable | None:
    """The approval that stands on a job."""
    text = job.annotations.get(APPROVAL)
    return None if text is None else annotation.read(text, _approval, VERSION, APPROVAL_BYTES, "an approval")


def claim_of(job: LiveJob) -> Claim | Unreadable | None:
    """The claim that stands on a job."""
    text = job.annotations.get(CLAIM)
    return None if text is None else annotation.read(text, _claim, VERSION, CLAIM_BYTES, "a claim")


def dump_approval(approval: Approval) -> str:
    """The annotation's text."""
    document = {
        "v": VERSION,
        "plan": approval.plan,
        "by": approval.by,
        "at": moment(approval.at),
        "revisions": dict(sorted(approval.revisions.items())),
    }
    return _compact({**document, "earlier": list(approval.earlier)} if approval.earlier else document)


def dump_claim(claim: Claim) -> str:
    """The annotation's text."""
    document = {
        "v": VERSION,
        "release": claim.release,
        "plan": claim.plan,
        "image": claim.image,
        "by": claim.by,
        "at": moment(claim.at),
    }
    return _compact({**document, "token": claim.token} if claim.token else document)


def approving(
    before: Approval | Unreadable | None, plan: str, by: str, at: datetime, revisions: Mapping[str, str]
) -> Approval:
    """The approval of a plan, with what was approved before it."""
    known = (before.plan, *before.earlier) if isinstance(before, Approval) else ()
    earlier = tuple(dict.fromkeys(other for other in known if other != plan))[:MOST_EARLIER]
    return Approval(plan, clean(by, LONGEST_WHO), at, dict(revisions), earlier)


def hash_meant(prefix: str, current: str) -> bool:
    """Whether what was typed names the plan: all of its hash or so much that nobody types it by accident."""
    return len(prefix) >= LEAST_PREFIX and current.startswith(prefix.lower())


def release_id(environment: str, group: Sequence[str], digest: str, plan: str) -> str:
    """The release that a run is for where no rollout is prepared: the same on every console."""
    text = json.dumps([environment, sorted(group), digest, plan])
    return f"m-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def attempt(base: str, executions: Sequence[Execution], *, retry: bool) -> str:
    """The release of the newest attempt, or with `retry` of the one after a run that failed.

    The first bears the release's own id, the second `…-2`; two consoles count the same executions.
    """
    number, name = 1, base
    while (found := _of_release(executions, name)) is not None:
        if found.under_way or found.succeeded:
            return name
        following = f"{base}-{number + 1}"
        if not retry and _of_release(executions, following) is None:
            return name
        number, name = number + 1, following
    return name


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run as it was put to a person."""

    release: str
    plan: PlannedRun
    image: str
    """The candidate's, with its digest."""
    refused: tuple[str, ...] = ()
    """Why the check refuses revisions of it."""
    approve_with: str = ""
    """The command that approves it."""


class Stop(StrEnum):
    """Why a run does not start."""

    REFUSED = "refused"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class MayStart:
    """Nothing stands against it."""

    taken_over: str = ""
    """Whose claim is taken over, in words."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The run of this release exists: it is watched, and none is started."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Awaited:
    """Somebody claimed this very release a moment ago: the execution is about to come."""

    claim: Claim
    until: datetime


@dataclass(frozen=True, slots=True)
class Stopped:
    """It must not start, and why."""

    stop: Stop
    reason: str


RunDecision = MayStart | Watch | Awaited | Stopped


def decide(job: LiveJob, executions: Sequence[Execution], asked: RunRequest, now: datetime) -> RunDecision:
    """Whether the run of a release may start now."""
    own = _of_release(executions, asked.release)
    if own is not None:
        return Watch(own)
    busy = under_way(executions)
    if busy is not None:
        return Stopped(Stop.CONFLICT, f"another run is under way: {told_run(busy, job)}")
    claim = claim_of(job)
    claimed = _claimed(awaited_claim(job, executions, now), asked)
    if claimed is not None:
        return claimed
    against = _not_approved(approval_of(job), asked)
    if against is not None:
        return against
    if asked.refused:
        return Stopped(Stop.REFUSED, f"the check refuses it: {'; '.join(asked.refused)}")
    stale = isinstance(claim, Claim) and _of_release(executions, claim.release) is None
    if isinstance(claim, Claim) and stale:
        return MayStart(f"the claim of {clean(claim.by, LONGEST_WHO)} from {claim.at:%H:%M:%S} UTC led to no execution")
    return MayStart()


def under_way(executions: Sequence[Execution]) -> Execution | None:
    """The run that may still do something, None where there is none."""
    return next((found for found in executions if found.mode == "run" and found.under_way), None)


def awaited_claim(job: LiveJob, executions: Sequence[Execution], now: datetime) -> Claim | None:
    """The claim whose execution is still to come; None once it came, or once it is so old that it may be taken over. A
    claim that nobody can read holds nothing back.
    """
    claim = claim_of(job)
    if not isinstance(claim, Claim) or _of_release(executions, claim.release) is not None:
        return None
    return claim if now < claim.at + CLAIM_LEASE else None


def told_run(execution: Execution, job: LiveJob) -> str:
    """Which run, by whom and since when."""
    claim = claim_of(job)
    mine = isinstance(claim, Claim) and claim.release == execution.env.get(RELEASE_ENV)
    by = f", started by {clean(claim.by, LONGEST_WHO)}" if mine and isinstance(claim, Claim) else ""
    since = f" since {execution.created:%H:%M:%S} UTC" if execution.created is not None else ""
    return f"{clean(execution.name, 63)}{by}{since}"


def how_confirmed(plan: PlannedRun, reports: Sequence[RevisionReport]) -> Confirmation:
    """How a run is confirmed: by the environment's name where it cannot be undone or takes something away."""
    checked = {report.revision: report for report in reports}
    for planned in plan.revisions:
        found = checked.get(planned.revision)
        classes = {planned.migration_class} | ({found.migration_class} if found is not None else set())
        if classes & {MigrationClass.CONTRACT, MigrationClass.UNKNOWN}:
            return Confirmation.TYPED
        if found is None or found.reversible is False:
            return Confirmation.TYPED
    return Confirmation.DIALOG


def _claimed(claim: Claim | None, asked: RunRequest) -> Awaited | Stopped | None:
    """What a claim that is about to lead to an execution means for a run."""
    if claim is None:
        return None
    if claim.release == asked.release:
        return Awaited(claim, claim.at + CLAIM_LEASE)
    who = clean(claim.by, LONGEST_WHO)
    text = f"another run is about to start: claimed by {who} at {claim.at:%H:%M:%S} UTC for {claim.release}"
    return Stopped(Stop.CONFLICT, text)


def _not_approved(approval: Approval | Unreadable | None, asked: RunRequest) -> Stopped | None:
    if isinstance(approval, Approval) and approval.plan == asked.plan.hash:
        return None
    how = f"review it, then: {asked.approve_with}" if asked.approve_with else "approve it first"
    if isinstance(approval, Unreadable):
        return Stopped(Stop.REFUSED, f"the approval on the job cannot be read ({approval.reason}): {how}")
    if approval is None:
        return Stopped(Stop.REFUSED, f"the plan {asked.plan.hash[:12]} is not approved: {how}")
    by = f"{clean(approval.by, LONGEST_WHO)} approved {approval.plan[:12]} at {approval.at:%Y-%m-%d %H:%M} UTC"
    return Stopped(
        Stop.CONFLICT, f"the plan changed since its approval ({by}); it is {asked.plan.hash[:12]} now: {how}"
    )


def _of_release(executions: Sequence[Execution], release: str) -> Execution | None:
    return next((found for found in executions if found.env.get(RELEASE_ENV) == release), None)


def _approval(fields: Fields) -> Approval:
    found = Approval(
        fields.take("plan", matching(_HASH)),
        fields.take("by", line(LONGEST_WHO)),
        fields.take("at", annotation.time),
        fields.take("revisions", _sources),
        tuple(fields.take_if("earlier", _hashes) or ()),
    )
    fields.end()
    return found


def _claim(fields: Fields) -> Claim:
    found = Claim(
        fields.take("release", matching(_RELEASE)),
        fields.take("plan", matching(_HASH)),
        fields.take("image", line(500)),
        fields.take("by", line(LONGEST_WHO)),
        fields.take("at", annotation.time),
        fields.take_if("token", matching(_TOKEN)) or "",
    )
    fields.end()
    return found


def _sources(value: object) -> dict[str, str]:
    found = mapping(value)
    if len(found) > MOST_REVISIONS:
        raise annotation.MistakeError("too many keys")
    name, sha = line(LONGEST_WHO), matching(_HASH)
    return {name(key): sha(text) for key, text in found.items()}


def _hashes(value: object) -> list[str]:
    return [matching(_HASH)(entry) for entry in entries(value, MOST_EARLIER)]


def _compact(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
