"""Resource Manager and TestIamPermissions on the embedded cloud, through the official clients."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import resourcemanager_v3, run_v2
from google.cloud.resourcemanager_v3.services.projects.transports.grpc_asyncio import ProjectsGrpcAsyncIOTransport
from google.cloud.run_v2.services.services.transports.grpc_asyncio import ServicesGrpcAsyncIOTransport

ASKED = ["run.services.update", "run.services.get", "monitoring.timeSeries.list"]


@pytest.fixture
async def cloud(emulator):
    return await emulator(denied=frozenset({"run.services.update", "resourcemanager.projects.get"}))


@pytest.fixture
def projects(cloud, channel) -> resourcemanager_v3.ProjectsAsyncClient:
    return resourcemanager_v3.ProjectsAsyncClient(transport=ProjectsGrpcAsyncIOTransport(channel=channel(cloud)))


@pytest.fixture
def services(cloud, channel) -> run_v2.ServicesAsyncClient:
    return run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel(cloud)))


async def test_all_permissions_are_granted_by_default(emulator, channel):
    transport = ProjectsGrpcAsyncIOTransport(channel=channel(await emulator()))
    client = resourcemanager_v3.ProjectsAsyncClient(transport=transport)
    answer = await client.test_iam_permissions(resource="projects/bytereview-prod", permissions=ASKED)
    assert list(answer.permissions) == ASKED
    project = await client.get_project(name="projects/bytereview-prod")
    assert project.project_id == "bytereview-prod"
    assert project.state is resourcemanager_v3.Project.State.ACTIVE
    assert await client.get_project(name=project.name) == project


async def test_what_is_denied_is_missing_from_the_answer(projects):
    answer = await projects.test_iam_permissions(resource="projects/bytereview-prod", permissions=ASKED)
    assert list(answer.permissions) == ["run.services.get", "monitoring.timeSeries.list"]


async def test_a_service_answers_for_itself(services):
    name = "projects/bytereview-prod/locations/us-central1/services/api"
    answer = await services.test_iam_permissions(request={"resource": name, "permissions": ASKED[:2]})
    assert list(answer.permissions) == ["run.services.get"]


async def test_a_wildcard_is_no_permission(projects):
    with pytest.raises(exceptions.InvalidArgument, match=r"run\.\*"):
        await projects.test_iam_permissions(resource="projects/bytereview-prod", permissions=["run.*"])


async def test_a_denied_call_is_refused(projects):
    with pytest.raises(exceptions.PermissionDenied, match=r"resourcemanager\.projects\.get"):
        await projects.get_project(name="projects/bytereview-prod")


async def test_an_unknown_project_may_not_be_seen(projects, services):
    with pytest.raises(exceptions.PermissionDenied):
        await projects.test_iam_permissions(resource="projects/elsewhere", permissions=ASKED)
    with pytest.raises(exceptions.PermissionDenied, match=r"may not exist"):
        await services.get_service(name="projects/elsewhere/locations/us-central1/services/api")
