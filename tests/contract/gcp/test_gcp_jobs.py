"""Cloud Run jobs over a real socket, against the embedded Google Cloud: reading, claiming, running, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from brconsole.domain.environment import Environment
from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.migration_ports import ExecutionState, Jobs, JobWriter, LiveJob
from brconsole.operations.ports import Cloud
from brconsole.wiring import ConnectionOptions, open_cloud

JOB = "migrate-db"
PROD = Environment("prod", "bytereview-prod", "us-central1")
DIGEST = "us-central1-docker.pkg.dev/bytereview-prod/bytereview/api@sha256:" + "ab" * 32


class Console:
    """A console's ports on an embedded cloud, and the cloud's control endpoint."""

    def __init__(self, emulator: Emulator, cloud: Cloud) -> None:
        self.emulator = emulator
        self.cloud = cloud

    @property
    def jobs(self) -> Jobs:
        """The reading port."""
        assert self.cloud.jobs is not None
        return self.cloud.jobs

    @property
    def writer(self) -> JobWriter:
        """The writing port."""
        assert self.cloud.job_writer is not None
        return self.cloud.job_writer

    async def live(self) -> LiveJob:
        """The job as it is now."""
        found = await self.jobs.job(JOB)
        assert found is not None
        return found

    async def fault(self, **fault: Any) -> None:
        """Set one fault of the APIs."""
        async with httpx.AsyncClient() as http:
            reply = await http.put(f"http://127.0.0.1:{self.emulator.http_port}/control/faults", json=fault)
        assert reply.status_code == 200, reply.text


Open = Callable[..., Awaitable[Console]]


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens consoles: `await console(speed=60, deadline_s=1.0, denied=frozenset({...}))`."""
    async with AsyncExitStack() as stack:

        async def open_console(deadline_s: float = 8.0, on: Emulator | None = None, **options: Any) -> Console:
            emulator = on or await stack.enter_async_context(Emulator(EmulatorOptions(**{"speed": 60.0, **options})))
            reach = ConnectionOptions(
                f"127.0.0.1:{emulator.grpc_port}", f"127.0.0.1:{emulator.http_port}", deadline_s, tmp_path
            )
            cloud, clock = await stack.enter_async_context(open_cloud(PROD, reach))
            await clock.synchronise()
            return Console(emulator, cloud)

        yield open_console


async def ended(console: Console, name: str) -> Any:
    """An execution once it is over."""
    async with asyncio.timeout(30):
        while True:
            found = next((one for one in await console.jobs.executions(JOB) if one.name == name), None)
            if found is not None and found.state is not ExecutionState.RUNNING:
                return found
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in the embedded cloud."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it happens on the other side of a socket
            await asyncio.sleep(0.01)


async def test_the_job_is_read_with_what_a_write_needs(console: Open) -> None:
    job = await (await console()).live()
    assert (job.name, job.max_retries) == (JOB, 3)
    assert "@sha256:" in job.image
    assert job.version
    assert job.annotations == {}
    assert job.service_account == "migrate-run@bytereview-prod.iam.gserviceaccount.com"


async def test_a_job_that_is_not_there_is_none(console: Open) -> None:
    assert await (await console()).jobs.job("no-such-job") is None


async def test_a_claim_changes_image_annotations_and_retries_and_keeps_the_rest(console: Open) -> None:
    one = await console()
    before = await one.live()
    claimed = await one.writer.replace(before, DIGEST, {"brconsole.dev/migration": '{"v":1}'})
    assert (claimed.image, claimed.max_retries) == (DIGEST, 0)
    assert claimed.annotations == {"brconsole.dev/migration": '{"v":1}'}
    assert claimed.version != before.version
    assert replace(await one.live(), server_time=claimed.server_time) == claimed
    template = one.emulator.cloud.jobs.book.jobs("bytereview-prod")[0].template
    assert [(variable.name, variable.secret) for variable in template.env] == [("DATABASE_URL", "database-url")]
    cleared = await one.writer.replace(claimed, None, {"brconsole.dev/migration": None})
    assert (cleared.image, cleared.annotations) == (DIGEST, {})


async def test_of_two_claims_on_one_base_the_second_is_refused_as_a_conflict(console: Open) -> None:
    one = await console()
    two = await console(on=one.emulator)
    mine, theirs = await one.live(), await two.live()
    await one.writer.replace(mine, DIGEST, {"brconsole.dev/migration": "one"})
    with pytest.raises(SourceFailure) as refused:
        await two.writer.replace(theirs, DIGEST, {"brconsole.dev/migration": "two"})
    assert refused.value.kind is FailureKind.CONFLICT
    assert f"Conflict for resource '{JOB}': version" in str(refused.value)
    assert (await one.live()).annotations == {"brconsole.dev/migration": "one"}


