"""A database migration as it is checked, planned and run: the values that every part of the console shares.

A schema is known by the Alembic revision that the database stands at. Revisions of a project with one head form a line;
`index` counts along it from 1, and 0 is the empty database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class MigrationClass(StrEnum):
    """What a revision does to the code that runs beside it (reference: release engine §7)."""

    EXPAND = "expand"
    """Only adds; the release before goes on working."""
    CONTRACT = "contract"
    """Takes away or changes what the release before may use."""
    DATA = "data"
    """Changes rows, no structure."""
    UNKNOWN = "unknown"
    """Could not be told, for example because it cannot be rendered offline. Never taken for safe."""


class Ruling(StrEnum):
    """Whether a revision may run."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is the matter with a revision: the rule, where it stands, and what to do instead."""

    rule: str
    """Squawk's name where it has one for the thing, else our own in the same form (`missing-downgrade`)."""
    message: str
    cure: str
    line: int | None = None
    """In the revision's file, from 1; None where no line can be named."""
    statement: str = ""
    """The SQL that it is about, as rendered."""
    refuses: bool = True
    """Whether the revision may not run because of it; else it is only said."""


@dataclass(frozen=True, slots=True)
class SchemaRevision:
    """One file of an Alembic project."""

    revision: str
    down_revisions: tuple[str, ...]
    file: str
    """Its path relative to the folder of the Alembic configuration."""
    title: str
    source_sha256: str
    contract_after: str | None = None
    """`brconsole = {"contract_after": REVISION}` in the file: the second of two releases, after REVISION."""


@dataclass(frozen=True, slots=True)
class RevisionFile:
    """A revision with what its file says beyond what the rest of the console needs."""

    source: SchemaRevision
    declared: str | None = None
    """The module variable `brconsole` as written; None where there is none."""
    downgrade: str = "present"
    """`present`, `absent`, `empty`, or `raises` at once."""
    upgrade_line: int | None = None
    downgrade_line: int | None = None
    mode_line: int | None = None
    """Where the code looks whether it runs offline."""


@dataclass(frozen=True, slots=True)
class RunningCode:
    """The oldest code that still runs beside the database: what carries traffic or holds the tag `prev`."""

    oldest_index: int | None
    """The place on the line of the newest revision that it was built with; None where that is not known."""
    named: str
    """Which Cloud Run revision that is, or why it is not known; for the message."""


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock that a revision takes on a table, and how long it may last. Rows and bytes are None where unknown."""

    table: str
    mode: str
    """PostgreSQL's name, such as `ACCESS EXCLUSIVE`."""
    rewrites: bool = False
    """Whether the whole table is written anew under it."""
    scans: bool = False
    """Whether the whole table is read under it."""
    rows: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RevisionReport:
    """One revision as checked."""

    source: SchemaRevision
    migration_class: MigrationClass
    reversible: bool | None
    """Whether up, down and up again left the same schema on a real PostgreSQL; None where that was not tried."""
    findings: tuple[Finding, ...] = ()
    upgrade_sql: tuple[str, ...] = ()
    """The statements in their order; empty where they could not be rendered offline."""
    downgrade_sql: tuple[str, ...] = ()
    locks: tuple[TableLock, ...] = ()

    @property
    def revision(self) -> str:
        """Its id."""
        return self.source.revision

    @property
    def ruling(self) -> Ruling:
        """Refused by any finding that refuses."""
        return Ruling.REFUSED if any(finding.refuses for finding in self.findings) else Ruling.ACCEPTED


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A revision as the code that runs the migrations knows it: enough to tell what lives with which schema."""

    revision: str
    index: int
    migration_class: MigrationClass
    contract_after: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What a run would do, from the revision that is applied to the one that the code wants."""

    applied: str | None
    """None is the empty database."""
    head: str
    pending: tuple[RevisionReport, ...]
    """In the order in which they run."""
    history: tuple[SchemaStep, ...]
    """The whole line, applied and pending."""
    hash: str
    """What a reviewer approves."""

    @property
    def refused(self) -> tuple[RevisionReport, ...]:
        """The revisions for which it may not run."""
        return tuple(report for report in self.pending if report.ruling is Ruling.REFUSED)


def plan_hash(applied: str | None, pending: Sequence[tuple[SchemaRevision, Sequence[str]]]) -> str:
    """The hash of a plan: where it begins, and of each revision its source and the statements that it renders to.

    White space within a statement does not count, so that the same code renders to the same hash on every machine.
    """
    listed = [
        [source.revision, source.source_sha256, [" ".join(statement.split()) for statement in statements]]
        for source, statements in pending
    ]
    document = json.dumps([applied, listed], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()


def schema_range(history: Sequence[SchemaStep], built_at: str) -> tuple[int, int] | None:
    """The lowest and the highest schema that code can live with whose newest revision is `built_at`; None where the
    line does not have it.

    It needs what it was written against, so nothing below that. Above, additions do not disturb it: it ends before the
    first CONTRACT that takes away something which a later release was the first not to need (`contract_after`), and
    before every CONTRACT or UNKNOWN that does not declare one.
    """
    index = {step.revision: step.index for step in history}
    lowest = index.get(built_at)
    if lowest is None:
        return None
    highest = lowest
    for step in sorted(history, key=lambda one: one.index):
        if step.index <= lowest:
            continue
        if step.migration_class in (MigrationClass.CONTRACT, MigrationClass.UNKNOWN):
            after = index.get(step.contract_after or "")
            if after is None or after > lowest:
                break
        highest = step.index
    return lowest, highest
