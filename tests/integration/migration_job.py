"""Small Alembic projects on a real database, and the migration job that runs them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from brconsole.integrations.migration_project import read_project
from brconsole.jobs.migration_line import MigrationLine

ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

if context.is_offline_mode():
    context.configure(url=os.environ["DATABASE_URL"], literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


@dataclass
class Ran:
    """How an execution of the job ended."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events among it."""
        return [line["brconsole"] for line in self.lines if "brconsole" in line]

    @property
    def last(self) -> dict[str, Any]:
        """The last event."""
        return self.events[-1]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [found for found in self.events if found["event"] == event]


@dataclass
class Project:
    """An Alembic project with its database, and the job that runs it."""

    folder: Path
    url: str
    revisions: list[str] = field(default_factory=list)

    def add(self, upgrade: str, after: str | tuple[str, ...] = "") -> str:
        """Add a revision after the last one, or `after` others; returns its id."""
        name = f"r{len(self.revisions) + 1:03d}"
        below = repr(after or (self.revisions[-1] if self.revisions else None))
        body = "\n    ".join(upgrade.strip().splitlines())
        text = (
            f'"""step {name}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = {name!r}\n'
            f"down_revision = {below}\n\ndef upgrade():\n    {body}\n\ndef downgrade():\n    pass\n"
        )
        (self.folder / "versions" / f"{name}.py").write_text(text)
        self.revisions.append(name)
        return name

    def environment(self, **more: str) -> dict[str, str]:
        """What an execution gets."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG")}
        return {**kept, "DATABASE_URL": self.url, "ALEMBIC_CONFIG": str(self.folder / "alembic.ini"), **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start an execution."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "brconsole.jobs.migrate", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.environment(**more),
            cwd="/",
            start_new_session=True,
        )

    def job(self, *arguments: str, **more: str) -> Ran:
        """An execution to its end."""
        return ended(self.start(*arguments, **more))

    def approved(self, release: str = "r-1", **more: str) -> dict[str, str]:
        """What a run of the plan as it is now is told."""
        line = MigrationLine(*asyncio.run(read_project(self.folder / "alembic.ini")))
        return {
            "RELEASE_ID": release,
            "PLAN_HASH": line.hash((self.stands_at() or "").split()),
            "EXPECTED_HEAD": line.head,
            "IMAGE_DIGEST": "sha256:" + "ab" * 32,
            **more,
        }

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(question.encode())
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> list[str]:
        """The tables of the project's own."""
        rows = self.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [row[0] for row in rows if row[0] != "alembic_version"]

    def stands_at(self) -> str | None:
        """The revision in the database."""
        if self.ask("SELECT to_regclass('alembic_version')")[0][0] is None:
            return None
        rows = self.ask("SELECT version_num FROM alembic_version")
        return " ".join(sorted(row[0] for row in rows)) or None


def ended(process: subprocess.Popen[str]) -> Ran:
    """An execution once it is over."""
    output, errors = process.communicate(timeout=120)
    return Ran(process.returncode, output, errors)
