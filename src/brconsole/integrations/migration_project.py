"""The project of the migration job, rendered and classified without a database: by the code of the check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from brconsole.domain.migration import Finding, RevisionReport
from brconsole.domain.statement import Statement
from brconsole.integrations import statements
from brconsole.integrations.alembic import AlembicProject
from brconsole.operations.migration_check import MigrationCheck


async def read_project(config: Path, python: str | None = None) -> tuple[tuple[RevisionReport, ...], tuple[str, ...]]:
    """Every revision of the project in the order in which they run, and its heads. Raises SourceFailure."""
    check = MigrationCheck(AlembicProject(config, python), statements.read, _unlinted, None, lambda _: None)
    reports = await check.check(None)
    below = {name for report in reports for name in report.source.down_revisions}
    return reports, tuple(sorted(report.revision for report in reports if report.revision not in below))


async def _unlinted(_: Mapping[str, Sequence[Statement]]) -> Mapping[str, tuple[Finding, ...]]:
    """What may be remarked on a revision was for the reviewer."""
    return {}
