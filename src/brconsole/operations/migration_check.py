"""The check of an Alembic project: every pending revision rendered, read, judged, linted, and tried on a real server.

Nothing here reaches a production database. What it finds is in the reports; what keeps it from looking at all
(no project, no interpreter) is a `SourceFailure`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from brconsole.domain.catalogue import Catalogue
from brconsole.domain.migration import (
    Finding,
    MigrationClass,
    RevisionFile,
    RevisionReport,
    RunningCode,
    SchemaRevision,
)
from brconsole.domain.migration_rules import Candidate, Judgement, Rendered, Surroundings, judge, multiple_heads
from brconsole.domain.statement import Fact, Kind, Statement
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.migration_ports import (
    AlembicSource,
    Direction,
    Linter,
    MigrationRunner,
    ProjectFiles,
    StatementReader,
    StepResult,
    Trial,
    TrialGround,
)

_ROLE_MISSING = re.compile(r'role "(?P<name>[^"]+)" does not exist')
_NOT_HERE = re.compile(r"extension .* is not available|could not open extension control file|could not access file")
_MOST_ROLES = 20
_MOST_DIFFERENCES = 3
_UNSAID = (Kind.SELECT, Kind.SET, Kind.BEGIN, Kind.COMMIT, Kind.SAVEPOINT, Kind.OTHER, Kind.OPAQUE, Kind.LOCK)


@dataclass(frozen=True, slots=True)
class _Rendering:
    """The line with each revision rendered up, and down where it is pending."""

    files: ProjectFiles
    candidates: Mapping[str, Candidate]


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a real server said of one revision."""

    reversible: bool | None
    findings: tuple[Finding, ...] = ()


