"""What the console may do, as a plain server tells it."""

from __future__ import annotations

from typing import Any

import grpc
from google.cloud import run_v2
from google.cloud.billing import budgets_v1
from google.iam.v1 import iam_policy_pb2

from brconsole.operations.ports import PermissionCheck

PROJECT = "/google.cloud.resourcemanager.v3.Projects/TestIamPermissions"
SERVICE = "/google.cloud.run.v2.Services/TestIamPermissions"
JOB = "/google.cloud.run.v2.Jobs/TestIamPermissions"
LOCATION = "projects/bytereview-prod/locations/us-central1"


def grants(google: Any, path: str, *withheld: str) -> None:
    def held(request: iam_policy_pb2.TestIamPermissionsRequest, _: Any) -> iam_policy_pb2.TestIamPermissionsResponse:
        kept = [permission for permission in request.permissions if permission not in withheld]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=kept)

    google.on(path, iam_policy_pb2.TestIamPermissionsRequest, held)


def has_services(google: Any, *names: str) -> None:
    services = [{"name": f"{LOCATION}/services/{name}"} for name in names]
    google.on(
        "/google.cloud.run.v2.Services/ListServices",
        run_v2.ListServicesRequest,
        lambda *_: run_v2.ListServicesResponse(services=services),
    )


async def checked(cloud: Any) -> dict[str, PermissionCheck]:
    return {check.permission: check for check in await cloud.access.permissions()}


async def test_each_permission_is_tested_where_it_is_held(google: Any, connect: Any, reply: Any) -> None:
    grants(google, PROJECT, "logging.logEntries.list")
    grants(google, SERVICE, "run.services.update")
    grants(google, JOB, "run.jobs.runWithOverrides")
    has_services(google, "web", "api")
    google.on(
        "/google.cloud.billing.budgets.v1.BudgetService/ListBudgets",
        budgets_v1.ListBudgetsRequest,
        lambda *_: budgets_v1.ListBudgetsResponse(),
    )
    google.http = lambda *_: reply({"jobComplete": True})
    cloud, _ = await connect(synchronise=False)

    checks = await checked(cloud)

    missing = {permission for permission, check in checks.items() if check.held is False}
    assert missing == {"logging.logEntries.list", "run.services.update", "run.jobs.runWithOverrides"}
    assert checks["run.jobs.run"].resource == f"{LOCATION}/jobs/migrate-db"
    assert all(check.held is not None for check in checks.values())
    assert all(check.purpose and check.role.startswith("roles/") for check in checks.values())
    assert checks["logging.logEntries.list"].role == "roles/logging.viewer"
    assert checks["run.services.update"].resource == f"{LOCATION}/services/api"
    assert {"billing.budgets.list", "bigquery.tables.getData"} <= set(checks)
    assert b'"dryRun":true' in google.http_calls[0][2].replace(b" ", b"")


async def test_what_cannot_be_asked_is_unknown_with_its_reason_and_hides_nothing(google: Any, connect: Any) -> None:
    async def down(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.INTERNAL, "backend\x1b trouble")

    async def denied(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "The caller does not have permission")

    google.on(PROJECT, iam_policy_pb2.TestIamPermissionsRequest, down)
    has_services(google)
    google.on("/google.cloud.billing.budgets.v1.BudgetService/ListBudgets", budgets_v1.ListBudgetsRequest, denied)
    cloud, _ = await connect(synchronise=False)

    checks = await checked(cloud)

    assert checks["monitoring.slos.list"].held is None
    assert "backend\ufffd trouble" in checks["monitoring.slos.list"].error
    assert checks["run.services.update"].held is None
    assert checks["run.services.update"].error == "there is no service to ask about"
    assert checks["billing.budgets.list"].held is False
    assert checks["bigquery.tables.getData"].held is None


async def test_nobody_is_logged_in_on_a_plain_channel(google: Any, connect: Any) -> None:
    cloud, _ = await connect()

    assert await cloud.access.identity() == f"nobody (plain channel to 127.0.0.1:{google.port})"
    assert cloud.endpoints == (f"127.0.0.1:{google.port}", f"http://127.0.0.1:{google.http_port}")


async def test_the_project_is_asked_by_its_id(google: Any, connect: Any) -> None:
    grants(google, PROJECT)
    has_services(google)
    cloud, _ = await connect(synchronise=False)

    await cloud.access.permissions()

    (request,) = google.requests("TestIamPermissions")
    assert request.resource == "projects/bytereview-prod"


async def test_a_project_without_a_migration_job_is_asked_for_no_permission_on_it(google: Any, connect: Any) -> None:
    async def missing(_: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.NOT_FOUND, "Resource 'migrate-db' of kind 'JOB' does not exist.")

    grants(google, PROJECT)
    grants(google, SERVICE)
    google.on(JOB, iam_policy_pb2.TestIamPermissionsRequest, missing)
    cloud, _ = await connect(synchronise=False)

    assert not [permission for permission in await checked(cloud) if permission.startswith("run.jobs")]
