"""An in-memory migration job: versions, executions that start only on the live version, their log, and a database.

Its rules are its own, as the server's are. A run that is started migrates the fake database when it is told to finish.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from release_fakes import FakeRun, MemoryJournal, Session, VirtualTime

from brconsole.domain.job import Execution, ExecutionState, JobLine, LiveJob
from brconsole.domain.migration import (
    Finding,
    MigrationClass,
    RevisionReport,
    RunningCode,
    SchemaRevision,
    plan_hash,
)
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway_jobs import JobGateway
from brconsole.operations.migration_reader import MigrationReader
from brconsole.operations.migrations import Migrations
from brconsole.operations.outcome import BY_KEY

JOB = "migrate-db"
OLD_IMAGE, NEW_IMAGE = "image/api@sha256:000000000001", "image/api@sha256:000000000002"
EDITED = "edited-after-approval"
LINE = ("r1", "r2", "r3", "r4")


def source(revision: str, text: str = "") -> SchemaRevision:
    """A revision of the fake project; `text` is what somebody edited into it."""
    index = LINE.index(revision)
    down = (LINE[index - 1],) if index else ()
    return SchemaRevision(
        revision, down, f"versions/{revision}.py", f"change {revision}", f"{hash_of(revision + text)}"
    )


def hash_of(text: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def statements(revision: str) -> tuple[str, ...]:
    """What it renders to."""
    return (f"ALTER TABLE t ADD COLUMN {revision} int;",)


@dataclass
class FakeProject:
    """The configured Alembic project."""

    classes: dict[str, MigrationClass] = field(default_factory=dict)
    reversible: dict[str, bool | None] = field(default_factory=dict)
    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    edits: dict[str, str] = field(default_factory=dict)
    checks: int = 0
    running: RunningCode | None = None

    async def revisions(self) -> tuple[SchemaRevision, ...]:
        return tuple(source(name, self.edits.get(name, "")) for name in LINE)

    async def check(
        self,
        applied: str | None,
        rows: Mapping[str, int] | None = None,
        running: RunningCode | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> tuple[RevisionReport, ...]:
        self.checks += 1
        self.running = running
        findings = {**self.findings}
        for name, sha in (approved or {}).items():
            if source(name, self.edits.get(name, "")).source_sha256 != sha:
                findings[name] = (*findings.get(name, ()), Finding(EDITED, "it was edited", "approve it"))
        start = 0 if applied is None else LINE.index(applied) + 1
        return tuple(
            RevisionReport(
                source(name, self.edits.get(name, "")),
                self.classes.get(name, MigrationClass.EXPAND),
                self.reversible.get(name, True),
                findings.get(name, ()),
                statements(name),
            )
            for name in LINE[start:]
        )


@dataclass
class FakeJobs:
    """The server: one job (`Jobs` and `JobWriter` for everybody), and what its code does to the database."""

    time: VirtualTime
    applied: str | None = "r2"
    classes: dict[str, MigrationClass] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    version: int = 1
    image: str = OLD_IMAGE
    annotations: dict[str, str] = field(default_factory=dict)
    listed: list[Execution] = field(default_factory=list)
    log: dict[str, list[JobLine]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, list[BaseException]] = field(default_factory=dict)
    """By step: `job`, `executions`, `lines`, `replace.before`, `replace.after`, `run.before`, `run.after`, `cancel`."""
    at_step: Callable[[str], Awaitable[None]] | None = None
    missing: bool = False
    holds: bool = False
    """Whether runs stay at work until `finish` is called."""
    fails: str = ""
    """The reason for which runs fail."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def step(self, name: str) -> None:
        self.calls.append(name)
        if self.at_step is not None:
            await self.at_step(name)
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def live(self) -> LiveJob:
        return LiveJob(JOB, str(self.version), self.image, dict(self.annotations), self.time.now())

    async def job(self, name: str) -> LiveJob | None:
        await self.step("job")
        return None if self.missing else self.live()

    async def executions(self, name: str) -> tuple[Execution, ...]:
        await self.step("executions")
        return tuple(reversed(self.listed))

    async def lines(self, execution: Execution, after: datetime | None) -> tuple[JobLine, ...]:
        await self.step("lines")
        return tuple(self.log.get(execution.name, ()))

    def _stale(self, base: LiveJob) -> None:
        if base.version != str(self.version):
            raise SourceFailure(
                FailureKind.CONFLICT, "Cloud Run", JOB, f"version '{base.version}' is not the current one"
            )

    async def replace(self, base: LiveJob, image: str | None, annotations: Mapping[str, str | None]) -> LiveJob:
        await self.step("replace.before")
        self._stale(base)
        self.image = image or self.image
        merged = {**self.annotations, **annotations}
        self.annotations = {key: text for key, text in merged.items() if text is not None}
        self.version += 1
        written = self.live()
        await self.step("replace.after")
        return written

    async def run(self, base: LiveJob, args: Sequence[str], env: Mapping[str, str]) -> str:
        await self.step("run.before")
        self._stale(base)
        name = f"{JOB}-{next(self.numbers):05d}"
        made = Execution(name, JOB, ExecutionState.RUNNING, self.image, tuple(args), dict(env), self.time.now())
        self.listed.append(made)
        self.log[name] = []
        if args[0] != "run" or not self.holds:
            self.finish(name)
        await self.step("run.after")
        return name

    async def cancel(self, execution: str, job: str) -> None:
        await self.step("cancel")
        found = next(one for one in self.listed if one.name == execution)
        self._put(replace(found, state=ExecutionState.CANCELLED, completed=self.time.now()))

    # ------------------------------------------------------------------------------------------------ what the job does

    def starts(self, mode: str = "run") -> list[Execution]:
        """The executions of a mode."""
        return [one for one in self.listed if one.mode == mode]

    def finish(self, name: str) -> None:
        """The execution does what it was started for."""
        found = next(one for one in self.listed if one.name == name)
        mode, good = found.mode, True
        if mode in ("status", "plan"):
            self._report(name, mode)
        elif found.env.get("PLAN_HASH") != self.plan():
            self.say(name, "refused", reason="the plan is another one")
            good = False
        elif self.fails:
            self.say(name, "failed", reason=self.fails, revision=self.pending()[0], applied=self.applied)
            good = False
        else:
            before, self.applied = self.applied, LINE[-1]
            for revision in LINE[LINE.index(before) + 1 if before else 0 :]:
                self.say(name, "step", revision=revision, state="done", seconds=0.5)
            self.say(
                name,
                "sentinel",
                release=found.env["RELEASE_ID"],
                before=before,
                applied=self.applied,
                head=LINE[-1],
                hash=found.env["PLAN_HASH"],
                image=found.env.get("IMAGE_DIGEST"),
                history=self.history(),
                already=False,
                seconds=1.5,
            )
        state = ExecutionState.SUCCEEDED if good else ExecutionState.FAILED
        self._put(replace(found, state=state, completed=self.time.now(), succeeded_count=int(good)))

    def pending(self) -> list[str]:
        return list(LINE[LINE.index(self.applied) + 1 if self.applied else 0 :])

    def plan(self) -> str:
        """The hash of what is pending."""
        return plan_hash(self.applied, [(source(name), statements(name)) for name in self.pending()])

    def history(self) -> list[list[Any]]:
        return [
            [name, index, self.classes.get(name, MigrationClass.EXPAND).value, self.after.get(name)]
            for index, name in enumerate(LINE, 1)
        ]

    def say(self, name: str, event: str, **fields: Any) -> None:
        """One line of an execution."""
        at = self.time.now() + timedelta(microseconds=sum(len(lines) for lines in self.log.values()))
        document = {"message": f"{event} said", "brconsole": {"event": event, **fields}}
        self.log[name].append(JobLine(at, "INFO", f"{event} said", document, f"{name}-{len(self.log[name])}"))

    def _report(self, name: str, mode: str) -> None:
        standing = {
            "applied": self.applied,
            "heads": [LINE[-1]],
            "history": self.history(),
            "pending": self.pending(),
            "tables": [{"table": "t", "rows": 1_000_000, "bytes": 1 << 30}],
            "server_version": "15.18",
            "last_record": None,
        }
        if mode == "plan":
            for revision in self.pending():
                self.say(
                    name,
                    "plan_step",
                    revision=revision,
                    title=f"change {revision}",
                    **{"class": "expand"},
                    sql=list(statements(revision)),
                    locks=[],
                )
            self.say(name, "plan", **standing, hash=self.plan(), head=LINE[-1])
        else:
            self.say(name, "status", **standing)

    def _put(self, changed: Execution) -> None:
        self.listed = [changed if one.name == changed.name else one for one in self.listed]


