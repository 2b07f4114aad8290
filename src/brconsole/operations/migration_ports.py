"""What migrations need of the outside world: the Alembic project, a database to try it on, and the Cloud Run job.

As in `ports`, every method may raise `SourceFailure` and nothing else leaves an adapter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from brconsole.domain.job import Execution, ExecutionState, JobLine, LiveJob
from brconsole.domain.migration import Finding, RevisionFile, RevisionReport, RunningCode, SchemaRevision
from brconsole.domain.statement import Statement

__all__ = [
    "AlembicSource",
    "Direction",
    "Execution",
    "ExecutionState",
    "JobLine",
    "JobWriter",
    "Jobs",
    "Linter",
    "LiveJob",
    "MigrationProject",
    "MigrationRunner",
    "ProjectFiles",
    "RenderedStatement",
    "StatementReader",
    "StepFailure",
    "StepResult",
    "Trial",
    "TrialGround",
]


class MigrationProject(Protocol):
    """The Alembic project of the configuration. None of it reaches a production database."""

    async def revisions(self) -> tuple[SchemaRevision, ...]:
        """Every revision, each after the ones it builds on."""

    async def check(
        self,
        applied: str | None,
        rows: Mapping[str, int] | None = None,
        running: RunningCode | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> tuple[RevisionReport, ...]:
        """What is pending after `applied` (None: everything), rendered, classified, linted and tried up → down → up.

        `rows` are the row counts of the production tables where they are known; an unknown table is taken for a big
        one. `running` is the oldest code beside it, None where nobody asked. `approved` are the source hashes by
        revision that a reviewer approved.
        """


class Jobs(Protocol):
    """Reading Cloud Run jobs."""

    async def job(self, name: str) -> LiveJob | None:
        """The live job, fresh; None where there is none of that name."""

    async def executions(self, name: str) -> tuple[Execution, ...]:
        """The executions of a job, newest first."""

    async def lines(self, execution: Execution, after: datetime | None) -> tuple[JobLine, ...]:
        """What an execution has logged since a moment (inclusive), oldest first. Counts against Logging's small quota.

        A line is found seconds after it was logged, so one that has ended may have lines still to come.
        """


class JobWriter(Protocol):
    """The writing port of Cloud Run jobs. Nothing but the gateway calls it."""

    async def replace(self, base: LiveJob, image: str | None, annotations: Mapping[str, str | None]) -> LiveJob:
        """Set the image (None leaves it) and annotations (None removes one), with max_retries 0, if `base` is still the
        live version; raises CONFLICT where it is not. v1 `replaceJob` under its `resourceVersion`. Sent once.
        """

    async def run(self, base: LiveJob, args: Sequence[str], env: Mapping[str, str]) -> str:
        """Start an execution with these arguments and additional variables; returns its name.

        Refused (CONFLICT) where the job is no longer as `base` was. Sent once: with TIMEOUT or UNAVAILABLE nobody knows
        whether it started, and the executions must be read back.
        """

    async def cancel(self, execution: str, job: str) -> None:
        """Ask for the end of an execution."""


class Direction(StrEnum):
    """Which of a revision's two functions."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """An Alembic project: its revisions, each after the ones it builds on, its heads, and what Alembic warned of."""

    revisions: tuple[RevisionFile, ...]
    heads: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenderedStatement:
    """What Alembic wrote or sent, which may be several statements."""

    sql: str
    line: int | None
    """In the revision's file."""
    own: bool
    """Whether the revision's code wrote it, and not Alembic or env.py."""
    marker: bool = False
    """Alembic's own BEGIN or COMMIT, around everything or around an `autocommit_block`."""
    bound: bool = False
    """Sent to a database, so that it may hold placeholders (`%(name)s`) for values."""


@dataclass(frozen=True, slots=True)
class StepFailure:
    """Why a revision could not be rendered or run."""

    type_name: str
    """The exception's class."""
    message: str
    line: int | None = None
    refused: bool = False
    """We refused it a database connection."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One revision rendered or run in one direction."""

    statements: tuple[RenderedStatement, ...] = ()
    asked_connection: int | None = None
    """The line that called `op.get_bind()`."""
    asked_mode: int | None = None
    """The line that asked whether it runs offline."""
    passed_values: int | None = None
    """The line that passed values beside a statement, which an offline rendering leaves out."""
    failure: StepFailure | None = None


class MigrationRunner(Protocol):
    """An Alembic project that is open, offline or on one database."""

    @property
    def files(self) -> ProjectFiles:
        """Its revisions."""

    async def step(self, revision: str, direction: Direction) -> StepResult:
        """Render one revision on its own, or run it; what goes wrong is told in the result."""


class AlembicSource(Protocol):
    """How the project is opened."""

    def offline(self) -> AbstractAsyncContextManager[MigrationRunner]:
        """To be read and rendered. Raises SourceFailure where it cannot be read."""

    def online(self, url: str) -> AbstractAsyncContextManager[MigrationRunner]:
        """To be run on the database of the URL, and on no other."""


class Trial(Protocol):
    """A throwaway database."""

    @property
    def url(self) -> str:
        """Where it is."""

    async def reset(self) -> None:
        """Make it anew, empty."""

    async def schema(self) -> frozenset[str]:
        """Its structure, a line a thing."""

    async def create_role(self, name: str) -> None:
        """Make a role that the project expects its server to have."""


class TrialGround(Protocol):
    """Where throwaway databases come from."""

    def open(self) -> AbstractAsyncContextManager[Trial]:
        """An empty one. Raises SourceFailure where there is no server to be had."""


StatementReader = Callable[[Sequence[RenderedStatement]], tuple[Statement, ...]]
"""Rendered SQL to facts."""
Linter = Callable[[Mapping[str, Sequence[Statement]]], Awaitable[Mapping[str, tuple[Finding, ...]]]]
"""What a linter remarks on the statements of each revision."""
