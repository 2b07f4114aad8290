"""A real PostgreSQL for the tests of a process, an empty database for each test, and small Alembic projects."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from brconsole.integrations.migration_project import read_project
from brconsole.integrations.postgres import ThrowawayServer, throwaway_server
from brconsole.jobs.migration_line import MigrationLine

_ENV = """
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


@pytest.fixture(scope="session")
def server() -> Iterator[ThrowawayServer]:
    """A throwaway server, up for as long as the tests of this process run."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()
    started = asyncio.run_coroutine_threadsafe(stack.enter_async_context(throwaway_server()), loop)
    yield started.result(120)
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def database(server: ThrowawayServer) -> Iterator[str]:
    """The URL of an empty database of this test."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


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


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    """An empty project on an empty database."""
    folder = tmp_path / "project"
    (folder / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    (folder / "env.py").write_text(_ENV)
    return Project(folder, database)


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str]], Ran]:
    """Waits for the end of an execution that was started."""
    return ended


@pytest.fixture
def environ_without(project: Project) -> Callable[..., Mapping[str, str]]:
    """An execution's environment without some variables."""
    return lambda *names: {name: value for name, value in project.environment().items() if name not in names}
