"""What executions of the migration job say of the database, by the lines that they logged.

The lines are `python -m brconsole.jobs.migrate`'s own, but anybody may log: a field of another form is a field that is
not there, and an event without what it must say is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from brconsole.domain.job import Execution, JobLine, digest_of
from brconsole.domain.migration import MigrationClass, SchemaStep, TableLock, schema_range
from brconsole.domain.text import clean

KEY = "brconsole"
LONGEST_NAME = 120
LONGEST_SQL = 100_000
MOST_REVISIONS = 2000
MOST_TABLES = 2000
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table by the statistics of the database; None is unknown."""

    table: str
    rows: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a database stands, by what an execution found there at `as_of`."""

    applied: str | None
    """None is the empty database."""
    heads: tuple[str, ...]
    """What the code that looked wants; more than one is a mistake of that code."""
    history: tuple[SchemaStep, ...]
    pending: tuple[str, ...]
    as_of: datetime
    execution: str
    digest: str | None
    """The image of the code that looked."""
    tables: tuple[TableSize, ...] | None = None
    doubt: str = ""
    """Why it may be otherwise by now, empty where nothing is known to have happened since."""

    @property
    def head(self) -> str | None:
        """The one revision that the code wants, None where there is not one."""
        return self.heads[0] if len(self.heads) == 1 else None

    @property
    def live(self) -> int | None:
        """The index of the applied revision; None where the code does not know it."""
        return 0 if self.applied is None else self.index(self.applied)

    def index(self, revision: str | None) -> int | None:
        """The index of a revision along the line."""
        return next((step.index for step in self.history if step.revision == revision), None)

    def reads(self, built_at: int | None) -> tuple[int, int] | None:
        """The schemas that code can live with whose newest revision has this index, by this history."""
        revision = next((step.revision for step in self.history if step.index == built_at), None)
        return None if revision is None else schema_range(self.history, revision)


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """One revision that a run would apply, as the job rendered it."""

    revision: str
    title: str
    migration_class: MigrationClass
    sql: tuple[str, ...] = ()
    locks: tuple[TableLock, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a run would do, as the job computed it in front of the database."""

    hash: str
    head: str
    schema: SchemaState
    revisions: tuple[PlannedRevision, ...]
    """In the order in which they run."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """How far one revision of a run is."""

    revision: str
    state: str
    """`started`, `done` or `failed`."""
    seconds: float | None = None
    error: str = ""


class RunEnd(StrEnum):
    """How a run ended, in the job's own words."""

    SENTINEL = "sentinel"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last word of a run."""

    end: RunEnd
    reason: str = ""
    revision: str | None = None
    """The one that failed."""
    applied: str | None = None
    """What the database stands at afterwards."""
    read_back: bool = False
    """Whether `applied` was told; else nobody knows."""
    head: str | None = None
    hash: str | None = None
    already: bool = False
    """Whether it had been done before."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One execution with what it said."""

    execution: Execution
    schema: SchemaState | None = None
    plan: PlannedRun | None = None
    steps: tuple[RunStep, ...] = ()
    ended: RunEnded | None = None

    @property
    def release(self) -> str:
        """The release that it ran for."""
        return self.execution.env.get("RELEASE_ID", "")


def report(execution: Execution, lines: Iterable[JobLine]) -> Report:
    """What an execution said, its lines oldest first."""
    made = Report(execution)
    planned: dict[str, PlannedRevision] = {}
    for line in lines:
        event = line.fields.get(KEY)
        if not isinstance(event, Mapping):
            continue
        match event.get("event"):
            case "status":
                made = replace(made, schema=_schema(event, execution, line.at) or made.schema)
            case "plan_step":
                step = _planned(event)
                if step is not None:
                    planned[step.revision] = step
            case "plan":
                made = _with_plan(made, event, line.at, planned)
            case "step":
                made = replace(made, steps=_stepped(made.steps, event))
            case "sentinel" | "refused" | "failed" as end:
                made = _ended(made, RunEnd(end), event, line.at)
            case _:
                continue
    return made


def known_schema(reports: Sequence[Report]) -> SchemaState | None:
    """Where the database stands by all reports together, given newest first.

    A run that ended without a word, or is still at work, leaves a doubt until somebody looks again.
    """
    known: SchemaState | None = None
    oldest_first = list(reports)
    oldest_first.reverse()  # where two hold from the same moment, the order of their executions counts
    for said in sorted(oldest_first, key=_holds_from):
        if said.schema is not None:
            known = said.schema
        elif known is not None and said.execution.mode == "run":
            known = _after_run(known, said)
    return known


def _holds_from(said: Report) -> datetime:
    """When it was said; a run without a word may have done anything up to its end."""
    if said.schema is not None:
        return said.schema.as_of
    ended = said.execution.completed
    if said.execution.mode == "run" and (said.execution.under_way or ended is None):
        return _LATEST
    return ended or said.execution.created or _EARLIEST


def _after_run(known: SchemaState, said: Report) -> SchemaState:
    name = said.execution.name
    if said.ended is not None and said.ended.end is RunEnd.REFUSED:
        return known
    if said.ended is not None and said.ended.read_back:
        applied = said.ended.applied
        moved = replace(known, applied=applied, as_of=said.execution.completed or known.as_of, execution=name, doubt="")
        live = moved.live
        if live is None:
            return replace(moved, pending=(), doubt=f"{name} left it at a revision that nothing else knows")
        steps = sorted(known.history, key=lambda step: step.index)
        return replace(moved, pending=tuple(step.revision for step in steps if step.index > live))
    word = "is at work" if said.execution.under_way else "ended without a word of it"
    return replace(known, doubt=f"{name} {word}")


