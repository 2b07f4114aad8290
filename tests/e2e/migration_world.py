"""A world whose prod has a real database and a project of migrations, for the command line and the console."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

# Found by conftest.py: what these tests share.
from embedded import EmbeddedCloud, embedded_cloud

from brconsole.cli import entry, exit_codes
from brconsole.integrations.postgres import ThrowawayServer, throwaway_server

CANARY = "api-00042-qv9"
SPEED = 30.0
_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

if context.is_offline_mode():
    context.configure(url=os.environ["DATABASE_URL"], literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")).connect() as link:
        context.configure(connection=link, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
"""


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one line of JSON."""
        (line,) = self.out.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


@dataclass
class World:
    """An embedded cloud whose prod has a database and a project of migrations, and the command line on it."""

    cloud: EmbeddedCloud
    folder: Path
    url: str
    capsys: pytest.CaptureFixture[str]
    revisions: list[str] = field(default_factory=list)

    def add(self, upgrade: str, downgrade: str) -> str:
        """A revision after the last one."""
        name = f"r{len(self.revisions) + 1:03d}"
        below = repr(self.revisions[-1]) if self.revisions else None
        (self.folder / "project" / "versions" / f"{name}.py").write_text(
            f'"""step {name}"""\nfrom alembic import op\n\nrevision = {name!r}\ndown_revision = {below}\n\n\n'
            f'def upgrade():\n    op.execute("""{upgrade}""")\n\n\n'
            f'def downgrade():\n    op.execute("""{downgrade}""")\n'
        )
        self.revisions.append(name)
        return name

    def words(self, *words: str) -> list[str]:
        """A command line on this world."""
        options = self.cloud.options(8.0)
        assert options.endpoint is not None
        assert options.http_endpoint is not None
        where = ["--endpoint", options.endpoint, "--http-endpoint", options.http_endpoint]
        return [*words, *where, "--config", str(self.folder / "brconsole.toml")]

    def __call__(self, *words: str) -> Ended:
        self.capsys.readouterr()
        status = entry.run(self.words(*words))
        told = self.capsys.readouterr()
        return Ended(status, told.out, told.err)

    def process(self, *words: str) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "brconsole", *self.words(*words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def approved(self) -> str:
        """Plan and approve; the plan's hash."""
        planned = self("migrate", "plan", "prod", "--write", "--json")
        assert planned.status == exit_codes.DONE, planned
        found: str = planned.document["hash"]
        assert self("migrate", "approve", "prod", found[:12], "--write", "--yes").status == exit_codes.DONE
        return found

    def executions(self, mode: str = "run") -> list[dict[str, Any]]:
        """What the job did."""
        found = self("migrate", "status", "prod", "--no-look", "--json").document["executions"]
        return [one for one in found if one["mode"] == mode]

    def columns(self) -> set[str]:
        """The columns of the one table."""
        with psycopg.connect(self.url) as link:
            rows = link.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'reviews'")
            return {str(name) for (name,) in rows.fetchall()}

    def gate(self) -> tuple[str, str]:
        """Verdict and evidence of the migration's gate."""
        gates = self("gate", "prod", "api", "--json").document["gates"]
        found = next(one for one in gates if one["name"] == "migration")
        return found["verdict"], found["evidence"]

    def split(self) -> dict[str, int]:
        """What is served."""
        serving: dict[str, int] = self("release", "status", "prod", "api", "--json").document["serving"]
        return serving


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayServer]:
    """A PostgreSQL for as long as these tests run."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()
    started = asyncio.run_coroutine_threadsafe(stack.enter_async_context(throwaway_server()), loop)
    yield started.result(120)
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def database(server: ThrowawayServer) -> Iterator[str]:
    """An empty database."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        link.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def world(server: ThrowawayServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """prod stands at r001, which made the table of reviews."""
    project = tmp_path / "project"
    (project / "versions").mkdir(parents=True)
    (project / "env.py").write_text(_ENV)
    (project / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    (tmp_path / "brconsole.toml").write_text('[migrations]\nalembic = "project/alembic.ini"\n')
    with database(server) as url:
        environment = {"DATABASE_URL": url, "ALEMBIC_CONFIG": str(project / "alembic.ini")}
        environments = {"bytereview-prod": environment}
        with embedded_cloud(
            port=0, http_port=0, scenario="release-ready", speed=SPEED, job_environments=environments
        ) as cloud:
            made = World(cloud, tmp_path, url, capsys)
            made.add("CREATE TABLE IF NOT EXISTS reviews (id bigint PRIMARY KEY)", "DROP TABLE reviews")
            made.approved()
            assert made("migrate", "run", "prod", "--write", "--yes").status == exit_codes.DONE
            yield made


def add_note(world: World, seconds: float = 0) -> str:
    """A good revision, as slow as one wants."""
    slow = f"SELECT pg_sleep({seconds}); " if seconds else ""
    return world.add(
        f"{slow}ALTER TABLE reviews ADD COLUMN IF NOT EXISTS note text", "ALTER TABLE reviews DROP COLUMN note"
    )
