"""The parts of the migrations screen: where the database stands, what is pending, what a run does, what ran before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from brconsole.domain.annotation import Unreadable
from brconsole.domain.job import ExecutionState
from brconsole.domain.migration import Finding, MigrationClass, RevisionReport, Ruling, TableLock
from brconsole.domain.migration_log import PlannedRevision, PlannedRun, Report, RunEnd, SchemaState
from brconsole.domain.migration_run import Approval, Claim
from brconsole.domain.migration_view import MigrationView, RunView
from brconsole.operations.desk import MigrationSeen
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import EMPTY, Line, Pen, fit, fit_middle, fit_text, shown, wrap
from brconsole.tui.panels import sql

CLASSES: Mapping[MigrationClass, tuple[str, str]] = {
    MigrationClass.EXPAND: ("expand", "good"),
    MigrationClass.CONTRACT: ("CONTRACT", "warn"),
    MigrationClass.DATA: ("data", "accent"),
    MigrationClass.UNKNOWN: ("UNKNOWN", "bad"),
}
"""Upper case is what wants a second look, also without colour."""
STATES: Mapping[ExecutionState, tuple[str, str]] = {
    ExecutionState.RUNNING: (glyphs.BUSY, "accent"),
    ExecutionState.SUCCEEDED: (glyphs.GOOD, "good"),
    ExecutionState.FAILED: (glyphs.BAD, "bad"),
    ExecutionState.CANCELLED: (glyphs.STALE, "warn"),
    ExecutionState.UNKNOWN: (glyphs.UNKNOWN, "dim"),
}
_REVERSIBLE: Mapping[bool | None, tuple[str, str]] = {
    True: (f"{glyphs.GOOD} reversible", "good"),
    False: (f"{glyphs.BAD} one way", "bad"),
    None: (f"{glyphs.UNKNOWN} not tried", "dim"),
}
_SEVERITIES: Mapping[str, str] = {"ERROR": "bad", "CRITICAL": "bad", "WARNING": "warn", "DEBUG": "dim"}


@dataclass(frozen=True, slots=True)
class Row:
    """A revision that is pending: as the job planned it, with the check of it where there is one of this very plan."""

    planned: PlannedRevision
    report: RevisionReport | None
    state: str = ""
    """How far the run under way is with it: `started`, `done` or `failed`."""

    @property
    def sql(self) -> tuple[str, ...]:
        """What it does to the database."""
        return self.planned.sql or (self.report.upgrade_sql if self.report is not None else ())

    @property
    def locks(self) -> tuple[TableLock, ...]:
        """What it locks."""
        return self.planned.locks or (self.report.locks if self.report is not None else ())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the check found, what refuses first."""
        found = () if self.report is None else self.report.findings
        return tuple(sorted(found, key=lambda finding: not finding.refuses))


def rows(seen: MigrationSeen) -> tuple[Row, ...]:
    """The revisions of the plan in their order; without a plan, the names that a status told."""
    plan = plan_of(seen)
    steps = {} if seen.run is None else {step.revision: step.state for step in seen.run.report.steps}
    if plan is not None:
        checked = () if seen.plan is None else seen.plan.checked.reports
        reports = {report.revision: report for report in checked}
        return tuple(Row(one, reports.get(one.revision), steps.get(one.revision, "")) for one in plan.revisions)
    schema = None if seen.view is None else seen.view.schema
    if schema is None:
        return ()
    classes = {step.revision: step.migration_class for step in schema.history}
    return tuple(
        Row(PlannedRevision(name, "", classes.get(name, MigrationClass.UNKNOWN)), None, steps.get(name, ""))
        for name in schema.pending
    )


def plan_of(seen: MigrationSeen) -> PlannedRun | None:
    """The plan to show: the candidate's, and while that is being checked for the first time the newest there is."""
    if seen.plan is not None:
        return seen.plan.plan
    return seen.view.plan() if seen.view is not None and seen.checking else None


