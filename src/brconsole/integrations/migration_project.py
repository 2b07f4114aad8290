"""The project of the migration job, rendered and classified without a database: the same code as the check's."""

from __future__ import annotations

from pathlib import Path

from brconsole.domain.migration import MigrationClass, RevisionReport
from brconsole.integrations.alembic import AlembicProject
from brconsole.operations.migration_ports import Direction


async def read_project(config: Path, python: str | None = None) -> tuple[tuple[RevisionReport, ...], tuple[str, ...]]:
    """Every revision of the project in the order in which they run, and its heads. Raises SourceFailure."""
    async with AlembicProject(config, python).offline() as runner:
        reports = []
        for file in runner.files.revisions:
            rendered = await runner.step(file.source.revision, Direction.UP)
            statements = tuple(one.sql for one in rendered.statements if one.own) if rendered.failure is None else ()
            reports.append(RevisionReport(file.source, MigrationClass.UNKNOWN, None, (), statements))
        return tuple(reports), runner.files.heads
