"""Who the console is and what it may do: TestIamPermissions, which itself needs no permission, and reads where there is
no such test.

Facts: reference/google-cloud-facts.md §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from brconsole.gcp.apis import FIND_CREDENTIALS, TEST_PROJECT_PERMISSIONS, TEST_RUN_PERMISSIONS, role_for
from brconsole.gcp.bigquery import SpendReader
from brconsole.gcp.budgets import BudgetReader
from brconsole.gcp.caller import Caller, parsed
from brconsole.gcp.run import CloudRunReader
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import PermissionCheck


@dataclass(frozen=True, slots=True)
class Want:
    """A permission and what the console does with it."""

    permission: str
    purpose: str


PROJECT_WANTS = (
    Want("run.services.list", "services and their traffic"),
    Want("run.revisions.list", "revisions and their readiness"),
    Want("monitoring.timeSeries.list", "request rates, latency, queues, error budgets"),
    Want("monitoring.alertPolicies.list", "alerts"),
    Want("monitoring.services.list", "what the SLOs speak of"),
    Want("monitoring.slos.list", "SLOs"),
    Want("logging.logEntries.list", "who changed the fleet"),
    Want("resourcemanager.projects.get", "which budget is this project's"),
    Want("bigquery.jobs.create", "asking the billing export"),
)
"""What is held on the project."""
SERVICE_WANTS = (
    Want("run.services.get", "one service before and after a change"),
    Want("run.services.update", "traffic, releases and rollback"),
)
"""What is held on each service."""
JOB_WANTS = (
    Want("run.jobs.get", "the migration job before and after a change"),
    Want("run.jobs.update", "claiming and approving a migration"),
    Want("run.jobs.run", "running a migration"),
    Want("run.jobs.runWithOverrides", "telling a migration its release"),
    Want("run.executions.list", "migrations and how they went"),
    Want("run.executions.cancel", "ending a migration"),
)
"""What is held on the migration job, where there is one."""
BUDGET_WANT = Want("billing.budgets.list", "the monthly budget")
EXPORT_WANT = Want("bigquery.tables.getData", "spend by day and Google service")


class AccessReader:
    """The `Access` port."""

    def __init__(
        self,
        caller: Caller,
        project: str,
        region: str,
        run: CloudRunReader,
        spend: SpendReader | None,
        budget: BudgetReader | None,
        job: str,
    ) -> None:
        self._caller = caller
        self._project = f"projects/{project}"
        self._location = f"{self._project}/locations/{region}"
        self._run = run
        self._spend = spend
        self._budget = budget
        self._job = job

    async def identity(self) -> str:
        """See Access."""
        with self._caller.reading(FIND_CREDENTIALS, FIND_CREDENTIALS.name):
            async with asyncio.timeout(self._caller.deadline_s):
                return await self._caller.connection.identity()

    async def permissions(self) -> tuple[PermissionCheck, ...]:
        """See Access. What could not be asked is unknown with its reason, and hides nothing else."""
        groups = await asyncio.gather(
            self._tested(PROJECT_WANTS, self._project, self._held_on_project),
            self._service_checks(),
            self._job_checks(),
            self._read_check(BUDGET_WANT, "billing account", None if self._budget is None else self._budget.may_list),
            self._read_check(EXPORT_WANT, "billing export", None if self._spend is None else self._spend.may_query),
        )
        return tuple(check for group in groups for check in group)

    async def _tested(
        self, wants: Sequence[Want], resource: str, held_of: Callable[[str, list[str]], Awaitable[frozenset[str]]]
    ) -> list[PermissionCheck]:
        try:
            held = await held_of(resource, [want.permission for want in wants])
        except SourceFailure as failure:
            return [_check(want, resource, None, str(failure)) for want in wants]
        return [_check(want, resource, want.permission in held) for want in wants]

    async def _service_checks(self) -> list[PermissionCheck]:
        """Asked of the first service there is: a service that does not exist tells nothing."""
        anywhere = f"{self._location}/services/*"
        try:
            services = await self._run.services()
        except SourceFailure as failure:
            return [_check(want, anywhere, None, str(failure)) for want in SERVICE_WANTS]
        if not services:
            return [_check(want, anywhere, None, "there is no service to ask about") for want in SERVICE_WANTS]
        return await self._tested(SERVICE_WANTS, f"{self._location}/services/{services[0].name}", self._held_on_service)

    async def _job_checks(self) -> list[PermissionCheck]:
        """Asked of the migration job; a project without one runs no migrations and needs none of them."""
        resource = f"{self._location}/jobs/{self._job}"
        try:
            held = await self._held_on_job(resource, [want.permission for want in JOB_WANTS])
        except SourceFailure as failure:
            if failure.kind is FailureKind.NOT_FOUND:
                return []
            return [_check(want, resource, None, str(failure)) for want in JOB_WANTS]
        return [_check(want, resource, want.permission in held) for want in JOB_WANTS]

    async def _read_check(
        self, want: Want, resource: str, read: Callable[[], Awaitable[None]] | None
    ) -> list[PermissionCheck]:
        if read is None:
            return []
        try:
            await read()
        except SourceFailure as failure:
            held = False if failure.kind is FailureKind.PERMISSION else None
            return [_check(want, failure.resource, held, str(failure))]
        return [_check(want, resource, True)]

    async def _held_on_project(self, resource: str, permissions: list[str]) -> frozenset[str]:
        from google.cloud.resourcemanager_v3.services.projects import ProjectsAsyncClient

        async with self._caller.call(TEST_PROJECT_PERMISSIONS, resource) as call:
            client = await call.client(ProjectsAsyncClient)
            request = {"resource": resource, "permissions": permissions}
            return frozenset(parsed(await client.test_iam_permissions(request, **call.options)).permissions)

    async def _held_on_service(self, resource: str, permissions: list[str]) -> frozenset[str]:
        from google.cloud.run_v2.services.services import ServicesAsyncClient

        async with self._caller.call(TEST_RUN_PERMISSIONS, resource) as call:
            client = await call.client(ServicesAsyncClient)
            request = {"resource": resource, "permissions": permissions}
            return frozenset(parsed(await client.test_iam_permissions(request, **call.options)).permissions)

    async def _held_on_job(self, resource: str, permissions: list[str]) -> frozenset[str]:
        from google.cloud.run_v2.services.jobs import JobsAsyncClient

        async with self._caller.call(TEST_RUN_PERMISSIONS, resource) as call:
            client = await call.client(JobsAsyncClient)
            request = {"resource": resource, "permissions": permissions}
            return frozenset(parsed(await client.test_iam_permissions(request, **call.options)).permissions)


def _check(want: Want, resource: str, held: bool | None, error: str = "") -> PermissionCheck:
    return PermissionCheck(want.permission, resource, held, want.purpose, role_for(want.permission), error)