def settled(seen: MigrationSeen) -> bool:
    """Whether it is known that nothing is pending: by the candidate's plan, else by whatever code looked last."""
    plan = plan_of(seen)
    if plan is not None:
        return not plan.revisions
    schema = None if seen.view is None else seen.view.schema
    return schema is not None and not schema.pending and not schema.doubt


def verdict(seen: MigrationSeen, keys: Mapping[str, str], width: int) -> Line:
    """One sentence: what stands between here and the head, and the key that is next."""
    sign, role, text, key = _next(seen)
    if seen.view is not None and seen.problem is not None:  # what was last known leads to no key
        return fit(
            Pen().put(" ").put(f"{glyphs.BAD} ", "bad").put(f"as it was last known: {text}", "grey").line(), width
        )
    pen = Pen().put(" ").put(f"{sign} ", role).put(text, "text")
    if key and key in keys:
        pen.put("  ").put(keys[key], "key").put(f" {_KEY_WORDS[key]}", "dim")
    return fit(pen.line(), width)


_KEY_WORDS = {
    "migration.plan": "has the candidate's code plan it",
    "migration.approve": "approves it, once reviewed",
    "migration.run": "runs it",
    "migration.cancel": "cancels it",
    "migration.look": "asks the database",
}


def _next(seen: MigrationSeen) -> tuple[str, str, str, str]:
    """Sign, role, sentence and the action that is next."""
    view = seen.view
    if seen.configured is False:
        return glyphs.UNKNOWN, "dim", "no migrations are configured here", ""
    if view is None:
        if seen.problem is not None:
            return glyphs.BAD, "bad", shown(seen.problem, 200), ""
        return glyphs.LOADING, "dim", "waiting for the job", ""
    if view.job is None:
        return glyphs.BAD, "bad", "there is no job of the configured name in this project", ""
    busy = view.under_way
    if busy is not None:
        return glyphs.BUSY, "accent", f"{shown(busy.name, 63)} is at work", "migration.cancel"
    schema = view.schema
    if schema is None:
        return glyphs.UNKNOWN, "warn", "nobody has asked the database yet", "migration.look"
    if schema.doubt:
        return (
            glyphs.WARN,
            "warn",
            f"where the database stands is not certain: {shown(schema.doubt, 160)}",
            ("migration.look"),
        )
    plan = plan_of(seen)
    if plan is None:
        if schema.pending:
            return glyphs.STALE, "warn", f"{len(schema.pending)} pending, and no current plan of them", "migration.plan"
        text = f"nothing is pending by the code that looked; the database is at {_name(schema.applied)}"
        return glyphs.GOOD, "good", text, "migration.plan"
    if not plan.revisions:
        return glyphs.GOOD, "good", f"nothing is pending: the database is at {_name(schema.applied)}", ""
    return _of_plan(seen, len(plan.revisions), plan.hash)


def _of_plan(seen: MigrationSeen, pending: int, plan_hash: str) -> tuple[str, str, str, str]:
    checked = None if seen.plan is None else seen.plan.checked
    if seen.checking:
        return glyphs.LOADING, "accent", f"{pending} pending; the check tries them up, down and up", ""
    if checked is not None and checked.refused:
        return glyphs.BAD, "bad", f"the check refuses {len(checked.refused)} of {pending}; nothing may run", ""
    approval = None if seen.view is None else seen.view.approval
    if not isinstance(approval, Approval) or approval.plan != plan_hash:
        of_these = isinstance(approval, Approval) and approval.speaks_of(row.planned.revision for row in rows(seen))
        word = "the plan changed since its approval" if of_these else "the plan is not approved"
        return glyphs.STALE, "warn", f"{pending} pending; {word}", "migration.approve"
    if checked is not None and checked.problem:
        return glyphs.WARN, "warn", f"{pending} pending and approved; {shown(checked.problem, 120)}", "migration.run"
    return glyphs.STALE, "accent", f"{pending} pending, checked and approved", "migration.run"


