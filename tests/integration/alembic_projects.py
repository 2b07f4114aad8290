"""Alembic projects for the tests: ByteReview's with something on top, and strangers' of a few lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from brconsole.domain.migration import Finding, RevisionReport, RunningCode
from brconsole.integrations import squawk, statements
from brconsole.integrations.alembic import AlembicProject
from brconsole.operations.migration_check import MigrationCheck
from brconsole.operations.migration_ports import TrialGround

BYTEREVIEW = Path(__file__).parent.parent / "fixtures" / "bytereview_db"
HEAD = "0016"

ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
if context.is_offline_mode():
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


def bytereview_with(folder: Path, overlay: str) -> Path:
    """ByteReview's project with the revisions of a folder of `bad` on top."""
    ini = folder / "alembic.ini"
    own = (BYTEREVIEW / "alembic.ini").read_text("utf-8").replace("%(here)s", str(BYTEREVIEW))
    locations = [BYTEREVIEW / "migrations" / "versions", BYTEREVIEW / "bad" / overlay]
    listed = "".join(f"\n    {location}" for location in locations)
    ini.write_text(own.replace("path_separator = os", f"path_separator = newline\nversion_locations ={listed}"))
    return ini


def project(folder: Path, env: str = ENV, ini: str = "[alembic]\nscript_location = migrations\n") -> Path:
    """A small project without revisions."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "migrations" / "env.py").write_text(env)
    (folder / "alembic.ini").write_text(ini)
    return folder / "alembic.ini"


def add(
    ini: Path,
    revision: str,
    down: str | tuple[str, ...] | None,
    upgrade: str,
    downgrade: str | None = "pass",
    head: str = "",
) -> Path:
    """Write a revision; `downgrade` None leaves the function out."""
    parts = [
        f'"""What {revision} does."""',
        "import sqlalchemy as sa\nfrom alembic import op",
        f"revision = {revision!r}\ndown_revision = {down!r}\n{head}",
        "def upgrade():\n" + textwrap.indent(textwrap.dedent(upgrade).strip(), "    "),
    ]
    if downgrade is not None:
        parts.append("def downgrade():\n" + textwrap.indent(textwrap.dedent(downgrade).strip(), "    "))
    file = ini.parent / "migrations" / "versions" / f"{revision}.py"
    file.write_text("\n\n\n".join(parts) + "\n")
    return file


async def check(
    ini: Path,
    ground: TrialGround | None = None,
    applied: str | None = None,
    rows: Mapping[str, int] | None = None,
    running: RunningCode | None = None,
    approved: Mapping[str, str] | None = None,
    told: list[str] | None = None,
) -> dict[str, RevisionReport]:
    """The reports by revision."""
    heard = [] if told is None else told
    checker = MigrationCheck(AlembicProject(ini), statements.read, squawk.lint, ground, heard.append)
    return {report.revision: report for report in await checker.check(applied, rows, running, approved)}


def refusing(report: RevisionReport) -> list[str]:
    """The rules that refuse it."""
    return [finding.rule for finding in report.findings if finding.refuses]


def the(rule: str, findings: Iterable[Finding]) -> Finding:
    """The one finding of a rule."""
    (found,) = [finding for finding in findings if finding.rule == rule]
    return found
