"""What migrations need of the outside world: the Alembic project, a database to try it on, and the Cloud Run job.

As in `ports`, every method may raise `SourceFailure` and nothing else leaves an adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from brconsole.domain.job import Execution, ExecutionState, JobLine, LiveJob
from brconsole.domain.migration import RevisionReport, SchemaRevision

__all__ = ["Execution", "ExecutionState", "JobLine", "JobWriter", "Jobs", "LiveJob", "MigrationProject"]


class MigrationProject(Protocol):
    """The Alembic project of the configuration. None of it reaches a production database."""

    async def revisions(self) -> tuple[SchemaRevision, ...]:
        """Every revision, each after the ones it builds on."""

    async def check(self, applied: str | None, rows: Mapping[str, int] | None = None) -> tuple[RevisionReport, ...]:
        """What is pending after `applied` (None: everything), rendered, classified, linted and tried up → down → up.

        `rows` are the row counts of the production tables where they are known; an unknown table is taken for a big
        one.
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