class MigrationCheck:
    """The port `MigrationProject` on an Alembic project.

    `ground` is None where no throwaway server is wanted; `tell` is told, once, why there is none.
    """

    def __init__(
        self,
        source: AlembicSource,
        read: StatementReader,
        lint: Linter,
        ground: TrialGround | None,
        tell: Callable[[str], None],
    ) -> None:
        self._source = source
        self._read = read
        self._lint = lint
        self._ground = ground
        self._tell = tell

    async def revisions(self) -> tuple[SchemaRevision, ...]:
        """Every revision, each after the ones it builds on."""
        async with self._source.offline() as runner:
            return tuple(file.source for file in _sound(runner.files).revisions)

    async def check(
        self,
        applied: str | None,
        rows: Mapping[str, int] | None = None,
        running: RunningCode | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> tuple[RevisionReport, ...]:
        """As the port says. With `rows` and without `applied` the database is known to be empty."""
        async with AsyncExitStack() as stack:
            opening = asyncio.create_task(self._open(stack))
            try:
                async with self._source.offline() as runner:
                    files = _sound(runner.files)
                    done = _applied(files, applied)
                    rendering = await self._render(runner, files, done or frozenset())
            finally:
                trial = await opening
            known = done if done is not None or rows is None else frozenset()
            judgements = self._judge(rendering, known, rows, running, approved)
            remarks = await self._lint({key: rendering.candidates[key].up.statements for key in judgements})
            tried: Mapping[str, _Tried] = {}
            if trial is not None:
                tried = await self._try(trial, rendering, tuple(judgements))
        return tuple(
            _report(rendering.candidates[key], judgement, remarks.get(key, ()), tried.get(key))
            for key, judgement in judgements.items()
        )

    async def _open(self, stack: AsyncExitStack) -> Trial | None:
        if self._ground is None:
            return None
        try:
            return await stack.enter_async_context(self._ground.open())
        except SourceFailure as failure:
            self._tell(f"up, down and up again was not tried: {failure}")
            return None

    async def _render(self, runner: MigrationRunner, files: ProjectFiles, done: frozenset[str]) -> _Rendering:
        candidates = {}
        for file in files.revisions:
            key = file.source.revision
            up = _rendered(await runner.step(key, Direction.UP), self._read)
            down = Rendered()
            if key not in done and file.downgrade == "present":
                down = _rendered(await runner.step(key, Direction.DOWN), self._read)
            candidates[key] = Candidate(file, up, down)
        return _Rendering(files, candidates)

    def _judge(
        self,
        rendering: _Rendering,
        done: frozenset[str] | None,
        rows: Mapping[str, int] | None,
        running: RunningCode | None,
        approved: Mapping[str, str] | None,
    ) -> dict[str, Judgement]:
        files = rendering.files
        index = {file.source.revision: number for number, file in enumerate(files.revisions, start=1)}
        catalogues = _Catalogues(rendering)
        empty: set[str] = set()
        judgements: dict[str, Judgement] = {}
        for file in files.revisions:
            key = file.source.revision
            candidate = rendering.candidates[key]
            before = catalogues.before(file)
            if key not in (done or ()):
                around = Surroundings(
                    before=before,
                    index=index,
                    ancestors=_ancestors(files, key),
                    applied=done,
                    rows=rows,
                    empty_tables=frozenset(empty),
                    running=running,
                    approved=approved,
                )
                judgement = judge(candidate, around)
                heads = multiple_heads(files.heads, key)
                if heads is not None:
                    judgement = replace(judgement, findings=(heads, *judgement.findings))
                judgements[key] = judgement
                if done is not None:
                    _follow_empty(empty, candidate.up.facts)
            catalogues.follow(file, before)
        return judgements

    async def _try(self, trial: Trial, rendering: _Rendering, pending: Sequence[str]) -> Mapping[str, _Tried]:
        attempt = _Attempt(trial, self._source, rendering, self._read)
        try:
            return await attempt.all(frozenset(pending))
        finally:
            await attempt.close()


class _Catalogues:
    """What a database holds before each revision: what the ones that it builds on have made, and no other branch."""

    def __init__(self, rendering: _Rendering) -> None:
        self._rendering = rendering
        self._after: dict[str, Catalogue] = {}

    def before(self, file: RevisionFile) -> Catalogue:
        """Before a revision; a copy of its own."""
        below = file.source.down_revisions
        if len(below) == 1 and below[0] in self._after:
            return self._after[below[0]].copy()
        ancestors = _ancestors(self._rendering.files, file.source.revision)
        catalogue = Catalogue()
        for other in self._rendering.files.revisions:
            if other.source.revision in ancestors:
                catalogue.apply(self._rendering.candidates[other.source.revision].up.facts)
        return catalogue

    def follow(self, file: RevisionFile, before: Catalogue) -> None:
        """Remember what a revision leaves, for those that build on it. Takes `before` over."""
        before.apply(self._rendering.candidates[file.source.revision].up.facts)
        self._after[file.source.revision] = before


class _Attempt:
    """Takes the trial database along the line, and each pending revision back and forth."""

    def __init__(self, trial: Trial, source: AlembicSource, rendering: _Rendering, read: StatementReader) -> None:
        self._trial = trial
        self._source = source
        self._rendering = rendering
        self._read = read
        self._stack = AsyncExitStack()
        self._runner: MigrationRunner | None = None
        self._roles: set[str] = set()
        self._schema: frozenset[str] | None = None
        """As it stands; None where it was not looked at since it changed."""
        self._standing: list[str] = []
        """The revisions that the database has, in their order."""

    async def close(self) -> None:
        """End the runner."""
        await self._stack.aclose()

    async def all(self, pending: frozenset[str]) -> Mapping[str, _Tried]:
        """Try what is pending; what builds on a revision that failed is not tried."""
        self._runner = await self._stack.enter_async_context(self._source.online(self._trial.url))
        tried: dict[str, _Tried] = {}
        broken: set[str] = set()
        for file in self._rendering.files.revisions:
            key = file.source.revision
            if broken.intersection(file.source.down_revisions):
                broken.add(key)
                if key in pending:
                    tried[key] = _Tried(None, (_untried("a revision that it builds on could not be run"),))
                continue
            outcome = await self._one(file, key in pending)
            if outcome is None:
                continue
            if key not in self._standing:
                broken.add(key)
            tried[key] = outcome
        return {key: outcome for key, outcome in tried.items() if key in pending}

    async def _one(self, file: RevisionFile, pending: bool) -> _Tried | None:
        key = file.source.revision
        before = (self._schema or await self._trial.schema()) if pending else frozenset()
        self._schema = None
        up = await self._run(key, Direction.UP)
        if up.failure is not None:
            await self._rebuild()
            return _failed_up(up)
        self._standing.append(key)
        if not pending:
            return None
        findings = self._unsaid(key, up)
        if file.downgrade not in ("present", "empty"):
            return _Tried(False, findings)
        after = await self._trial.schema()
        down = await self._run(key, Direction.DOWN)
        if down.failure is not None:
            await self._rebuild()
            return _Tried(False, (*findings, *_failed_down(down)))
        back = await self._trial.schema()
        again = await self._run(key, Direction.UP)
        if again.failure is not None:
            await self._rebuild()
            failure = again.failure
            return _Tried(
                False,
                (
                    *findings,
                    Finding(
                        "not-reversible",
                        f"After its own downgrade the upgrade fails: {_first_line(failure.message)}.",
                        "Let the downgrade undo all that the upgrade did, or the upgrade say IF NOT EXISTS.",
                        failure.line,
                        _last_statement(again),
                    ),
                ),
            )
        same = await self._trial.schema()
        different = _differences(before, back, after, same, self._facts(key))
        if different is not None:
            await self._rebuild()
            return _Tried(False, (*findings, replace(different, line=file.downgrade_line)))
        self._schema = same
        return _Tried(True, findings)

    def _facts(self, key: str) -> tuple[Fact, ...]:
        return self._rendering.candidates[key].up.facts

    async def _run(self, key: str, direction: Direction) -> StepResult:
        """Run one revision; a role that the project takes for given is made first."""
        assert self._runner is not None
        while True:
            result = await self._runner.step(key, direction)
            missing = None if result.failure is None else _ROLE_MISSING.search(result.failure.message)
            if missing is None or missing["name"] in self._roles or len(self._roles) >= _MOST_ROLES:
                return result
            self._roles.add(missing["name"])
            await self._trial.create_role(missing["name"])

    async def _rebuild(self) -> None:
        """Bring the database to where it should stand: a failed trial may have left something half done."""
        assert self._runner is not None
        await self._trial.reset()
        for key in self._standing:
            await self._runner.step(key, Direction.UP)

    def _unsaid(self, key: str, up: StepResult) -> tuple[Finding, ...]:
        """What it did on the server that its offline rendering does not say."""
        candidate = self._rendering.candidates[key]
        if candidate.up.failure is not None:
            return ()
        said = {_essence(fact) for fact in candidate.up.facts}
        for statement in self._read(up.statements):
            for fact in statement.facts:
                if fact.kind not in _UNSAID and _essence(fact) not in said:
                    return (
                        Finding(
                            "not-renderable",
                            f"On a database it also does what its offline rendering does not say: {fact.kind.value}"
                            f" {fact.table or fact.name or ''}".rstrip()
                            + ".",
                            "Let it do the same in both modes, without asking the database first.",
                            statement.line,
                            statement.sql,
                        ),
                    )
        return ()


def _essence(fact: Fact) -> tuple[Kind, str | None, str | None]:
    return fact.kind, fact.table, fact.name


def _untried(why: str) -> Finding:
    return Finding("not-tried", f"It was not tried on a real server: {why}.", "", refuses=False)


def _failed_up(result: StepResult) -> _Tried:
    failure = result.failure
    assert failure is not None
    said = _first_line(failure.message)
    if _NOT_HERE.search(failure.message):
        return _Tried(None, (_untried(f"the throwaway server lacks something ({said})"),))
    if failure.refused or failure.type_name in ("ModuleNotFoundError", "NoSuchModuleError", "ImportError"):
        return _Tried(None, (_untried(said),))
    return _Tried(
        None,
        (
            Finding(
                "upgrade-fails",
                f"upgrade() fails on a real PostgreSQL: {said}.",
                "Mend it; what a revision before it made is all there.",
                failure.line,
                _last_statement(result),
            ),
        ),
    )


def _failed_down(result: StepResult) -> tuple[Finding, ...]:
    failure = result.failure
    assert failure is not None
    if failure.type_name == "NotImplementedError":
        return ()  # said by its own rule
    return (
        Finding(
            "downgrade-fails",
            f"downgrade() fails on a real PostgreSQL: {_first_line(failure.message)}.",
            "Undo the upgrade's statements in the opposite order.",
            failure.line,
            _last_statement(result),
        ),
    )


def _last_statement(result: StepResult) -> str:
    own = [piece.sql for piece in result.statements if piece.own]
    return own[-1].strip() if own else ""


def _differences(
    before: frozenset[str], back: frozenset[str], after: frozenset[str], again: frozenset[str], facts: Sequence[Fact]
) -> Finding | None:
    """The finding where down did not lead back, or up again not to the same."""
    for wanted, got, what in (
        (before, back, "after the downgrade the schema is not what it was"),
        (after, again, "up, down and up again leads to another schema than up"),
    ):
        different = sorted(wanted ^ got)
        if not different or (wanted is before and _only_what_stays(different, facts)):
            continue
        shown = [f"{'missing' if line in wanted else 'left'}: {line}" for line in different[:_MOST_DIFFERENCES]]
        more = len(different) - len(shown)
        listed = "; ".join(shown) + (f"; and {more} more" if more else "")
        return Finding("not-reversible", f"Tried on a real PostgreSQL, {what} ({listed}).", "Mend downgrade().")
    return None


def _only_what_stays(different: Sequence[str], facts: Sequence[Fact]) -> bool:
    """An enum's value cannot be taken away again; extensions, comments and validated constraints may stay."""
    kinds = {fact.kind for fact in facts}
    stays = []
    if Kind.ADD_ENUM_VALUE in kinds:
        stays.append("enum ")
    if Kind.COMMENT in kinds:
        stays.append("comment ")
    if Kind.VALIDATE_CONSTRAINT in kinds:
        stays.append("constraint ")
    if any(fact.kind is Kind.CREATE_OBJECT and fact.object_type == "extension" and fact.if_exists for fact in facts):
        stays.append("extension ")
    return bool(stays) and all(line.startswith(tuple(stays)) for line in different)


def _sound(files: ProjectFiles) -> ProjectFiles:
    for warning in files.warnings:
        if "more than once" in warning or "is not present" in warning:
            raise SourceFailure(FailureKind.INVALID, "Alembic", "revisions", warning.rstrip("."))
    return files


def _applied(files: ProjectFiles, applied: str | None) -> frozenset[str] | None:
    """The revisions that a database at `applied` has; None for None."""
    if applied is None:
        return None
    known = {file.source.revision for file in files.revisions}
    if applied not in known:
        raise SourceFailure(
            FailureKind.INVALID,
            "Alembic",
            "revisions",
            f"there is no revision {applied}",
            remedy="is this the code that the database was migrated with?",
        )
    return _ancestors(files, applied) | {applied}


def _ancestors(files: ProjectFiles, revision: str) -> frozenset[str]:
    below = {file.source.revision: file.source.down_revisions for file in files.revisions}
    found: set[str] = set()
    waiting = list(below.get(revision, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(below.get(each, ()))
    return frozenset(found)


def _follow_empty(empty: set[str], facts: Sequence[Fact]) -> None:
    """Keep track of the tables that pending revisions make and do not fill."""
    for fact in facts:
        table = fact.table or ""
        if fact.kind is Kind.CREATE_TABLE and not fact.if_exists:
            empty.add(table)
        elif fact.kind in (Kind.INSERT, Kind.DROP_TABLE):
            empty.discard(table)
        elif fact.kind is Kind.RENAME_TABLE and table in empty:
            empty.discard(table)
            empty.add(fact.new_name or table)
        elif fact.kind is Kind.OPAQUE:
            empty.clear()


def _rendered(result: StepResult, read: StatementReader) -> Rendered:
    failure = result.failure
    return Rendered(
        statements=read(result.statements),
        failure=None if failure is None else _first_line(failure.message) or failure.type_name,
        failure_type="" if failure is None else failure.type_name,
        failure_line=None if failure is None else failure.line,
        asked_connection=result.asked_connection,
        mode_line=result.asked_mode,
        values_line=result.passed_values,
    )


def _first_line(text: str) -> str:
    return next((line.strip().rstrip(".") for line in text.splitlines() if line.strip()), "")


def _sql(statements: Sequence[Statement]) -> tuple[str, ...]:
    return tuple(statement.sql for statement in statements)


def _report(
    candidate: Candidate, judgement: Judgement, remarks: Sequence[Finding], tried: _Tried | None
) -> RevisionReport:
    found = () if tried is None else tried.findings
    findings = [*judgement.findings, *found, *remarks]
    migration_class = judgement.migration_class
    if any(finding.rule == "not-renderable" for finding in found):
        migration_class = MigrationClass.UNKNOWN
    return RevisionReport(
        source=candidate.file.source,
        migration_class=migration_class,
        reversible=None if tried is None else tried.reversible,
        findings=tuple(sorted(findings, key=lambda each: (not each.refuses, each.line or 0))),
        upgrade_sql=_sql(candidate.up.statements),
        downgrade_sql=_sql(candidate.down.statements),
        locks=judgement.locks,
    )