async def test_a_base_that_another_adapter_read_can_be_written_on_while_it_is_live(console: Open) -> None:
    one = await console()
    two = await console(on=one.emulator)
    base = await one.live()
    claimed = await two.writer.replace(base, DIGEST, {"brconsole.dev/migration": "two"})
    assert claimed.annotations == {"brconsole.dev/migration": "two"}
    with pytest.raises(SourceFailure) as refused:
        await (await console(on=one.emulator)).writer.replace(base, DIGEST, {})
    assert refused.value.kind is FailureKind.CONFLICT


async def test_a_base_stays_one_while_only_executions_begin_and_end(console: Open) -> None:
    one = await console()
    base = await one.live()
    one.emulator.cloud.jobs.run(one.emulator.cloud.world.projects[2], JOB, 0.0, "a colleague", ["status"], {})
    assert (await one.live()).version != base.version
    claimed = await one.writer.replace(base, DIGEST, {"brconsole.dev/migration": "one"})
    assert claimed.annotations == {"brconsole.dev/migration": "one"}


async def test_a_run_is_started_with_its_arguments_and_variables_and_found_again_by_them(console: Open) -> None:
    one = await console()
    claimed = await one.writer.replace(await one.live(), DIGEST, {"brconsole.dev/migration": "one"})
    name = await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1", "PLAN_HASH": "abc"})
    (execution,) = await one.jobs.executions(JOB)
    assert execution.name == name
    assert name.startswith(f"{JOB}-")
    assert (execution.args, execution.image) == (("run",), DIGEST)
    assert execution.env == {"RELEASE_ID": "r-1", "PLAN_HASH": "abc"}, "a secret is no plain variable"
    assert execution.state is ExecutionState.RUNNING
    assert execution.created is not None


async def test_without_a_database_an_execution_fails_and_says_how_to_get_one(console: Open) -> None:
    one = await console()
    claimed = await one.writer.replace(await one.live(), None, {})
    name = await one.writer.run(claimed, ["status"], {})
    execution = await ended(one, name)
    assert execution.state is ExecutionState.FAILED
    assert "the simulation has no database; start it with --postgres URL or --postgres auto" in execution.message
    assert (execution.succeeded_count, execution.task_count) == (0, 1)
    lines: tuple[Any, ...] = ()
    async with asyncio.timeout(30):
        while not lines:
            lines = await one.jobs.lines(execution, None)
    assert [(line.severity, line.text) for line in lines] == [
        ("ERROR", "the simulation has no database; start it with --postgres URL or --postgres auto")
    ]
    again = await one.jobs.lines(execution, lines[-1].at)
    assert [line.id for line in again] == [lines[-1].id], "the moment itself is included"
    assert await one.jobs.lines(execution, lines[-1].at + timedelta(seconds=1)) == ()


async def test_a_run_on_a_job_that_was_changed_is_refused_and_nothing_starts(console: Open) -> None:
    one = await console()
    slow = await one.writer.replace(await one.live(), DIGEST, {"brconsole.dev/migration": "slow"})
    await one.writer.replace(slow, DIGEST, {"brconsole.dev/migration": "taken over"})
    with pytest.raises(SourceFailure) as refused:
        await one.writer.run(slow, ["run"], {"RELEASE_ID": "r-1"})
    assert refused.value.kind is FailureKind.CONFLICT
    assert await one.jobs.executions(JOB) == ()


async def test_a_run_that_slips_past_the_read_is_refused_by_an_enforced_etag(console: Open) -> None:
    one = await console(etag_enforced=True)
    base = await one.writer.replace(await one.live(), DIGEST, {"brconsole.dev/migration": "one"})
    await one.fault(api="run", method="RunJob", stall_s=0.5, count=1)
    running = asyncio.create_task(one.writer.run(base, ["run"], {"RELEASE_ID": "r-1"}))
    await until(lambda: not one.emulator.cloud.faults.to_json())
    await one.writer.replace(await one.live(), DIGEST, {"brconsole.dev/migration": "two"})
    with pytest.raises(SourceFailure) as refused:
        await running
    assert refused.value.kind is FailureKind.CONFLICT
    assert await one.jobs.executions(JOB) == ()


async def test_a_run_whose_answer_is_lost_may_have_started_and_is_found_among_the_executions(console: Open) -> None:
    one = await console()
    claimed = await one.writer.replace(await one.live(), DIGEST, {})
    await one.fault(api="run", method="RunJob", lost=True, count=1)
    with pytest.raises(SourceFailure) as lost:
        await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1"})
    assert lost.value.kind is FailureKind.UNAVAILABLE
    assert "whether the write was applied is not known" in str(lost.value)
    assert [execution.env["RELEASE_ID"] for execution in await one.jobs.executions(JOB)] == ["r-1"]


async def test_a_run_that_google_cannot_take_is_sent_once(console: Open) -> None:
    one = await console()
    claimed = await one.writer.replace(await one.live(), DIGEST, {})
    await one.fault(api="run", method="RunJob", code="UNAVAILABLE", count=1)
    with pytest.raises(SourceFailure) as failed:
        await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1"})
    assert failed.value.kind is FailureKind.UNAVAILABLE
    assert await one.jobs.executions(JOB) == ()


