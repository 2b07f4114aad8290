"""Migrations through the embedded Google Cloud: its executions are real processes on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brconsole.domain.environment import Environment
from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions
from brconsole.operations.migration_ports import Execution, ExecutionState
from brconsole.wiring import ConnectionOptions, open_cloud

PROD = Environment("prod", "bytereview-prod", "us-central1")
USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
SLOW = "op.create_table('slow', sa.Column('id', sa.Integer))\nop.execute('SELECT pg_sleep(60)')"
TERMINAL = (ExecutionState.SUCCEEDED, ExecutionState.FAILED, ExecutionState.CANCELLED)


class Console:
    """The ports that migrations need."""

    def __init__(self, cloud: Any) -> None:
        self.jobs, self.writer = cloud.jobs, cloud.job_writer

    async def run(self, *args: str, **env: str) -> str:
        """Start an execution on the job as it is now."""
        base = await self.writer.replace(await self.jobs.job("migrate-db"), None, {})
        name = await self.writer.run(base, args, env)
        assert isinstance(name, str)
        return name

    async def execution(self, name: str) -> Execution:
        """One execution as it is."""
        return next(one for one in await self.jobs.executions("migrate-db") if one.name == name)

    async def ended(self, name: str) -> Execution:
        """One execution, once it is over."""
        async with asyncio.timeout(120):
            while (found := await self.execution(name)).state not in TERMINAL:  # noqa: ASYNC110 - a process
                await asyncio.sleep(0.1)
        return found

    async def events(self, name: str, last: str) -> list[Any]:
        """What an execution said, once it has said a thing."""
        async with asyncio.timeout(120):
            while True:
                lines = await self.jobs.lines(await self.execution(name), None)
                found = [line.fields["brconsole"] for line in lines if "brconsole" in line.fields]
                if any(event["event"] == last for event in found):
                    return found
                await asyncio.sleep(0.1)


Open = Callable[[Any], Awaitable[tuple[Emulator, Console]]]


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a console on an embedded cloud whose prod has the project's database."""
    async with AsyncExitStack() as stack:

        async def open_console(project: Any) -> tuple[Emulator, Console]:
            environment = {"DATABASE_URL": project.url, "ALEMBIC_CONFIG": str(project.folder / "alembic.ini")}
            options = EmulatorOptions(speed=20, job_environments={PROD.project: environment})
            emulator = await stack.enter_async_context(Emulator(options))
            reach = ConnectionOptions(f"127.0.0.1:{emulator.grpc_port}", f"127.0.0.1:{emulator.http_port}", 8, tmp_path)
            cloud, clock = await stack.enter_async_context(open_cloud(PROD, reach))
            await clock.synchronise()
            return emulator, Console(cloud)

        yield open_console


async def test_an_execution_truly_migrates_the_database(console: Open, project: Any) -> None:
    project.add(USERS)
    _, one = await console(project)
    planned = (await one.events(await one.run("plan"), "plan"))[-1]
    name = await one.run("run", RELEASE_ID="r-1", PLAN_HASH=planned["hash"], EXPECTED_HEAD=planned["head"])
    execution = await one.ended(name)
    assert (execution.state, execution.succeeded_count) == (ExecutionState.SUCCEEDED, 1)
    sentinel = (await one.events(name, "sentinel"))[-1]
    assert (sentinel["applied"], sentinel["already"]) == ("r001", False)
    assert project.tables() == ["users"]
    assert execution.message.startswith("Execution completed successfully")


async def test_the_lines_come_in_their_order_with_severity_and_no_secret(console: Open, project: Any) -> None:
    project.add("raise ValueError(op.get_bind().engine.url.render_as_string(False))")
    emulator, one = await console(project)
    planned = (await one.events(await one.run("plan"), "plan"))[-1]
    name = await one.run("run", RELEASE_ID="r-1", PLAN_HASH=planned["hash"], EXPECTED_HEAD=planned["head"])
    execution = await one.ended(name)
    await one.events(name, "failed")
    lines = await one.jobs.lines(execution, None)
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert len({line.id for line in lines}) == len(lines)
    assert [line.fields["brconsole"]["event"] for line in lines if "brconsole" in line.fields] == [
        "started",
        "step",
        "step",
        "failed",
    ]
    assert lines[0].severity == "INFO"
    assert any(line.severity == "ERROR" for line in lines)
    assert execution.state is ExecutionState.FAILED
    assert execution.message.endswith("failed with exit code: 1 and message: The container exited with an error.")
    password = project.url.split(":")[2].split("@")[0]
    seen = [repr(lines), repr(execution), repr(await one.jobs.job("migrate-db")), repr(emulator.options)]
    assert not [text for text in seen if password in text]


async def test_a_failed_task_is_tried_again_as_often_as_the_job_says(console: Open, project: Any) -> None:
    project.add("raise ValueError('no')")
    emulator, one = await console(project)
    book = emulator.cloud.jobs.book
    job = book.job(PROD.project, "migrate-db")
    assert job is not None
    assert job.template.max_retries == 3, "Google's default, until the console claims the job"
    execution = emulator.cloud.jobs.run(emulator.cloud.world.projects[2], "migrate-db", 0.0, "x", ["nonsense"], {})
    await one.ended(execution.name)
    ended = book.execution(PROD.project, execution.name)
    assert ended is not None
    assert ended.retried == 3
    name = await one.run("nonsense")
    await one.ended(name)
    claimed = book.execution(PROD.project, name)
    assert claimed is not None
    assert claimed.retried == 0


