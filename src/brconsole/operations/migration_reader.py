"""Reads the migration job of an environment: the job, its executions, and of the newest ones what they logged.

What an ended execution said does not change, so it is asked once: a refresh costs two calls and one for each execution
that is new or at work, whatever the number of services.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from brconsole.domain.gates import Sentinel
from brconsole.domain.job import Execution, JobLine, LiveJob, repository_of
from brconsole.domain.migration_log import Report, report
from brconsole.domain.migration_proof import ReleaseSchema, release_schema, sentinel
from brconsole.domain.migration_view import MigrationView, newest_first
from brconsole.domain.service import Revision, Service
from brconsole.operations.failure import SourceFailure
from brconsole.operations.migration_ports import Jobs
from brconsole.operations.reading import joined, sentence

LOGGING = "Cloud Logging"
MOST_READ = 10
"""Executions whose lines are read, the newest."""
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""Where neither the clock nor the server has told one: nothing is old then."""
LATE = timedelta(minutes=5)
"""So long after its end an execution that said nothing may still be heard: log entries arrive late."""


@dataclass
class _Heard:
    """The lines of one execution so far."""

    lines: list[JobLine] = field(default_factory=list)
    known: set[tuple[object, ...]] = field(default_factory=set)
    complete: bool = False


class MigrationReader:
    """The job of one environment (also the `MigrationProofs` of its releases). All methods belong to one loop."""

    def __init__(self, jobs: Jobs, job: str, environment: str, now: Callable[[], datetime | None]) -> None:
        self.job = job
        self._jobs = jobs
        self._now = now
        self._environment = environment
        self._heard: dict[str, _Heard] = {}

    async def read(self) -> MigrationView:
        """Everything known now. Raises SourceFailure where the job or its executions cannot be read."""
        live, executions = await self.live()
        now = self._now() or (UNKNOWN_TIME if live is None else live.server_time)
        newest = executions[:MOST_READ]
        problems = await asyncio.gather(*(self._hear(execution, now) for execution in newest))
        reports = tuple(self.report(execution) for execution in newest)
        self._heard = {name: heard for name, heard in self._heard.items() if any(name == one.name for one in newest)}
        error = joined(problem for problem in problems if problem) or ""
        return MigrationView(live, executions, reports, now, error)

    async def live(self) -> tuple[LiveJob | None, tuple[Execution, ...]]:
        """The job and its executions, fresh, newest first; nothing of what they logged. Raises SourceFailure."""
        live, executions = await asyncio.gather(self._jobs.job(self.job), self._executions())
        return live, executions

    async def executions(self) -> tuple[Execution, ...]:
        """The executions, fresh, newest first. Raises SourceFailure."""
        return await self._executions()

    def report(self, execution: Execution) -> Report:
        """What an execution said as far as it was heard."""
        return report(execution, self.lines(execution))

    def lines(self, execution: Execution) -> tuple[JobLine, ...]:
        """Its lines as far as they were heard, oldest first."""
        heard = self._heard.get(execution.name)
        return () if heard is None else tuple(heard.lines)

    async def hear(self, execution: Execution) -> str:
        """Ask for what an execution logged since it was last asked; why that failed, empty where it did not."""
        return await self._hear(execution, self._now() or UNKNOWN_TIME)

    async def sentinel(self, service: Service, candidate: Revision) -> Sentinel | None:
        """The proof for a candidate. One of another image than the migrations come with has none to wait for."""
        view = await self.read()
        if view.job is None:
            why = f"there is no job {self.job}"
            return Sentinel("", None, None, None, None, None, why=why, remedy="deploy it, or mend [migrations] job")
        if repository_of(view.job.image) != repository_of(candidate.image):
            why = f"the migrations come with {repository_of(view.job.image).rpartition('/')[2]}"
            return Sentinel("", None, None, None, None, None, why=why, applies=False)
        look, run = (f"brconsole migrate {word} {self._environment}" for word in ("plan", "run"))
        return sentinel(candidate.digest, view.reports, view.approval, look, f"M, or {run}")

    async def release_schema(
        self, candidate: Revision | None, stable: Revision | None, recorded: tuple[int, int] | None
    ) -> ReleaseSchema:
        """The schemas that the arms of a release read; `recorded` is what the release before said of stable."""
        view = await self.read()
        if view.job is None:
            return ReleaseSchema()
        ours = repository_of(view.job.image)
        digests = [
            revision.digest if revision is not None and repository_of(revision.image) == ours else None
            for revision in (candidate, stable)
        ]
        return release_schema(digests[0], digests[1], recorded, view.reports)

    async def _executions(self) -> tuple[Execution, ...]:
        return newest_first(await self._jobs.executions(self.job))

    async def _hear(self, execution: Execution, now: datetime) -> str:
        heard = self._heard.setdefault(execution.name, _Heard())
        if heard.complete:
            return ""
        after = heard.lines[-1].at if heard.lines else execution.created
        try:
            lines = await self._jobs.lines(execution, after)
        except SourceFailure as failure:
            return sentence(LOGGING, failure)
        for line in lines:
            key = (line.id,) if line.id else (line.at, line.text)
            if key not in heard.known:
                heard.known.add(key)
                heard.lines.append(line)
        heard.lines.sort(key=lambda line: line.at)
        heard.complete = not execution.under_way and (self._has_spoken(execution) or _over(execution, now))
        return ""

    def _has_spoken(self, execution: Execution) -> bool:
        said = self.report(execution)
        if execution.mode == "run":
            return said.ended is not None
        return said.plan is not None if execution.mode == "plan" else said.schema is not None


def _over(execution: Execution, now: datetime) -> bool:
    return execution.completed is not None and now - execution.completed > LATE
