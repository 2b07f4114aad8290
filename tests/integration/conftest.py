"""One PostgreSQL server for each process that runs these tests; a database of its own for each test."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from brconsole.integrations.postgres import ThrowawayServer, throwaway_server
from brconsole.integrations.trial import TrialDatabase, trial_on

sys.path.append(str(Path(__file__).parent))

from migration_job import ENV, Project, Ran, ended


@pytest.fixture(scope="session")
def server() -> Iterator[ThrowawayServer]:
    """A throwaway server on a loop of its own, so that it outlives the loops of single tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = throwaway_server()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Ground:
    """Databases on the server of the session."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._server = server

    def open(self) -> AbstractAsyncContextManager[TrialDatabase]:
        """An empty one, dropped at the end."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[TrialDatabase]:
            async with trial_on(self._server) as database:
                yield database
            await self._server.drop_database(database.name)

        return opened()


@pytest.fixture
def ground(server: ThrowawayServer) -> Ground:
    """Where trials take place."""
    return Ground(server)


@pytest.fixture
def database(server: ThrowawayServer) -> Iterator[str]:
    """The URL of an empty database of this test."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    """An empty project on an empty database."""
    folder = tmp_path / "project"
    (folder / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    (folder / "env.py").write_text(ENV)
    return Project(folder, database)


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str]], Ran]:
    """Waits for the end of an execution that was started."""
    return ended
