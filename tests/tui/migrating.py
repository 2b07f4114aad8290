"""The migrations of prod as they may stand: pending and checked, refused, running, failed, never asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import samples

from brconsole.domain.job import Execution, ExecutionState, JobLine, LiveJob
from brconsole.domain.migration import (
    Finding,
    MigrationClass,
    RevisionReport,
    SchemaRevision,
    SchemaStep,
    TableLock,
)
from brconsole.domain.migration_log import PlannedRevision, PlannedRun, Report, SchemaState, report
from brconsole.domain.migration_run import APPROVAL, Approval, dump_approval
from brconsole.domain.migration_view import MigrationView, RunView
from brconsole.operations.desk import MigrationSeen
from brconsole.operations.migrations import Candidate, Checked, PlanView

IMAGE = "us-central1-docker.pkg.dev/bytereview-prod/bytereview/api@sha256:" + "ae8b9b37" * 8
HASH = "1c7e99aa" * 8
TITLES = {
    "0008_notes": ("Documents get notes", MigrationClass.EXPAND),
    "0009_backfill": ("Notes of old documents", MigrationClass.DATA),
    "0010_drop_comment": ("Nobody reads comments any more", MigrationClass.CONTRACT),
}
SQL = {
    "0008_notes": (
        "ALTER TABLE documents ADD COLUMN notes TEXT DEFAULT 'none' NOT NULL",
        'CREATE INDEX CONCURRENTLY IF NOT EXISTS "ix_documents_notes" ON documents (notes) WHERE length(notes) > 4',
    ),
    "0009_backfill": ("UPDATE documents SET notes = comment WHERE id BETWEEN 1 AND 10000 AND comment IS NOT NULL",),
    "0010_drop_comment": ("ALTER TABLE documents DROP COLUMN comment",),
}
LOCKS = {
    "0008_notes": (TableLock("documents", "ACCESS EXCLUSIVE", rows=1_204_551, size_bytes=734_003_200),),
    "0010_drop_comment": (TableLock("documents", "ACCESS EXCLUSIVE", rewrites=True, rows=1_204_551),),
}
DROPPED = Finding(
    "ban-drop-column",
    "documents.comment is dropped while a revision that reads it may still serve or be rolled back to",
    'declare it the second of two releases: brconsole = {"contract_after": "0008_notes"}',
    line=14,
    statement="ALTER TABLE documents DROP COLUMN comment",
)


def ago(seconds: float) -> datetime:
    """A moment before now."""
    return samples.NOW - timedelta(seconds=seconds)


def schema(applied: str | None = "0007_index", **changes: Any) -> SchemaState:
    """The database at the seventh revision, three to go."""
    names = [f"000{number}_before" for number in range(1, 7)] + ["0007_index", *TITLES]
    history = tuple(
        SchemaStep(name, index, TITLES.get(name, ("", MigrationClass.EXPAND))[1]) for index, name in enumerate(names, 1)
    )
    at = names.index(applied) + 1 if applied in names else 0
    settings: dict[str, Any] = {
        "applied": applied,
        "heads": (names[-1],),
        "history": history,
        "pending": tuple(names[at:]),
        "as_of": ago(95),
        "execution": "migrate-db-p4x1",
        "digest": IMAGE.partition("@")[2],
    }
    return SchemaState(**{**settings, **changes})


def planned() -> PlannedRun:
    """The plan of the candidate."""
    revisions = tuple(
        PlannedRevision(name, title, kind, SQL[name], LOCKS.get(name, ())) for name, (title, kind) in TITLES.items()
    )
    return PlannedRun(HASH, "0010_drop_comment", schema(), revisions)


def reports(*findings: Finding) -> tuple[RevisionReport, ...]:
    """The check of the plan; the findings are the last revision's."""
    return tuple(
        RevisionReport(
            SchemaRevision(name, (), f"versions/{name}.py", title, "0" * 64),
            kind,
            name != "0010_drop_comment",
            findings if name == "0010_drop_comment" else (),
            SQL[name],
            locks=LOCKS.get(name, ()),
        )
        for name, (title, kind) in TITLES.items()
    )


