"""Migrations as tables and sentences for a person, and as JSON for a pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Column
from rich.text import Text

from brconsole.cli.json_values import Document, moment
from brconsole.cli.status_table import render_rows
from brconsole.cli.terminal import Terminal
from brconsole.domain.environment import Environment
from brconsole.domain.job import Execution, ExecutionState
from brconsole.domain.migration import RevisionReport, TableLock
from brconsole.domain.migration_log import PlannedRevision, SchemaState
from brconsole.domain.migration_run import PLAN_ENV, RELEASE_ENV, Approval, Claim
from brconsole.domain.migration_view import MigrationView
from brconsole.domain.text import clean
from brconsole.operations.gateway import WriteAction
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.migrations import PlanView, approval_told
from brconsole.operations.outcome import Outcome
from brconsole.tui import glyphs

PLAN_SCHEMA = "brconsole.migration-plan/1"
STATUS_SCHEMA = "brconsole.migration/1"
OUTCOME_SCHEMA = "brconsole.migration-outcome/1"
SHOWN_EXECUTIONS = 10
_UNKNOWN = "unknown"
_SIGNS = {
    ExecutionState.RUNNING: (glyphs.PENDING, "yellow"),
    ExecutionState.SUCCEEDED: (glyphs.GOOD, "green"),
    ExecutionState.FAILED: (glyphs.BAD, "bold red"),
    ExecutionState.CANCELLED: (glyphs.BAD, "yellow"),
    ExecutionState.UNKNOWN: (glyphs.UNKNOWN, "yellow"),
}


# -------------------------------------------------------------------------------------------------------------- a plan


def plan_document(environment: Environment, found: PlanView) -> Document:
    """`brconsole.migration-plan/1`; what is not known is null."""
    plan, view = found.plan, found.view
    approval = view.approval
    reports = {report.revision: report for report in found.checked.reports}
    return {
        "schema": PLAN_SCHEMA,
        "environment": environment.name,
        "service": found.candidate.service,
        "revision": found.candidate.revision.name,
        "image": found.candidate.image,
        "applied": None if plan is None else plan.schema.applied,
        "head": None if plan is None else plan.head,
        "hash": None if plan is None else plan.hash,
        "approved": None if plan is None else isinstance(approval, Approval) and approval.plan == plan.hash,
        "approval": _approval(approval),
        "as_of": None if plan is None else moment(plan.schema.as_of),
        "pending": None
        if plan is None
        else [_revision(planned, reports.get(planned.revision)) for planned in plan.revisions],
        "refused": list(found.checked.refused),
        "check": found.checked.problem or None,
        "out_of_reach": list(found.lost),
        "notes": list(found.notes),
    }


def render_plan(environment: Environment, found: PlanView, terminal: Terminal, *, with_sql: bool) -> str:
    """The plan as a reviewer reads it."""
    candidate, plan = found.candidate, found.plan
    head = (
        f"{environment.name} {candidate.service}: {candidate.revision.name}, {(candidate.revision.digest or '')[:19]}"
    )
    if plan is None:
        return f"{head}\nno current plan of it is known: {age(found.view)}"
    lines = [head, f"database at {plan.schema.applied or 'no revision'}, head is {plan.head}"]
    if not plan.revisions:
        return "\n".join((*lines, "nothing is pending"))
    reports = {report.revision: report for report in found.checked.reports}
    columns = (
        Column("REVISION", no_wrap=True),
        Column("CLASS", no_wrap=True),
        Column("UNDO", no_wrap=True),
        Column("LOCKS", overflow="fold"),
        Column("WHAT", overflow="fold"),
    )
    rows = (_plan_row(planned, reports.get(planned.revision)) for planned in plan.revisions)
    lines.append(render_rows(columns, rows, terminal).rstrip("\n"))
    for planned in plan.revisions:
        report = reports.get(planned.revision)
        for finding in () if report is None else report.findings:
            place = "" if report is None else f"{report.source.file}" + (f":{finding.line}" if finding.line else "")
            word, said = "refused" if finding.refuses else "note", f"{finding.message} {finding.cure}".strip()
            lines.append(f"{word}: {clean(place, 200)}: {finding.rule}: {clean(said, 400)}")
        if with_sql:
            lines.append(f"-- {planned.revision} {clean(planned.title, 200)}")
            lines += [clean(part) for statement in planned.sql for part in statement.splitlines()]
    lines += [clean(note, 400) for note in found.notes]
    if found.checked.problem:
        lines.append(f"not checked: {clean(found.checked.problem, 400)}")
    approval = found.view.approval
    lines.append(f"plan {plan.hash}")
    if isinstance(approval, Approval) and approval.plan == plan.hash:
        lines.append(f"{approval_told(approval)}; run it with: brconsole migrate run {environment.name}")
    elif not found.checked.refused:
        lines.append(f"approve it with: brconsole migrate approve {environment.name} {plan.hash[:12]}")
    return "\n".join(lines)


def proposal_lines(made: JobProposal) -> Iterator[str]:
    """What is put to a person before it is sent."""
    asked = made.plan
    yield f"{asked.environment} {asked.job}: {asked.what}  [{asked.project}, {asked.region}]"
    if made.request is not None:
        for planned in made.request.plan.revisions:
            yield f"  {planned.revision}  {planned.migration_class.value:<8}  {clean(planned.title, 100)}"
    for key, after in asked.after.items():
        before = asked.before.get(key)
        if after != before:
            yield f"  {key}: " + (f"{clean(str(before), 200)} → " if before else "") + clean(str(after), 200)
    for note in made.notes:
        yield f"  {clean(note, 400)}"


def outcome_document(
    environment: Environment, action: WriteAction, outcome: Outcome, made: JobProposal | None
) -> Document:
    """What became of one order."""
    request = None if made is None else made.request
    return {
        "schema": OUTCOME_SCHEMA,
        "environment": environment.name,
        "job": outcome.service or None,
        "action": action.value,
        "result": outcome.kind.value,
        "exit_status": outcome.exit_status,
        "sentence": outcome.sentence,
        "plan": None if request is None else request.plan.hash,
        "release": None if request is None else request.release or None,
        "blocked_by": list(outcome.blocked_by),
        "notes": list(outcome.notes),
        "entry": outcome.entry,
    }


# ------------------------------------------------------------------------------------------------------------ a status


def status_document(environment: Environment, view: MigrationView) -> Document:
    """`brconsole.migration/1`; what is not known is null."""
    schema = view.schema
    run = view.last_run
    return {
        "schema": STATUS_SCHEMA,
        "environment": environment.name,
        "job": None if view.job is None else view.job.name,
        "image": None if view.job is None else view.job.image,
        "applied": None if schema is None else schema.applied,
        "head": None if schema is None else schema.head,
        "index": view.live,
        "pending": None if schema is None else list(schema.pending),
        "as_of": None if schema is None else moment(schema.as_of),
        "told_by": None if schema is None else schema.execution,
        "doubt": None if schema is None else schema.doubt or None,
        "approval": _approval(view.approval),
        "claim": _claim(view.claim),
        "last_run": None if run is None else _execution(run, view),
        "executions": [_execution(execution, view) for execution in view.executions[:SHOWN_EXECUTIONS]],
    }


def status_lines(environment: Environment, view: MigrationView) -> Iterator[str]:
    """The same as sentences, each readable by itself."""
    yield f"Migrations of {environment.name}, at {moment(view.as_of)}."
    if view.job is None:
        yield "There is no migration job of the configured name."
        return
    schema = view.schema
    if schema is None:
        yield "Where the database stands is not known: no execution has told."
    else:
        yield f"The database is at {schema.applied or 'no revision'}, head is {schema.head or _UNKNOWN}, {age(view)}."
        yield f"Pending: {', '.join(schema.pending) or 'nothing'}."
        if schema.doubt:
            yield f"In doubt: {clean(schema.doubt, 200)}."
    yield f"Approval: {approval_told(view.approval)}."
    yield f"Claim: {_claim_told(view.claim)}."
    for execution in view.executions[:SHOWN_EXECUTIONS]:
        began = moment(execution.created) or "at an unknown time"
        yield f"Execution {execution.name}, {execution.mode or _UNKNOWN}, {began}: {_end_told(execution, view)}."


def render_status(environment: Environment, view: MigrationView, terminal: Terminal) -> str:
    """The same for a person at a terminal."""
    if view.job is None:
        return f"{environment.name}: there is no migration job of the configured name"
    schema = view.schema
    lines = [f"{environment.name} {view.job.name}: {clean(view.job.image, 200)}"]
    if schema is None:
        lines.append("where the database stands is not known: no execution has told")
    else:
        lines.append(f"database at {schema.applied or 'no revision'}, head is {schema.head or _UNKNOWN}, {age(view)}")
        lines.append(f"pending: {', '.join(schema.pending) or 'nothing'}")
        if schema.doubt:
            lines.append(f"in doubt: {clean(schema.doubt, 200)}")
    lines += [approval_told(view.approval), f"claim: {_claim_told(view.claim)}"]
    columns = (
        Column("EXECUTION", no_wrap=True),
        Column("WHAT", no_wrap=True),
        Column("BEGAN (UTC)", no_wrap=True),
        Column("HOW IT ENDED", overflow="fold"),
    )
    rows = (_execution_row(execution, view) for execution in view.executions[:SHOWN_EXECUTIONS])
    return "\n".join((*lines, render_rows(columns, rows, terminal).rstrip("\n")))


def age(view: MigrationView) -> str:
    """Of when what is known of the database is."""
    schema: SchemaState | None = view.schema
    if schema is None:
        return "no execution has told where the database stands"
    return f"told by {schema.execution} at {schema.as_of:%Y-%m-%d %H:%M:%S} UTC"


def _plan_row(planned: PlannedRevision, report: RevisionReport | None) -> tuple[Text, ...]:
    reversible = None if report is None else report.reversible
    undo = {True: Text("yes", "green"), False: Text("no", "bold red"), None: Text("not tried", "yellow")}[reversible]
    locks = "; ".join(_lock_told(lock) for lock in planned.locks) or "none"
    return (
        Text(clean(planned.revision, 40)),
        Text(planned.migration_class.value),
        undo,
        Text(clean(locks, 300)),
        Text(clean(planned.title, 200), "dim"),
    )


def _lock_told(lock: TableLock) -> str:
    facts = []
    if lock.rewrites:
        facts.append("rewritten")
    elif lock.scans:
        facts.append("read whole")
    facts.append("size unknown" if lock.rows is None else f"{lock.rows:,} rows")
    if lock.size_bytes is not None:
        facts.append(f"{lock.size_bytes / 1024 / 1024:,.1f} MiB")
    return f"{lock.mode} on {lock.table} ({', '.join(facts)})"


def _revision(planned: PlannedRevision, report: RevisionReport | None) -> Document:
    return {
        "revision": planned.revision,
        "title": planned.title,
        "file": None if report is None else report.source.file,
        "class": planned.migration_class.value,
        "reversible": None if report is None else report.reversible,
        "verdict": None if report is None else report.ruling.value,
        "findings": None
        if report is None
        else [
            {
                "rule": one.rule,
                "line": one.line,
                "statement": one.statement,
                "message": one.message,
                "cure": one.cure,
                "refuses": one.refuses,
            }
            for one in report.findings
        ],
        "locks": [
            {
                "table": lock.table,
                "mode": lock.mode,
                "rewrites": lock.rewrites,
                "scans": lock.scans,
                "rows": lock.rows,
                "bytes": lock.size_bytes,
            }
            for lock in planned.locks
        ],
        "sql": list(planned.sql),
    }


def _approval(approval: object) -> Document | None:
    if not isinstance(approval, Approval):
        return None
    return {"plan": approval.plan, "by": approval.by, "at": moment(approval.at)}


def _claim(claim: object) -> Document | None:
    if not isinstance(claim, Claim):
        return None
    return {
        "release": claim.release,
        "plan": claim.plan,
        "image": claim.image,
        "by": claim.by,
        "at": moment(claim.at),
    }


def _claim_told(claim: object) -> str:
    if not isinstance(claim, Claim):
        return "none" if claim is None else "it cannot be read"
    return f"{claim.release} by {clean(claim.by, 100)} at {claim.at:%Y-%m-%d %H:%M:%S} UTC"


def _execution(execution: Execution, view: MigrationView) -> Document:
    ended = view.said(execution).ended
    return {
        "name": execution.name,
        "mode": execution.mode or None,
        "state": execution.state.value,
        "release": execution.env.get(RELEASE_ENV),
        "plan": execution.env.get(PLAN_ENV),
        "image": execution.image,
        "created": moment(execution.created),
        "completed": moment(execution.completed),
        "end": None if ended is None else ended.end.value,
        "reason": (ended.reason if ended is not None else execution.message) or None,
        "applied": None if ended is None else ended.applied,
    }


def _execution_row(execution: Execution, view: MigrationView) -> tuple[Text, ...]:
    glyph, style = _SIGNS[execution.state]
    began = "unknown" if execution.created is None else f"{execution.created:%Y-%m-%d %H:%M:%S}"
    return (
        Text(clean(execution.name, 63)),
        Text(clean(execution.mode or _UNKNOWN, 20)),
        Text(began, "dim"),
        Text(f"{glyph} {_end_told(execution, view)}", style),
    )


def _end_told(execution: Execution, view: MigrationView) -> str:
    said = view.said(execution)
    words = execution.state.value
    if said.ended is not None and said.ended.reason:
        return f"{words}: {clean(said.ended.reason, 200)}"
    if said.ended is not None and said.ended.applied:
        return f"{words}: database at {said.ended.applied}"
    if said.schema is not None:
        return f"{words}: database at {said.schema.applied or 'no revision'}, {len(said.schema.pending)} pending"
    return f"{words}: {clean(execution.message, 200)}" if execution.message else words