async def test_a_cancelled_execution_rolls_back_and_says_so(console: Open, project: Any) -> None:
    project.add(SLOW)
    _, one = await console(project)
    planned = (await one.events(await one.run("plan"), "plan"))[-1]
    name = await one.run("run", RELEASE_ID="r-1", PLAN_HASH=planned["hash"], EXPECTED_HEAD=planned["head"])
    await one.events(name, "step")
    await one.writer.cancel(name, "migrate-db")
    assert (await one.ended(name)).state is ExecutionState.CANCELLED
    failed = (await one.events(name, "failed"))[-1]
    assert "asked to end" in failed["reason"]
    assert failed["applied"] is None
    assert project.tables() == []


async def test_no_other_program_is_run_whatever_the_container_says(console: Open, project: Any, tmp_path: Path) -> None:
    project.add(USERS)
    emulator, one = await console(project)
    marker = tmp_path / "ran"
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "sitecustomize.py").write_text(f"open({str(marker)!r}, 'w')")
    await one.ended(await one.run("status", PYTHONPATH=str(evil), LD_PRELOAD="/nowhere.so"))
    assert not await asyncio.to_thread(marker.exists)
    job = emulator.cloud.jobs.book.job(PROD.project, "migrate-db")
    assert job is not None
    emulator.cloud.jobs.book.replace(
        PROD.project, "migrate-db", 0.0, "x", template=replace(job.template, command=("/bin/touch", str(marker)))
    )
    execution = await one.ended(await one.run("x"))
    assert execution.state is ExecutionState.FAILED
    assert "runs no other program" in execution.message
    assert not await asyncio.to_thread(marker.exists)


def _simulation(project: Any, *words: str) -> subprocess.Popen[str]:
    configuration = project.folder.parent / "brconsole.toml"
    configuration.write_text('[migrations]\nalembic = "project/alembic.ini"\n')
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "brconsole", "simulate", "--port", "0", "--http-port", "0", "--json"),
            *("--speed", "20", "--config", str(configuration), *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def _joined(process: subprocess.Popen[str], stack: AsyncExitStack, state: Path) -> Console:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    if not line:
        raise AssertionError(process.communicate()[1])
    said = json.loads(line)
    reach = ConnectionOptions(said["endpoint"], said["http_endpoint"], 8, state)
    cloud, clock = await stack.enter_async_context(open_cloud(PROD, reach))
    await clock.synchronise()
    return Console(cloud)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_simulate_with_a_server_makes_a_database_for_each_project(
    project: Any, server: Any, tmp_path: Path
) -> None:
    project.add(USERS)
    process = await asyncio.to_thread(_simulation, project, "--postgres", server.url("postgres"))
    try:
        async with AsyncExitStack() as stack:
            one = await _joined(process, stack, tmp_path)
            status = (await one.events(await one.run("status"), "status"))[-1]
            assert (status["applied"], status["pending"]) == (None, ["r001"])
        for name in ("br_dev_4821", "br_stage_4821", "bytereview_prod"):
            assert await server.has_database(name)
    finally:
        process.terminate()
        output, errors = await asyncio.to_thread(process.communicate)
    assert server.password not in output + errors


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked to end a child with its parent")
async def test_a_killed_simulation_takes_its_server_and_its_executions_along(project: Any, tmp_path: Path) -> None:
    project.add("op.execute('SELECT pg_sleep(60)')")
    process = await asyncio.to_thread(_simulation, project, "--postgres", "auto")
    try:
        async with AsyncExitStack() as stack:
            one = await _joined(process, stack, tmp_path)
            planned = (await one.events(await one.run("plan"), "plan"))[-1]
            name = await one.run("run", RELEASE_ID="r-1", PLAN_HASH=planned["hash"], EXPECTED_HEAD=planned["head"])
            await one.events(name, "step")
        children = await asyncio.to_thread(_descendants, process.pid)
        assert children
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.communicate)
    async with asyncio.timeout(60):
        while not all(_gone(pid) for pid in children):  # noqa: ASYNC110 - the processes are nobody's to wait for
            await asyncio.sleep(0.05)


def _descendants(pid: int) -> set[int]:
    """The processes below one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found and child not in found}:
        found |= more
    return found - {pid}


async def test_a_server_that_is_not_there_is_said_before_anything_starts(project: Any) -> None:
    process = await asyncio.to_thread(_simulation, project, "--postgres", "postgresql://x:secret@127.0.0.1:1/")
    output, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert "--postgres" in errors
    assert "Traceback" not in errors
    assert "secret" not in output + errors


async def test_a_url_of_another_kind_is_a_mistake_in_the_call(project: Any) -> None:
    process = await asyncio.to_thread(_simulation, project, "--postgres", "mysql://x:secret@host/")
    _, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 2
    assert "postgresql://USER@HOST:PORT/" in errors
    assert "secret" not in errors