def _schema(event: Mapping[str, object], execution: Execution, at: datetime) -> SchemaState | None:
    heads, history, pending = _names(event.get("heads")), _history(event.get("history")), _names(event.get("pending"))
    if "applied" not in event or heads is None or history is None or pending is None:
        return None
    digest = digest_of(execution.image)
    return SchemaState(
        _name(event["applied"]), heads, history, pending, at, execution.name, digest, _tables(event.get("tables"))
    )


def _with_plan(
    made: Report, event: Mapping[str, object], at: datetime, planned: Mapping[str, PlannedRevision]
) -> Report:
    schema = _schema(event, made.execution, at)
    found, head = _name(event.get("hash")), _name(event.get("head"))
    if schema is None:
        return made
    if found is None or head is None:
        return replace(made, schema=schema)
    classes = {step.revision: step.migration_class for step in schema.history}
    revisions = tuple(
        planned.get(name) or PlannedRevision(name, "", classes.get(name, MigrationClass.UNKNOWN))
        for name in schema.pending
    )
    return replace(made, schema=schema, plan=PlannedRun(found, head, schema, revisions))


def _ended(made: Report, end: RunEnd, event: Mapping[str, object], at: datetime) -> Report:
    ended = RunEnded(
        end,
        _text(event.get("reason"), 500),
        _name(event.get("revision")),
        _name(event.get("applied")),
        read_back="applied" in event,
        head=_name(event.get("head")),
        hash=_name(event.get("hash")),
        already=event.get("already") is True,
        seconds=_number(event.get("seconds")),
    )
    history, head = _history(event.get("history")), ended.head
    if end is not RunEnd.SENTINEL or not history or head is None or not ended.read_back:
        return replace(made, ended=ended)
    name, digest = made.execution.name, digest_of(made.execution.image)
    standing = SchemaState(ended.applied, (head,), history, (), at, name, digest)
    live = standing.live
    pending = () if live is None else tuple(step.revision for step in history if step.index > live)
    return replace(made, ended=ended, schema=replace(standing, pending=pending))


def _stepped(steps: tuple[RunStep, ...], event: Mapping[str, object]) -> tuple[RunStep, ...]:
    revision, state = _name(event.get("revision")), event.get("state")
    if revision is None or state not in ("started", "done", "failed"):
        return steps
    step = RunStep(revision, str(state), _number(event.get("seconds")), _text(event.get("error"), 500))
    others = tuple(other for other in steps if other.revision != revision)
    return (*others, step)


def _planned(event: Mapping[str, object]) -> PlannedRevision | None:
    revision = _name(event.get("revision"))
    if revision is None:
        return None
    sql = event.get("sql")
    statements = tuple(
        text[:LONGEST_SQL] for text in (sql if isinstance(sql, list | tuple) else ()) if isinstance(text, str)
    )
    locks = event.get("locks")
    listed = tuple(
        lock for found in (locks if isinstance(locks, list | tuple) else ()) if (lock := _lock(found)) is not None
    )
    return PlannedRevision(revision, _text(event.get("title"), 300), _class(event.get("class")), statements, listed)


def _lock(found: object) -> TableLock | None:
    if not isinstance(found, Mapping):
        return None
    table, mode = _name(found.get("table")), _name(found.get("mode"))
    if table is None or mode is None:
        return None
    size = found.get("size_bytes", found.get("bytes"))
    return TableLock(
        table, mode, found.get("rewrites") is True, found.get("scans") is True, _count(found.get("rows")), _count(size)
    )


def _history(found: object) -> tuple[SchemaStep, ...] | None:
    if not isinstance(found, list | tuple) or len(found) > MOST_REVISIONS:
        return None
    steps = []
    for entry in found:
        if not isinstance(entry, list | tuple) or len(entry) < 3:
            return None
        revision, index = _name(entry[0]), _count(entry[1])
        if revision is None or index is None:
            return None
        after = _name(entry[3]) if len(entry) > 3 else None
        steps.append(SchemaStep(revision, index, _class(entry[2]), after))
    return tuple(steps)


def _tables(found: object) -> tuple[TableSize, ...] | None:
    if not isinstance(found, list | tuple):
        return None
    return tuple(
        TableSize(name, _count(entry.get("rows")), _count(entry.get("bytes")))
        for entry in found[:MOST_TABLES]
        if isinstance(entry, Mapping) and (name := _name(entry.get("table"))) is not None
    )


def _names(found: object) -> tuple[str, ...] | None:
    if not isinstance(found, list | tuple) or len(found) > MOST_REVISIONS:
        return None
    names = tuple(_name(entry) for entry in found)
    return None if None in names else tuple(name for name in names if name is not None)


def _name(found: object) -> str | None:
    return clean(found, LONGEST_NAME) if isinstance(found, str) and found else None


def _text(found: object, longest: int) -> str:
    return clean(found, longest) if isinstance(found, str) else ""


def _class(found: object) -> MigrationClass:
    known = isinstance(found, str) and found in set(MigrationClass)
    return MigrationClass(str(found)) if known else MigrationClass.UNKNOWN


def _count(found: object) -> int | None:
    """A whole number from 0; a fraction of one is what JSON makes of it on the way through Logging."""
    number = _number(found)
    return None if number is None or number < 0 or number != int(number) else int(number)


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) < 2**53 else None
