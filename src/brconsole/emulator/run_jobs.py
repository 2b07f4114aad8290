"""Cloud Run Admin API v2: jobs, their executions and tasks. Create and delete are not part of the emulator.

Facts §9. RunJob has no request id: called twice it runs twice. Whether Google refuses a run whose etag is stale is not
known, as with services; `etag_enforced` decides it here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import grpc
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports.grpc import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports.grpc import JobsGrpcTransport
from google.cloud.run_v2.services.tasks.transports.grpc import TasksGrpcTransport
from google.iam.v1 import iam_policy_pb2  # type: ignore[import-untyped]
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from brconsole.emulator import quota
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import ApiError, invalid_argument, unimplemented
from brconsole.emulator.iam import granted
from brconsole.emulator.job_audit import record
from brconsole.emulator.job_messages import (
    execution_message,
    execution_name,
    job_message,
    job_name,
    task_message,
    task_template_from,
)
from brconsole.emulator.job_operations import changed, running
from brconsole.emulator.paging import page
from brconsole.emulator.run_checks import check_annotations, check_labels, conflict, in_region, may_run, missing
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.jobs import Execution, Job
from brconsole.simulation.model import Project

_LOCATION = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_JOB = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)")
_EXECUTION = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)/executions/([^/]+)")
_JOB_FORM = "projects/PROJECT/locations/LOCATION/jobs/JOB"
_EXECUTION_FORM = f"{_JOB_FORM}/executions/EXECUTION"

# The pages of the real API are not documented; these are ours.
_PAGE = 100
_PAGE_MAX = 1000

_JOBS_PB = run_v2.ListJobsResponse.pb()
_EXECUTIONS_PB = run_v2.ListExecutionsResponse.pb()
_TASKS_PB = run_v2.ListTasksResponse.pb()
_WITH_OVERRIDES = "run.jobs.runWithOverrides"


class RunJobs(GrpcApi):
    """google.cloud.run.v2.Jobs."""

    SERVICE = "google.cloud.run.v2.Jobs"
    API = "run"
    TRANSPORT = JobsGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListJobs": Rule("run.jobs.list", quota.RUN_READ),
        "GetJob": Rule("run.jobs.get", quota.RUN_READ),
        "UpdateJob": Rule("run.jobs.update", quota.RUN_WRITE),
        "RunJob": Rule("run.jobs.run", quota.RUN_WRITE),
        "TestIamPermissions": Rule(None, quota.RUN_READ),
    }

    def resource_of(self, request: Any) -> str:
        """An update names the job inside the job."""
        if isinstance(request, run_v2.UpdateJobRequest):
            return request.job.name
        return super().resource_of(request)

    async def ListJobs(self, request: run_v2.ListJobsRequest, call: Call) -> Any:  # noqa: N802
        """The jobs of one region, newest first."""
        match = _parse(_LOCATION, request.parent, "parent", "projects/PROJECT/locations/LOCATION")
        project = in_region(self.cloud.project(match[1]), match[2])
        found = list(self.cloud.jobs.book.jobs(project.id)) if project else []
        found.sort(key=lambda job: (-job.created, job.name))
        some, token = page(
            found,
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"jobs {request.parent}",
        )
        messages = [_shown(self.cloud, project, job) for job in some] if project else []
        return _JOBS_PB(jobs=messages, next_page_token=token)

    async def GetJob(self, request: run_v2.GetJobRequest, call: Call) -> Any:  # noqa: N802
        """One job."""
        return _shown(self.cloud, *_find_job(self.cloud, request.name, "name"))

    async def UpdateJob(self, request: run_v2.UpdateJobRequest, call: Call) -> Any:  # noqa: N802
        """Writes the whole job; there is no mask. Returns an operation that is done."""
        wanted = run_v2.Job.pb(request.job)
        try:
            project, job = _find_job(self.cloud, wanted.name, "job.name")
        except ApiError as error:
            if error.code is grpc.StatusCode.NOT_FOUND and request.allow_missing:
                raise unimplemented(
                    "Creating a job (allow_missing) is not part of the embedded Google Cloud."
                ) from error
            raise
        check_annotations(wanted.annotations, job.annotations)
        check_labels(wanted.labels, job.labels)
        template = task_template_from(wanted.template, job.template.service_account)
        may_run(self.cloud, project, template)
        _check_etag(self.cloud, job.name, wanted.etag, job.etag)
        if not request.validate_only:
            job = self.cloud.jobs.book.replace(
                project.id,
                job.name,
                call.now,
                call.principal,
                template=template,
                annotations=dict(wanted.annotations),
                labels=dict(wanted.labels),
            )
            self._record(project, job, "UpdateJob", "run.jobs.update")
        return changed(project, _shown(self.cloud, project, job))

    async def RunJob(self, request: run_v2.RunJobRequest, call: Call) -> Any:  # noqa: N802
        """Starts an execution; the operation ends with it. Arguments of an override replace the job's, its variables
        are merged with them.
        """
        project, job = _find_job(self.cloud, request.name, "name")
        wanted = run_v2.RunJobRequest.pb(request)
        args: tuple[str, ...] | None = None
        env: dict[str, str] = {}
        if wanted.HasField("overrides"):
            self.cloud.require(_WITH_OVERRIDES, request.name)
            args, env = _overrides(wanted.overrides)
        _check_etag(self.cloud, job.name, request.etag, job.etag)
        if request.validate_only:
            return operations_pb2.Operation(done=True)
        execution = self.cloud.jobs.run(project, job.name, call.now, call.principal, args, env)
        self._record(project, job, "RunJob", "run.jobs.run")
        self.cloud.started_operations.setdefault(project.id, []).append(execution.operation)
        return running(project, execution)

    async def TestIamPermissions(  # noqa: N802
        self, request: iam_policy_pb2.TestIamPermissionsRequest, call: Call
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Which of the permissions the caller has on a job. The call itself needs none."""
        _find_job(self.cloud, request.resource, "resource")
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted(self.cloud, request.permissions))

    def _record(self, project: Project, job: Job, method: str, permission: str) -> None:
        name = job_name(project, job.name)
        record(self.cloud, project, job.name, f"{self.SERVICE}.{method}", permission, name)