def database(seen: MigrationSeen, now: datetime | None, width: int) -> list[Line]:
    """Where the database stands, which code would move it, who approved what, and who claimed the job."""
    view = seen.view
    if view is None:
        return []
    schema = view.schema
    lines: list[Line] = []
    if schema is None:
        lines.append((("No execution of the job has told where the database stands.", "dim"),))
    else:
        lines += [_line_of(schema, len(rows(seen)), width), _stands(schema, now, width)]
    lines.append(_candidate(seen, width))
    lines.append(_plan(view, seen, now, width))
    claim = view.claim
    if isinstance(claim, Claim):
        pen = Pen().put("claimed    ", "dim").put(shown(claim.by, 60).partition("@")[0], "text")
        pen.put(f" {formats.age(_age(claim.at, now))} ago", "dim").put(f"  for {shown(claim.release, 40)}", "dim")
        lines.append(fit(pen.line(), width))
    if view.error:
        lines += wrap(f"{glyphs.PARTIAL} {shown(view.error, 200)}", width, "warn", 2)
    return lines


def _line_of(schema: SchemaState, pending: int, width: int) -> Line:
    """The line of revisions: what is applied is solid, what is pending is hollow."""
    applied = sum(1 for step in schema.history if schema.live is not None and step.index <= schema.live)
    pen = Pen().put("schema     ", "dim")
    room = max(4, min(width - pen.width - 30, 60))
    total = max(1, applied + pending)
    solid = round(room * applied / total) if total > room else applied
    hollow = (room - solid if total > room else pending) if pending else 0
    pen.put("━" * max(0, solid - 1), "good").put(glyphs.LIVE if applied else "", "good bold")
    pen.put("○" * hollow if total <= room else "╌" * hollow, "warn")
    live = "?" if schema.live is None else str(schema.live)
    pen.put(f"  {live} of {total}", "strong")
    return fit(pen.put(f", {pending} pending" if pending else ", at head", "warn" if pending else "good").line(), width)


def _stands(schema: SchemaState, now: datetime | None, width: int) -> Line:
    pen = Pen().put("stands at  ", "dim")
    pen.put(f"{glyphs.WARN} " if schema.doubt else "", "warn").put(_name(schema.applied), "strong")
    if schema.head is not None and schema.head != schema.applied:
        pen.put(" → ", "dim").put(shown(schema.head, 60), "warn")
    elif len(schema.heads) > 1:
        pen.put(f"  {glyphs.BAD} {len(schema.heads)} heads", "bad")
    old = formats.age(_age(schema.as_of, now))
    return fit(pen.put(f"   told {old} ago by {shown(schema.execution, 63)}", "dim").line(), width)


def _candidate(seen: MigrationSeen, width: int) -> Line:
    pen = Pen().put("candidate  ", "dim")
    if seen.plan is None:
        why = shown(seen.plan_problem, 200) if seen.plan_problem else "not looked for yet"
        return fit(pen.put(why, "warn" if seen.plan_problem else "dim").line(), width)
    found = seen.plan.candidate
    pen.put(shown(found.revision.name, 63), "canary")
    if found.rollout is not None:
        pen.put(f"  of rollout {shown(found.rollout.id, 40)}", "dim")
    digest = found.image.rpartition("@sha256:")[2][:12]
    return fit(pen.put(f"   image {digest}", "dim").line(), width)


def _plan(view: MigrationView, seen: MigrationSeen, now: datetime | None, width: int) -> Line:
    plan = plan_of(seen)
    pen = Pen().put("plan       ", "dim")
    if plan is None:
        return fit(pen.put("none of this candidate from where the database stands", "dim").line(), width)
    pen.put(plan.hash[:12], "strong").put("  ")
    approval = view.approval
    if isinstance(approval, Unreadable):
        pen.put(f"{glyphs.BAD} the approval cannot be read", "bad")
    elif approval is None:
        pen.put(f"{glyphs.STALE} not approved", "warn")
    elif approval.plan == plan.hash:
        who, old = shown(approval.by, 60).partition("@")[0], formats.age(_age(approval.at, now))
        pen.put(f"{glyphs.GOOD} approved", "good").put(f" by {who} {old} ago", "dim")
    elif approval.speaks_of(one.revision for one in plan.revisions):
        pen.put(f"{glyphs.WARN} approved was {approval.plan[:12]}", "warn")
    else:
        pen.put(f"{glyphs.STALE} not approved", "warn").put(f", the last that was is {approval.plan[:12]}", "dim")
    return fit(pen.line(), width)


