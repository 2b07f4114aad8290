"""Two consoles that press the same key at once, over real sockets: one execution each time.

20 rounds; `BRCONSOLE_TEST_ROUNDS=200` for as many as one wants.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brconsole.domain.environment import Environment
from brconsole.domain.job_plan import JobPlan
from brconsole.domain.migration_log import PlannedRun, SchemaState
from brconsole.domain.migration_run import APPROVAL, RELEASE_ENV, Approval, RunRequest, dump_approval
from brconsole.domain.plan import Confirmation
from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions
from brconsole.operations.gateway import WriteAction
from brconsole.operations.gateway_jobs import JobGateway, JobProposal
from brconsole.operations.journal import Journal
from brconsole.operations.migration_reader import MigrationReader
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import BY_DIALOG, OutcomeKind
from brconsole.operations.ports import Cloud
from brconsole.operations.trail import Trail
from brconsole.wiring import ConnectionOptions, MigrationOptions, open_cloud

ROUNDS = int(os.environ.get("BRCONSOLE_TEST_ROUNDS", "20"))
JOB = "migrate-db"
PROD = Environment("prod", "bytereview-prod", "us-central1")


class Console:
    """One console's door, over connections of its own."""

    def __init__(self, cloud: Cloud, door: JobGateway, reader: MigrationReader) -> None:
        self.cloud, self.door, self.reader = cloud, door, reader


@pytest.fixture
async def consoles(tmp_path: Path) -> AsyncIterator[tuple[Console, Console]]:
    """Two consoles of one person on one embedded cloud."""
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(Emulator(EmulatorOptions(speed=60.0)))
        made = []
        for name in ("one", "two"):
            reach = ConnectionOptions(
                f"127.0.0.1:{emulator.grpc_port}",
                f"127.0.0.1:{emulator.http_port}",
                8.0,
                tmp_path / name,
                MigrationOptions(tmp_path / "alembic.ini"),
            )
            cloud, clock = await stack.enter_async_context(open_cloud(PROD, reach))
            await clock.synchronise()
            reader, writer = cloud.migrations, cloud.job_writer
            assert reader is not None
            assert writer is not None
            trail = Trail(PROD, Journal(tmp_path / name), "who@example.com")
            door = JobGateway(PROD, reader, writer, clock, trail, Modes(PROD, read_only=False))
            made.append(Console(cloud, door, reader))
        yield made[0], made[1]


def proposal(number: int, image: str) -> JobProposal:
    """The run of another release each time."""
    plan = hashlib.sha256(str(number).encode()).hexdigest()
    schema = SchemaState("r1", ("r2",), (), ("r2",), datetime(2026, 6, 23, tzinfo=UTC), "x", None)
    request = RunRequest(f"m-{number:016x}", PlannedRun(plan, "r2", schema, ()), image)
    asked = JobPlan(
        WriteAction.MIGRATE.value, PROD.name, PROD.project, PROD.region, JOB, "", Confirmation.DIALOG, "run it"
    )
    return JobProposal(asked, request)


async def at_rest(console: Console) -> None:
    """Until no run is at work."""
    async with asyncio.timeout(60):
        while any(one.under_way for one in await console.reader.executions()):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.05)


async def test_two_consoles_at_once_start_one_execution_each_time(consoles: tuple[Console, Console]) -> None:
    chance = random.Random(7)
    one, two = consoles
    for number in range(ROUNDS):
        await at_rest(one)
        job = await one.cloud.jobs.job(JOB) if one.cloud.jobs is not None else None
        assert job is not None
        assert one.cloud.job_writer is not None
        made = proposal(number, job.image)
        assert made.request is not None
        approval = dump_approval(Approval(made.request.plan.hash, "reviewer@example.com", job.server_time))
        await one.cloud.job_writer.replace(job, None, {APPROVAL: approval})

        async def press(console: Console, made: JobProposal = made) -> OutcomeKind:
            await asyncio.sleep(chance.uniform(0, 0.02))  # not a wait: what is tried is any interleaving
            return (await console.door.run(made, BY_DIALOG)).outcome.kind

        kinds = await asyncio.gather(press(one), press(two))
        started = [
            found for found in await one.reader.executions() if found.env.get(RELEASE_ENV) == made.request.release
        ]
        assert len(started) == 1, (number, kinds)
        assert sorted(kinds) == [OutcomeKind.ALREADY_DONE, OutcomeKind.DONE], number