class MigrationSession(Session):
    """One console on the job and its services."""

    def __init__(
        self,
        run: FakeRun,
        jobs: FakeJobs,
        who: str = "operator@example.com",
        *,
        project: FakeProject | None = None,
        journal: MemoryJournal | None = None,
        read_only: bool | None = False,
        token: Callable[[], str] | None = None,
        **changes: Any,
    ) -> None:
        self.jobs = jobs
        self.project = project or FakeProject()
        self.token = token
        super().__init__(run, who, read_only=read_only, journal=journal or MemoryJournal(), **changes)

    def __post_init__(self) -> None:
        self.migration_reader = MigrationReader(self.jobs, JOB, self.environment.name, self.run.time.now)
        super().__post_init__()
        time = self.run.time
        self.door = JobGateway(
            self.environment,
            self.migration_reader,
            self.jobs,
            time,
            self.trail,
            self.modes,
            timing=time,
            token=self.token,
        )
        self.migrations = Migrations(
            self.environment,
            self.gateway,
            self.door,
            self.migration_reader,
            self.cloud,
            time,
            project=self.project,
            timing=time,
        )


def world(**changes: Any) -> tuple[FakeRun, FakeJobs]:
    """A service whose candidate waits for two migrations, and the job that still has the image of stable."""
    run = FakeRun()
    run.add()
    run.revisions_by_service["api"] = tuple(
        replace(revision, image=f"image/api@{revision.digest}") for revision in run.revisions_by_service["api"]
    )
    return run, FakeJobs(run.time, **changes)


async def approved(run: FakeRun, jobs: FakeJobs, project: FakeProject | None = None) -> None:
    """Plan and approve, by a reviewer."""
    reviewer = MigrationSession(run, jobs, "reviewer@example.com", project=project)
    await reviewer.do(reviewer.migrations.plan())
    made = await reviewer.do(reviewer.migrations.propose_approval(jobs.plan(), "reviewed"))
    outcome = await reviewer.do(reviewer.migrations.send(made, BY_KEY))
    assert outcome.good, outcome
    jobs.calls.clear()