def pending(listed: Sequence[Row], width: int) -> list[Line]:
    """One line a revision: its sign, name and title, its class, whether there is a way back, its worst lock."""
    wide = width >= 72
    column = min(max([8, *(len(shown(row.planned.revision, 40)) for row in listed)]), 20 if wide else 12)
    lines: list[Line] = []
    for row in listed:
        sign, role = _row_sign(row)
        word, class_role = _class_of(row)
        pen = Pen().put(f"{sign} ", role).cell(fit_middle(shown(row.planned.revision, 40), column), column, "strong")
        pen.put(" ").cell(word, 9, class_role)
        if wide:
            back, back_role = _REVERSIBLE[None if row.report is None else row.report.reversible]
            pen.cell(back, 13, back_role)
        title = row.planned.title or (row.report.source.title if row.report is not None else "")
        lock = _worst(row.locks)
        tail = f" {glyphs.PENDING} {lock.mode.lower()}" if lock is not None and wide and width >= 100 else ""
        room = width - pen.width - len(tail)
        pen.cell(shown(title, 120), max(0, room), "text")
        lines.append(fit(pen.put(tail, "warn" if lock and (lock.rewrites or lock.scans) else "dim").line(), width))
    return lines


def _class_of(row: Row) -> tuple[str, str]:
    """What it is by the plan, else by the check; nothing is called UNKNOWN that nobody has tried to tell."""
    found = row.planned.migration_class
    if found is MigrationClass.UNKNOWN and row.report is not None:
        return CLASSES[row.report.migration_class]
    return (formats.UNKNOWN, "dim") if found is MigrationClass.UNKNOWN and not row.planned.sql else CLASSES[found]


def _row_sign(row: Row) -> tuple[str, str]:
    if row.state:
        return {"started": (glyphs.BUSY, "accent"), "done": (glyphs.GOOD, "good")}.get(row.state, (glyphs.BAD, "bad"))
    if row.report is None:
        return glyphs.UNKNOWN, "dim"
    return (glyphs.BAD, "bad") if row.report.ruling is Ruling.REFUSED else (glyphs.GOOD, "good")


def _worst(locks: Sequence[TableLock]) -> TableLock | None:
    return max(locks, key=lambda lock: (lock.rewrites, lock.scans, lock.rows or 0), default=None)


def facts(row: Row | None, width: int) -> list[Line]:
    """What the check says of the chosen revision: findings with their cure, then the locks with sizes."""
    if row is None:
        return []
    lines: list[Line] = []
    for finding in row.findings:
        sign, role = (glyphs.BAD, "bad") if finding.refuses else (glyphs.WARN, "warn")
        where = f":{finding.line}" if finding.line is not None else ""
        lines += _hanging(f"{sign} ", role, f"{finding.rule}{where}  {shown(finding.message, 400)}", role, width)
        lines += _hanging("  → ", "dim", shown(finding.cure, 400), "text", width)
    for lock in row.locks:
        lines.append(_lock(lock, width))
    if row.report is not None:
        back, role = _REVERSIBLE[row.report.reversible]
        said = "up, down and up again left the same schema" if row.report.reversible else ""
        lines.append(fit(((back, role), (f"  {said}" if said else "", "dim")), width))
    return lines


def statements(row: Row, width: int) -> list[Line]:
    """What the chosen revision does; or why nobody can tell."""
    if row.sql:
        return sql.statements(row.sql, width)
    if row.report is not None:
        return [(("It does nothing that could be rendered offline.", "dim"),)]
    return [(("No plan of the candidate's code has told yet what it does.", "dim"),)]


def _hanging(sign: str, sign_role: str, text: str, role: str, width: int) -> list[Line]:
    """A text behind its sign, the lines after the first below it."""
    listed = wrap(text, max(10, width - len(sign)), role, 4)
    return [((sign if not index else " " * len(sign), sign_role), *line) for index, line in enumerate(listed)]


