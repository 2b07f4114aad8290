"""Cloud Run jobs on the embedded cloud, by the official clients and over v1's REST: reads, writes, runs, refusals."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports.grpc_asyncio import (
    LoggingServiceV2GrpcAsyncIOTransport,
)
from google.cloud.run_v2.services.executions.transports.grpc_asyncio import ExecutionsGrpcAsyncIOTransport
from google.cloud.run_v2.services.jobs.transports.grpc_asyncio import JobsGrpcAsyncIOTransport
from google.cloud.run_v2.services.tasks.transports.grpc_asyncio import TasksGrpcAsyncIOTransport
from google.longrunning import operations_pb2

from brconsole.emulator.composition import Emulator

REGION = "projects/bytereview-prod/locations/us-central1"
JOB = f"{REGION}/jobs/migrate-db"
V1_JOB = "/apis/run.googleapis.com/v1/namespaces/bytereview-prod/jobs/migrate-db"
State = run_v2.Condition.State


@dataclass(frozen=True)
class Run:
    """An embedded cloud and the clients of its jobs."""

    cloud: Emulator
    jobs: run_v2.JobsAsyncClient
    executions: run_v2.ExecutionsAsyncClient
    tasks: run_v2.TasksAsyncClient
    logs: LoggingServiceV2AsyncClient
    http: httpx.AsyncClient

    async def job(self) -> run_v2.Job:
        return await self.jobs.get_job(name=JOB)

    async def document(self) -> dict[str, Any]:
        answer = await self.http.get(V1_JOB)
        answer.raise_for_status()
        return answer.json()

    async def put(self, document: dict[str, Any], **params: str) -> httpx.Response:
        return await self.http.put(V1_JOB, json=document, params=params)

    async def waited(self, operation: str) -> operations_pb2.Operation:
        """An operation once it is done. The client does not read what WaitOperation answers."""
        await self.jobs.wait_operation(operations_pb2.WaitOperationRequest(name=operation))
        return await self.jobs.get_operation(operations_pb2.GetOperationRequest(name=operation))

    async def started(self, **override: Any) -> str:
        """Run the job; the full name of its execution."""
        overrides = {"container_overrides": [override]} if override else None
        operation = await self.jobs.run_job(request={"name": JOB, "overrides": overrides})
        return operation.metadata.name


@pytest.fixture
async def run(emulator, channel) -> AsyncIterator[Callable[..., Awaitable[Run]]]:
    async with AsyncExitStack() as stack:

        async def start(**options: object) -> Run:
            cloud = await emulator(**{"speed": 600.0, **options})
            opened = channel(cloud)
            http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}")
            return Run(
                cloud,
                run_v2.JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=opened)),
                run_v2.ExecutionsAsyncClient(transport=ExecutionsGrpcAsyncIOTransport(channel=opened)),
                run_v2.TasksAsyncClient(transport=TasksGrpcAsyncIOTransport(channel=opened)),
                LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=opened)),
                await stack.enter_async_context(http),
            )

        yield start


async def test_every_project_has_the_job_with_googles_defaults_and_its_secret_by_reference(run) -> None:
    on = await run()
    for project in ("br-dev-4821", "br-stage-4821", "bytereview-prod"):
        listed = [job async for job in await on.jobs.list_jobs(parent=f"projects/{project}/locations/us-central1")]
        assert [job.name.rpartition("/")[2] for job in listed] == ["migrate-db"]
    job = await on.job()
    task = job.template.template
    assert (task.max_retries, task.timeout.total_seconds()) == (3, 600)
    (container,) = task.containers
    assert (list(container.command), list(container.args)) == (["python", "-m", "brconsole.jobs.migrate"], [])
    (variable,) = container.env
    assert (variable.name, variable.value) == ("DATABASE_URL", "")
    assert variable.value_source.secret_key_ref.secret == "database-url"
    assert container.image.startswith("us-central1-docker.pkg.dev/bytereview-prod/bytereview/api@sha256:")


async def test_the_job_starts_at_the_image_that_most_requests_meet(run) -> None:
    on = await run(scenario="demo")
    service = on.cloud.cloud.world.service("bytereview-prod", "api", on.cloud.cloud.now())
    most = max(service.serving, key=lambda target: target.percent).revision
    revisions = on.cloud.cloud.world.revisions("bytereview-prod", "api", on.cloud.cloud.now())
    stable = next(one for one in revisions if one.name == most)
    assert (await on.job()).template.template.containers[0].image == stable.template.image


async def test_both_versions_show_one_job(run) -> None:
    on = await run()
    document, job = await on.document(), await on.job()
    spec = document["spec"]["template"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == job.template.template.containers[0].image
    assert (spec["maxRetries"], spec["timeoutSeconds"]) == (3, "600")
    assert spec["containers"][0]["env"] == [
        {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "database-url", "key": "latest"}}}
    ]
    assert document["metadata"]["generation"] == job.generation


async def test_a_replace_under_its_version_is_accepted_and_a_second_on_the_same_refused_in_googles_words(run) -> None:
    on = await run()
    document = await on.document()
    wanted = copy.deepcopy(document)
    wanted["metadata"]["annotations"]["example.com/claim"] = "one"
    wanted["spec"]["template"]["spec"]["template"]["spec"]["maxRetries"] = 0
    accepted = await on.put(wanted)
    assert accepted.status_code == 200, accepted.text
    job = await on.job()
    assert (job.annotations["example.com/claim"], job.template.template.max_retries) == ("one", 0)
    wanted["metadata"]["annotations"]["example.com/claim"] = "two"
    refused = await on.put(wanted)
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["status"] == "ABORTED"
    assert error["message"].startswith("Conflict for resource 'migrate-db': version '")
    assert " was specified but current version is '" in error["message"]
    assert document["metadata"]["resourceVersion"] not in error["message"], "the number is not the form that is read"


async def test_a_run_is_a_change_of_the_job_too(run) -> None:
    on = await run()
    document = await on.document()
    await on.started()
    assert (await on.put(document)).status_code == 409
    status = (await on.document())["status"]
    assert status["executionCount"] == 1
    assert status["latestCreatedExecution"]["name"].startswith("migrate-db-")


async def test_without_a_version_a_replace_overwrites(run) -> None:
    on = await run()
    document = await on.document()
    await on.started()
    del document["metadata"]["resourceVersion"]
    assert (await on.put(document)).status_code == 200


async def test_a_dry_run_changes_nothing(run) -> None:
    on = await run()
    document = await on.document()
    document["metadata"]["annotations"]["example.com/claim"] = "one"
    assert (await on.put(document, dryRun="all")).status_code == 200
    assert "example.com/claim" not in (await on.job()).annotations


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda d: d.update(kind="Service"), 400, "Invalid value at 'job.kind'"),
        (lambda d: d["metadata"].update(name="other"), 400, "does not match the name in the request path"),
        (
            lambda d: d["metadata"]["annotations"].update({"run.googleapis.com/x": "1"}),
            501,
            "not part of the embedded Google Cloud",
        ),
        (lambda d: _task(d).update(containers=[]), 400, "missing field(s)"),
        (lambda d: _task(d)["containers"][0].update(image=""), 400, "missing field(s)"),
        (lambda d: _task(d).update(maxRetries=-1), 400, "Invalid value at"),
        (lambda d: d["spec"]["template"]["spec"].update(taskCount=4), 501, "spec.template.spec.taskCount"),
        (lambda d: _task(d)["containers"][0].update(workingDir="/x"), 501, "workingDir"),
    ],
)
async def test_a_replace_that_asks_for_what_cannot_be_is_refused(run, change, status: int, said: str) -> None:
    on = await run()
    document = await on.document()
    change(document)
    refused = await on.put(document)
    assert refused.status_code == status
    assert said in refused.json()["error"]["message"]


def _task(document: dict[str, Any]) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]["template"]["spec"]


async def test_a_document_without_retries_gets_googles_default(run) -> None:
    on = await run()
    document = await on.document()
    _task(document)["maxRetries"] = 0
    assert (await on.put(document)).status_code == 200
    document = await on.document()
    assert _task(document)["maxRetries"] == 0
    del _task(document)["maxRetries"]
    assert (await on.put(document)).status_code == 200
    assert (await on.job()).template.template.max_retries == 3


async def test_overrides_replace_arguments_and_merge_variables(run) -> None:
    on = await run()
    name = await on.started(args=["run"], env=[{"name": "RELEASE_ID", "value": "r-1"}])
    execution = await on.executions.get_execution(name=name)
    (container,) = execution.template.containers
    assert list(container.args) == ["run"]
    assert [(one.name, one.value) for one in container.env] == [("DATABASE_URL", ""), ("RELEASE_ID", "r-1")]
    assert list((await on.job()).template.template.containers[0].args) == [], "the job itself is as it was"


async def test_called_twice_it_runs_twice(run) -> None:
    on = await run()
    assert await on.started() != await on.started()
    assert len([one async for one in await on.executions.list_executions(parent=JOB)]) == 2
    assert (await on.job()).execution_count == 2


async def test_an_operation_of_a_run_ends_with_its_execution(run) -> None:
    on = await run(speed=60.0)
    operation = await on.jobs.run_job(name=JOB)
    assert not operation.operation.done
    waited = await on.waited(operation.operation.name)
    assert waited.done
    assert "--postgres auto" in waited.error.message
    execution = run_v2.Execution.deserialize(waited.metadata.value)
    assert (execution.failed_count, execution.retried_count) == (1, 3)
    assert execution.completion_time is not None
    completed = next(one for one in execution.conditions if one.type_ == "Completed")
    assert completed.state is State.CONDITION_FAILED
    assert completed.execution_reason is run_v2.Condition.ExecutionReason.NON_ZERO_EXIT_CODE
    again = await on.jobs.get_operation(operations_pb2.GetOperationRequest(name=operation.operation.name))
    assert again.done


async def test_an_execution_has_one_task(run) -> None:
    on = await run()
    name = await on.started()
    (task,) = [task async for task in await on.tasks.list_tasks(parent=name)]
    assert task.name.endswith("-task0")


async def test_a_cancelled_execution_ends_and_is_not_cancelled_twice(run) -> None:
    on = await run(speed=1.0)
    name = await on.started()
    operation = await on.executions.cancel_execution(name=name)
    waited = await on.waited(operation.operation.name)
    assert waited.error.code == grpc.StatusCode.CANCELLED.value[0]
    assert (await on.executions.get_execution(name=name)).cancelled_count == 1
    with pytest.raises(exceptions.FailedPrecondition, match="already completed"):
        await on.executions.cancel_execution(name=name)


@pytest.mark.parametrize("enforced", [True, False])
async def test_whether_a_stale_etag_is_refused_is_a_choice(run, enforced: bool) -> None:
    on = await run(etag_enforced=enforced)
    stale = (await on.job()).etag
    await on.started()
    call = on.jobs.run_job(request={"name": JOB, "etag": stale})
    if enforced:
        with pytest.raises(exceptions.Aborted, match="Conflict for resource 'migrate-db'"):
            await call
    else:
        assert (await call).metadata.name
    fresh = (await on.job()).etag
    assert (await on.jobs.run_job(request={"name": JOB, "etag": fresh})).metadata.name


async def test_validate_only_starts_nothing(run) -> None:
    on = await run()
    await on.jobs.run_job(request={"name": JOB, "validate_only": True})
    assert not [one async for one in await on.executions.list_executions(parent=f"{REGION}/jobs/-")]


async def test_a_job_is_updated_whole(run) -> None:
    on = await run()
    job = await on.job()
    job.template.template.max_retries = 0
    job.annotations["example.com/a"] = "b"
    operation = await on.jobs.update_job(request={"job": job})
    assert (await operation.result()).annotations["example.com/a"] == "b"
    assert (await on.job()).template.template.max_retries == 0
    job.template.task_count = 5
    with pytest.raises(exceptions.MethodNotImplemented, match="more than one task"):
        await on.jobs.update_job(request={"job": job})


@pytest.mark.parametrize(
    ("denied", "allowed"),
    [("run.jobs.run", False), ("run.jobs.runWithOverrides", True)],
)
async def test_overrides_need_a_permission_of_their_own(run, denied: str, allowed: bool) -> None:
    on = await run(denied=frozenset({denied}))
    with pytest.raises(exceptions.PermissionDenied, match=denied):
        await on.started(args=["run"])
    if allowed:
        assert await on.started()
    held = await on.jobs.test_iam_permissions(
        request={"resource": JOB, "permissions": ["run.jobs.run", "run.jobs.runWithOverrides"]}
    )
    assert denied not in held.permissions


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda on: on.jobs.get_job(name=f"{REGION}/jobs/none"), exceptions.NotFound),
        (lambda on: on.jobs.get_job(name="jobs/none"), exceptions.InvalidArgument),
        (lambda on: on.jobs.run_job(name=f"{REGION}/jobs/none"), exceptions.NotFound),
        (lambda on: on.executions.get_execution(name=f"{JOB}/executions/none"), exceptions.NotFound),
        (lambda on: on.executions.list_executions(parent=f"{REGION}/jobs/none"), exceptions.NotFound),
        (lambda on: on.executions.delete_execution(name=f"{JOB}/executions/none"), exceptions.MethodNotImplemented),
        (lambda on: on.jobs.delete_job(name=JOB), exceptions.MethodNotImplemented),
        (lambda on: on.started(args=["x"], clear_args=True), exceptions.InvalidArgument),
    ],
)
async def test_what_is_not_there_is_refused(run, call, kind: type[Exception]) -> None:
    on = await run()
    with pytest.raises(kind):
        await call(on)


async def test_lists_are_paged(run) -> None:
    on = await run()
    names = [await on.started() for _ in range(3)]
    first = await on.executions.list_executions(request={"parent": JOB, "page_size": 2})
    assert [one.name async for one in first] == names[::-1]


async def test_who_ran_the_job_stands_in_the_audit_log_and_what_it_said_in_its_own(run) -> None:
    on = await run(speed=60.0, principal="maya@bytereview.ai")
    name = await on.started()
    short = name.rpartition("/")[2]
    wanted = (
        'resource.type = "cloud_run_job" AND resource.labels.job_name = "migrate-db" AND '
        f'labels."run.googleapis.com/execution_name" = "{short}"'
    )
    entries: list[Any] = []
    async with asyncio.timeout(30):
        while not entries:
            await asyncio.sleep(0.05)
            pager = await on.logs.list_log_entries(
                request={"resource_names": ["projects/bytereview-prod"], "filter": wanted}
            )
            entries = [entry async for entry in pager]
    assert entries[0].log_name.endswith("/logs/run.googleapis.com%2Fvarlog%2Fsystem")
    assert entries[0].resource.labels["location"] == "us-central1"
    audit = await on.logs.list_log_entries(
        request={
            "resource_names": ["projects/bytereview-prod"],
            "filter": 'protoPayload.methodName = "google.cloud.run.v2.Jobs.RunJob"',
        }
    )
    assert len([entry async for entry in audit]) == 1