class RunExecutions(GrpcApi):
    """google.cloud.run.v2.Executions."""

    SERVICE = "google.cloud.run.v2.Executions"
    API = "run"
    TRANSPORT = ExecutionsGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListExecutions": Rule("run.executions.list", quota.RUN_READ),
        "GetExecution": Rule("run.executions.get", quota.RUN_READ),
        "CancelExecution": Rule("run.executions.cancel", quota.RUN_WRITE),
    }

    async def ListExecutions(self, request: run_v2.ListExecutionsRequest, call: Call) -> Any:  # noqa: N802
        """The executions of a job, or of all jobs of a region (`jobs/-`), newest first."""
        match = _parse(_JOB, request.parent, "parent", _JOB_FORM)
        every = match[3] == "-"
        if every:
            project = in_region(self.cloud.project(match[1]), match[2])
        else:
            project, _ = _find_job(self.cloud, request.parent, "parent")
        found = self.cloud.jobs.book.executions(project.id, None if every else match[3]) if project else ()
        some, token = page(
            found,
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"executions {request.parent}",
        )
        messages = [execution_message(project, execution) for execution in some] if project else []
        return _EXECUTIONS_PB(executions=messages, next_page_token=token)

    async def GetExecution(self, request: run_v2.GetExecutionRequest, call: Call) -> Any:  # noqa: N802
        """One execution."""
        return execution_message(*_find_execution(self.cloud, request.name, "name"))

    async def CancelExecution(self, request: run_v2.CancelExecutionRequest, call: Call) -> Any:  # noqa: N802
        """Asks for the end of an execution; the operation ends with it."""
        project, execution = _find_execution(self.cloud, request.name, "name")
        _check_etag(self.cloud, execution.name, request.etag, execution.etag)
        if execution.outcome is not None:
            raise ApiError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Execution '{execution.name}' cannot be cancelled: it has already completed.",
            )
        if not request.validate_only:
            execution = self.cloud.jobs.cancel(project, execution.name, call.now)
            record(
                self.cloud,
                project,
                execution.job,
                f"{self.SERVICE}.CancelExecution",
                "run.executions.cancel",
                execution_name(project, execution),
            )
        return running(project, execution)