async def test_a_run_that_stalls_ends_at_the_deadline(console: Open) -> None:
    one = await console(deadline_s=1.0)
    claimed = await one.writer.replace(await one.live(), DIGEST, {})
    await one.fault(api="run", method="RunJob", stall_s=60)
    with pytest.raises(SourceFailure) as late:
        await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1"})
    assert late.value.kind is FailureKind.TIMEOUT
    assert "look through its executions" in str(late.value)


async def test_a_claim_whose_answer_is_lost_says_that_nobody_knows(console: Open) -> None:
    one = await console()
    base = await one.live()
    await one.fault(api="run", method="ReplaceJob", lost=True, count=1)
    with pytest.raises(SourceFailure) as lost:
        await one.writer.replace(base, DIGEST, {"brconsole.dev/migration": "one"})
    assert lost.value.kind is FailureKind.UNAVAILABLE
    assert "not known" in str(lost.value)
    assert (await one.live()).annotations == {"brconsole.dev/migration": "one"}


@pytest.mark.parametrize(
    ("permission", "role"),
    [
        ("run.jobs.run", "roles/run.jobsExecutorWithOverrides"),
        ("run.jobs.runWithOverrides", "roles/run.jobsExecutorWithOverrides"),
    ],
)
async def test_a_missing_permission_to_run_is_named_with_its_role(console: Open, permission: str, role: str) -> None:
    one = await console(denied=frozenset({permission}))
    claimed = await one.writer.replace(await one.live(), DIGEST, {})
    with pytest.raises(SourceFailure) as refused:
        await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1"})
    assert refused.value.kind is FailureKind.PERMISSION
    assert (refused.value.permission, refused.value.role) == (permission, role)
    assert await one.jobs.executions(JOB) == ()


@pytest.mark.parametrize("permission", ["run.jobs.update", "iam.serviceAccounts.actAs"])
async def test_a_missing_permission_to_claim_is_named(console: Open, permission: str) -> None:
    one = await console(denied=frozenset({permission}))
    with pytest.raises(SourceFailure) as refused:
        await one.writer.replace(await one.live(), DIGEST, {})
    assert refused.value.kind is FailureKind.PERMISSION
    assert refused.value.permission == permission
    assert refused.value.role


@pytest.mark.parametrize(
    ("permission", "read"),
    [("run.jobs.get", lambda jobs: jobs.job(JOB)), ("run.executions.list", lambda jobs: jobs.executions(JOB))],
)
async def test_a_missing_permission_to_read_is_named(
    console: Open, permission: str, read: Callable[[Jobs], Awaitable[object]]
) -> None:
    one = await console(denied=frozenset({permission}))
    with pytest.raises(SourceFailure) as refused:
        await read(one.jobs)
    assert refused.value.permission == permission
    assert refused.value.role == "roles/run.viewer"


async def test_an_execution_is_cancelled_and_a_cancelled_one_cannot_be_again(console: Open) -> None:
    one = await console(speed=1.0)
    claimed = await one.writer.replace(await one.live(), DIGEST, {})
    name = await one.writer.run(claimed, ["run"], {"RELEASE_ID": "r-1"})
    await one.writer.cancel(name, JOB)
    assert (await ended(one, name)).state is ExecutionState.CANCELLED
    with pytest.raises(SourceFailure) as refused:
        await one.writer.cancel(name, JOB)
    assert "already completed" in str(refused.value)


async def test_executions_come_newest_first(console: Open) -> None:
    one = await console()
    names = []
    for number in range(3):
        base = await one.writer.replace(await one.live(), DIGEST, {})
        names.append(await one.writer.run(base, ["status"], {"RELEASE_ID": f"r-{number}"}))
    assert [execution.name for execution in await one.jobs.executions(JOB)] == names[::-1]


async def test_reads_are_tried_again_and_a_reply_that_cannot_be_read_is_said_to_be_one(console: Open) -> None:
    one = await console()
    await one.fault(api="run", method="ListExecutions", code="UNAVAILABLE", count=1)
    assert await one.jobs.executions(JOB) == ()
    await one.fault(api="run", method="GetJob", garbage=True, count=1)
    with pytest.raises(SourceFailure) as garbage:
        await one.jobs.job(JOB)
    assert garbage.value.kind is FailureKind.UNREADABLE


async def test_doctor_asks_for_what_migrations_need(console: Open) -> None:
    one = await console(denied=frozenset({"run.jobs.runWithOverrides"}))
    checks = {check.permission: check for check in await one.cloud.access.permissions() if ".jobs." in check.permission}
    assert checks["run.jobs.update"].held is True
    assert checks["run.jobs.runWithOverrides"].held is False
    assert checks["run.jobs.runWithOverrides"].role == "roles/run.jobsExecutorWithOverrides"
    assert checks["run.jobs.runWithOverrides"].purpose
