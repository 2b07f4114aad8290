"""What proves that the database is ready for a candidate, and which schemas a release can live with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from brconsole.domain.annotation import Unreadable
from brconsole.domain.gates import Sentinel
from brconsole.domain.intent import UNKNOWN_REVISION, Rollout, intent_of
from brconsole.domain.job import digest_of
from brconsole.domain.migration_log import Report, RunEnd, SchemaState, known_schema
from brconsole.domain.migration_run import PLAN_ENV, Approval
from brconsole.domain.service import Service
from brconsole.domain.text import clean


@dataclass(frozen=True, slots=True)
class ReleaseSchema:
    """The schemas that both arms of a release can live with, and the run that brought the database there."""

    candidate: tuple[int, int] | None = None
    stable: tuple[int, int] | None = None
    sentinel: Mapping[str, str] | None = None


def sentinel(
    digest: str | None,
    reports: Sequence[Report],
    approval: Approval | Unreadable | None,
    look_with: str = "",
    run_with: str = "",
) -> Sentinel:
    """The proof for a candidate's image, from all reports, newest first. What nobody has told is None.

    `look_with` and `run_with` are what a person does about it.
    """
    if digest is None:
        return Sentinel("", None, None, None, None, None, why="the candidate's image has no digest")
    own = [said for said in reports if digest_of(said.execution.image) == digest]
    looked = next((said for said in own if said.schema is not None), None)
    run = next((said for said in own if said.execution.mode == "run"), None)
    known = known_schema(reports)
    if looked is None or looked.schema is None or known is None:
        return _not_looked(run, look_with)
    code = looked.schema
    at = code.index(known.applied) if known.applied is not None else 0
    pending = () if at is None else tuple(step.revision for step in code.history if step.index > at)
    long = longest_history(reports) or known
    head = code.head
    standing = Sentinel(
        looked.execution.name,
        looked.execution.succeeded or None,
        applied=None if known.doubt else known.applied,
        head=head,
        image_matches=True,
        plan_matches=None,
        nothing_to_run=not pending,
        pending=pending,
        live=_index(long, known.applied),
        reads=long.reads(long.index(head)),
        why=known.doubt,
        remedy=run_with if pending else look_with if known.doubt else "",
    )
    if run is None or _overruled(run, looked, pending):
        return standing
    return _ran(standing, run, approval)


def _overruled(run: Report, looked: Report, pending: tuple[str, ...]) -> bool:
    """Whether a later look by the same code says more than a run that did not succeed: there is nothing left to do."""
    ended = run.execution.completed
    later = ended is not None and looked.schema is not None and looked.schema.as_of > ended
    return later and not run.execution.succeeded and not run.execution.under_way and not pending


def _ran(standing: Sentinel, run: Report, approval: Approval | Unreadable | None) -> Sentinel:
    """The proof where the candidate's own code ran the migration."""
    execution = run.execution
    ran = run.ended.hash if run.ended is not None and run.ended.hash else execution.env.get(PLAN_ENV)
    made = replace(
        standing,
        execution=execution.name,
        succeeded=execution.succeeded,
        plan_matches=approval.covers(ran) if isinstance(approval, Approval) and ran else None,
        nothing_to_run=False,
    )
    if execution.under_way:
        return replace(made, succeeded=None, pending=(), why=f"{execution.name} is at work", remedy="")
    if run.ended is not None and run.ended.end is not RunEnd.SENTINEL:
        return replace(made, why=run.ended.reason)
    return made if execution.succeeded else replace(made, why=clean(execution.message, 200) or standing.why)


def _not_looked(run: Report | None, look_with: str) -> Sentinel:
    """Nothing has told what the candidate's code wants."""
    if run is None:
        why = "nobody has looked at the database with the candidate's image"
        return Sentinel("", None, None, None, None, None, why=why, remedy=look_with)
    state = None if run.execution.under_way else run.execution.succeeded
    why = "is at work" if run.execution.under_way else "left no word of the database"
    return Sentinel(
        run.execution.name, state, None, None, True, None, why=f"{run.execution.name} {why}", remedy=look_with
    )


def longest_history(reports: Sequence[Report]) -> SchemaState | None:
    """The report whose code knows the most revisions: it can tell of older and of newer code alike."""
    states = [said.schema for said in reports if said.schema is not None]
    return max(states, key=lambda state: len(state.history), default=None)


def live_schema(reports: Sequence[Report]) -> int | None:
    """The index of the schema that the database stands at; None while there is a doubt."""
    known, long = known_schema(reports), longest_history(reports)
    return None if known is None or known.doubt or long is None else _index(long, known.applied)


def reads_of(digest: str | None, recorded: tuple[int, int] | None, reports: Sequence[Report]) -> tuple[int, int] | None:
    """The schemas that an image can live with: by the longest history where it knows what the image was built at, else
    as its release recorded it.
    """
    long = longest_history(reports)
    if long is None:
        return recorded
    own = next(
        (said.schema for said in reports if said.schema is not None and digest_of(said.execution.image) == digest), None
    )
    built_at = long.index(own.head) if own is not None and digest is not None else None
    if built_at is None and recorded is not None:
        built_at = recorded[0]
    return long.reads(built_at) or recorded


def recorded_reads(service: Service, revision: str) -> tuple[int, int] | None:
    """What the service's record says of the schemas that one of its revisions reads."""
    record = intent_of(service)
    if not isinstance(record, Rollout):
        return None
    if revision == record.canary and revision != UNKNOWN_REVISION:
        return record.schema
    return record.stable_schema if revision == record.stable else None


def release_schema(
    candidate: str | None, stable: str | None, stable_recorded: tuple[int, int] | None, reports: Sequence[Report]
) -> ReleaseSchema:
    """What a release records of its schemas; `candidate` and `stable` are the digests of their images."""
    run = next(
        (
            said
            for said in reports
            if candidate is not None and digest_of(said.execution.image) == candidate and said.execution.mode == "run"
        ),
        None,
    )
    proof = None
    if run is not None and run.execution.succeeded and run.ended is not None and run.ended.applied is not None:
        proof = {"exec": clean(run.execution.name, 63), "rev": clean(run.ended.applied, 63)}
    return ReleaseSchema(
        reads_of(candidate, None, reports) if candidate is not None else None,
        reads_of(stable, stable_recorded, reports),
        proof,
    )


def out_of_reach(running: Mapping[str, tuple[int, int]], live: int | None, after: int | None) -> tuple[str, ...]:
    """The revisions that can live with the present schema and no longer with the one after a run."""
    if live is None or after is None:
        return ()
    return tuple(
        name for name, (low, high) in sorted(running.items()) if low <= live <= high and not low <= after <= high
    )


def _index(state: SchemaState, revision: str | None) -> int | None:
    return 0 if revision is None else state.index(revision)