def execution(
    name: str, mode: str, state: ExecutionState, began: float, took: float | None, **changes: Any
) -> Execution:
    """An execution that began so many seconds ago."""
    done = state is ExecutionState.SUCCEEDED
    ended = None if took is None else ago(began - took)
    found = Execution(name, "migrate-db", state, IMAGE, (mode,), {}, ago(began), ended, int(done))
    return replace(found, **changes)


def line(before: float, text: str, severity: str = "INFO", **event: object) -> JobLine:
    """A line of a log."""
    return JobLine(ago(before), severity, text, {"brconsole": event} if event else {}, f"{before}")


OLD_RUN = execution("migrate-db-a1b2", "run", ExecutionState.FAILED, 90_000, 7)
OLD_LINES = (
    line(90_000, "the run of r-20260621 begins"),
    line(89_994, "lock timeout: documents is in use", "ERROR"),
    line(
        89_993,
        "failed at 0007_index, the database is at 0006_before",
        "ERROR",
        event="failed",
        reason="lock timeout",
        revision="0007_index",
        applied="0006_before",
    ),
)


def view(*more: Report, approved: bool = False, **changes: Any) -> MigrationView:
    """What is known: a plan by the candidate's code, and an older run that failed."""
    annotations = {}
    if approved:
        yes = Approval(HASH, "ana@bytereview.ai", ago(120), {})
        annotations[APPROVAL] = dump_approval(yes)
    job = LiveJob("migrate-db", "v1", IMAGE, annotations, ago(4), max_retries=0)
    looked = execution("migrate-db-p4x1", "plan", ExecutionState.SUCCEEDED, 100, 6)
    old = report(OLD_RUN, OLD_LINES)
    said = (*more, Report(looked, schema(), planned()), old)
    settings: dict[str, Any] = {
        "job": job,
        "executions": tuple(one.execution for one in said),
        "reports": said,
        "as_of": ago(4),
    }
    return MigrationView(**{**settings, **changes})


def plan_view(found: MigrationView, *findings: Finding, problem: str = "") -> PlanView:
    """The plan as it is put to a reviewer."""
    refused = ("0010_drop_comment: ban-drop-column",) if findings else ()
    candidate = Candidate("api", samples.revision("api", "api-00042-def", 1), IMAGE)
    notes = ("no rollback any more to api-00041-abc: they cannot read schema 0010_drop_comment",)
    return PlanView(found, candidate, planned(), Checked(reports(*findings), refused, problem), (), notes)


def checked(*findings: Finding, approved: bool = False) -> MigrationSeen:
    """Three pending, checked; nothing runs."""
    found = view(approved=approved)
    old = RunView(report(OLD_RUN, OLD_LINES), OLD_LINES)
    return MigrationSeen(True, found, None, plan_view(found, *findings), run=old)


def running() -> MigrationSeen:
    """The second of three revisions is at work."""
    under_way = execution("migrate-db-x7k2p", "run", ExecutionState.RUNNING, 12, None)
    lines = (
        line(11, "the run of r-20260623-1357-7f3 begins: 3 revisions, up to 0010_drop_comment", event="started"),
        line(10, "0008_notes begins", event="step", revision="0008_notes", state="started"),
        line(6, "0008_notes is done", event="step", revision="0008_notes", state="done", seconds=4.1),
        line(5, "0009_backfill begins", event="step", revision="0009_backfill", state="started"),
    )
    said = report(under_way, lines)
    found = view(said, approved=True)
    return MigrationSeen(True, found, None, plan_view(found), run=RunView(said, lines))


def failed() -> MigrationSeen:
    """The last look failed; what was known stays."""
    return replace(checked(), problem="Cloud Run: UNAVAILABLE: the service is currently unavailable")