class RunTasks(GrpcApi):
    """google.cloud.run.v2.Tasks: the one task of an execution."""

    SERVICE = "google.cloud.run.v2.Tasks"
    API = "run"
    TRANSPORT = TasksGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {"ListTasks": Rule("run.tasks.list", quota.RUN_READ)}

    async def ListTasks(self, request: run_v2.ListTasksRequest, call: Call) -> Any:  # noqa: N802
        """The tasks of an execution."""
        project, execution = _find_execution(self.cloud, request.parent, "parent")
        some, token = page(
            [task_message(project, execution)],
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"tasks {request.parent}",
        )
        return _TASKS_PB(tasks=some, next_page_token=token)


def _shown(cloud: Cloud, project: Project, job: Job) -> Any:
    latest = cloud.jobs.book.execution(project.id, job.latest) if job.latest else None
    return job_message(project, job, latest)


def _find_job(cloud: Cloud, name: str, field: str) -> tuple[Project, Job]:
    match = _parse(_JOB, name, field, _JOB_FORM)
    project = in_region(cloud.project(match[1]), match[2])
    job = cloud.jobs.book.job(project.id, match[3]) if project else None
    if project is None or job is None:
        raise missing("JOB", match[3], match[2], match[1])
    return project, job


def _find_execution(cloud: Cloud, name: str, field: str) -> tuple[Project, Execution]:
    match = _parse(_EXECUTION, name, field, _EXECUTION_FORM)
    project = in_region(cloud.project(match[1]), match[2])
    execution = cloud.jobs.book.execution(project.id, match[4]) if project else None
    if project is None or execution is None or match[3] not in ("-", execution.job):
        raise missing("EXECUTION", match[4], match[2], match[1])
    return project, execution


def _parse(pattern: re.Pattern[str], name: str, field: str, form: str) -> re.Match[str]:
    match = pattern.fullmatch(name)
    if match is None:
        raise invalid_argument(f"Invalid resource name {name!r}: want {form}.", field)
    return match


def _check_etag(cloud: Cloud, name: str, given: str, current: str) -> None:
    if cloud.etag_enforced and given and given != current:
        raise conflict(name, given, current)


def _overrides(message: Any) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The arguments (None: the job's own) and the further variables."""
    if message.task_count > 1:
        raise unimplemented("overrides.task_count: more than one task is not part of the embedded Google Cloud.")
    if message.HasField("timeout"):
        raise unimplemented("overrides.timeout: it is not part of the embedded Google Cloud.")
    if len(message.container_overrides) > 1:
        raise unimplemented("overrides.container_overrides: jobs of the embedded Google Cloud have one container.")
    args: tuple[str, ...] | None = None
    env: dict[str, str] = {}
    for container in message.container_overrides:
        if container.clear_args and container.args:
            path = "overrides.container_overrides[0]"
            raise invalid_argument(f"{path}: args must be empty where clear_args is set.", f"{path}.args")
        if container.args or container.clear_args:
            args = tuple(container.args)
        for variable in container.env:
            if variable.HasField("value_source"):
                raise unimplemented("overrides: variables from secrets are not part of the embedded Google Cloud.")
            env[variable.name] = variable.value
    return args, env