def _lock(lock: TableLock, width: int) -> Line:
    pen = Pen().put(f"{glyphs.PENDING} {lock.mode.lower()}", "warn" if lock.rewrites or lock.scans else "dim")
    pen.put(f" on {shown(lock.table, 60)}", "text")
    if lock.rewrites or lock.scans:
        pen.put("  rewrites it" if lock.rewrites else "  reads all of it", "warn bold")
    size = [] if lock.rows is None else [f"{formats.count(lock.rows)} rows"]
    size += [] if lock.size_bytes is None else [formats.size(lock.size_bytes)]
    return fit(pen.put(f"  {', '.join(size)}" if size else "  size not known", "dim").line(), width)


def run_title(seen: MigrationSeen) -> Line:
    """Which run the log is of, and how it is."""
    if seen.run is None:
        return (("Run", "title"),)
    execution = seen.run.report.execution
    return ((f"Run · {shown(execution.name, 63)}", "title"),)


def run_badge(run: RunView | None) -> Line:
    """How far the run is."""
    if run is None:
        return EMPTY
    sign, role = STATES[run.report.execution.state]
    ended = run.report.ended
    if ended is not None and ended.end is not RunEnd.SENTINEL:
        return ((f"{glyphs.BAD} {ended.end.value}", "bad"),)
    return ((f"{sign} {run.report.execution.state.value}", role),)


def log(run: RunView | None, width: int) -> list[Line]:
    """What the run logged, oldest first; then its last word."""
    if run is None:
        return [(("No migration has run here.", "dim"),)]
    lines: list[Line] = []
    for entry in run.lines:
        role = _SEVERITIES.get(entry.severity, "text")
        lines += _hanging(f"{formats.clock(entry.at)} ", "dim", shown(entry.text, 600), role, width)
    if run.problem:
        lines += wrap(f"{glyphs.BAD} {shown(run.problem, 300)}", width, "bad", 2)
    if not lines:
        wait = "The log has not arrived yet." if run.report.execution.under_way else "It logged nothing."
        lines = [((wait, "dim"),)]
    return lines


def history(view: MigrationView | None, now: datetime | None, width: int) -> list[Line]:
    """The executions of the job, newest first: when, what was asked, how it ended, how long it took."""
    if view is None:
        return []
    if not view.executions:
        return [(("The job has never been started.", "dim"),)]
    return [_execution(view.said(execution), now, width) for execution in view.executions]


def _execution(said: Report, now: datetime | None, width: int) -> Line:
    execution = said.execution
    sign, role = STATES[execution.state]
    pen = Pen().put(f"{sign} ", role).cell(formats.moment(execution.created, now), 7, "dim")
    pen.cell(execution.mode or formats.UNKNOWN, 7, "strong" if execution.mode == "run" else "dim")
    text = _outcome(said)
    took = ""
    if execution.created is not None and execution.completed is not None:
        took = formats.duration((execution.completed - execution.created).total_seconds())
    pen.cell(text, max(0, width - pen.width - 8), "bad" if role == "bad" else "text").cell(took, 8, "dim", right=True)
    return fit(pen.line(), width)


def _outcome(said: Report) -> str:
    ended = said.ended
    if ended is not None and ended.end is RunEnd.SENTINEL:
        return f"{'was ' if ended.already else ''}at {_name(ended.applied)}"
    if ended is not None:
        return f"{ended.end.value}: {shown(ended.reason, 120)}"
    if said.schema is not None:
        return f"at {_name(said.schema.applied)}"
    return fit_text(shown(said.execution.message, 160), 160).rstrip() or said.execution.state.value


def lost(seen: MigrationSeen, width: int) -> list[Line]:
    """What becomes impossible by running the plan."""
    notes = () if seen.plan is None else seen.plan.notes
    return [line for note in notes for line in wrap(f"{glyphs.WARN} {shown(note, 300)}", width, "warn", 2)]


def _name(revision: str | None) -> str:
    return "the empty database" if revision is None else shown(revision, 60)


def _age(at: datetime, now: datetime | None) -> float | None:
    return None if now is None else max(0.0, (now - at).total_seconds())
