"""The migrations of an environment as they were read: the job, its executions, and what these said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from brconsole.domain.annotation import Unreadable
from brconsole.domain.job import Execution, JobLine, LiveJob, digest_of
from brconsole.domain.migration_log import PlannedRun, Report, SchemaState, known_schema
from brconsole.domain.migration_proof import live_schema
from brconsole.domain.migration_run import Approval, Claim, approval_of, claim_of, under_way


@dataclass(frozen=True, slots=True)
class MigrationView:
    """What is known at `as_of`. Nothing here was asked of a database: it is what executions found there."""

    job: LiveJob | None
    """None where there is no job of the configured name."""
    executions: tuple[Execution, ...]
    """Newest first."""
    reports: tuple[Report, ...]
    """Of the newest executions, with what they said; newest first."""
    as_of: datetime
    error: str = ""
    """What could not be read of it."""

    @property
    def schema(self) -> SchemaState | None:
        """Where the database stands, None where no execution has told."""
        return known_schema(self.reports)

    @property
    def live(self) -> int | None:
        """The index of the schema that the database stands at, None where that is not known for certain."""
        return live_schema(self.reports)

    @property
    def approval(self) -> Approval | Unreadable | None:
        """The approval on the job."""
        return None if self.job is None else approval_of(self.job)

    @property
    def claim(self) -> Claim | Unreadable | None:
        """The claim on the job."""
        return None if self.job is None else claim_of(self.job)

    @property
    def under_way(self) -> Execution | None:
        """The run that may still do something."""
        return under_way(self.executions)

    @property
    def runs(self) -> tuple[Execution, ...]:
        """The runs, newest first."""
        return tuple(found for found in self.executions if found.mode == "run")

    @property
    def last_run(self) -> Execution | None:
        """The newest run."""
        return next(iter(self.runs), None)

    def said(self, execution: Execution) -> Report:
        """What an execution said, as far as it was read."""
        return next((said for said in self.reports if said.execution.name == execution.name), Report(execution))

    def plan(self, digest: str | None = None) -> PlannedRun | None:
        """The newest plan (of an image), None where there is none that begins where the database stands now."""
        known = self.schema
        for said in self.reports:
            if said.plan is None or (digest is not None and digest_of(said.execution.image) != digest):
                continue
            fits = known is not None and said.plan.schema.applied == known.applied
            return said.plan if fits else None
        return None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run that is watched: how far it is, and what it logged."""

    report: Report
    lines: tuple[JobLine, ...] = field(default=(), compare=False)
    """Oldest first."""
    problem: str = ""
    """Why the newest look failed; the rest is of the look before."""


def newest_first(executions: Sequence[Execution]) -> tuple[Execution, ...]:
    """In the order of their creation, those without one first: they are only just coming."""
    later = [found for found in executions if found.created is None]
    known = [found for found in executions if found.created is not None]
    return (*later, *sorted(known, key=lambda found: (found.created or _never, found.name), reverse=True))


_never = datetime.min.replace(tzinfo=UTC)
