"""Who may do what: Resource Manager's projects, IAM's service accounts, and what the caller is granted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from google.cloud import resourcemanager_v3
from google.cloud.resourcemanager_v3.services.projects.transports.grpc import ProjectsGrpcTransport
from google.iam.v1 import iam_policy_pb2  # type: ignore[import-untyped]

from brconsole.emulator import quota
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import invalid_argument, not_found, permission_denied
from brconsole.emulator.http import HttpApi, HttpRequest, Route
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project

_PERMISSION = re.compile(r"[a-z][a-zA-Z0-9-]*(?:\.[a-zA-Z][a-zA-Z0-9-]*){1,3}")


def granted(cloud: Cloud, permissions: Iterable[str]) -> list[str]:
    """The permissions of a TestIamPermissions request that the caller has, in the order asked for."""
    asked = list(permissions)
    for permission in asked:
        if not _PERMISSION.fullmatch(permission):
            raise invalid_argument(f"Permission {permission} is not valid for this resource.", "permissions")
    return [permission for permission in asked if permission not in cloud.denied]


class Projects(GrpcApi):
    """google.cloud.resourcemanager.v3.Projects: GetProject and TestIamPermissions."""

    SERVICE = "google.cloud.resourcemanager.v3.Projects"
    API = "cloudresourcemanager"
    TRANSPORT = ProjectsGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "GetProject": Rule("resourcemanager.projects.get", quota.PROJECTS_READ),
        "TestIamPermissions": Rule(None, quota.PROJECTS_READ),
    }

    async def GetProject(self, request: resourcemanager_v3.GetProjectRequest, call: Call) -> Any:  # noqa: N802
        """One project, by its id or number."""
        project = self._find(request.name, "name", "resourcemanager.projects.get")
        return resourcemanager_v3.Project.pb()(
            name=f"projects/{project.number}",
            project_id=project.id,
            display_name=f"ByteReview {project.environment}",
            state=int(resourcemanager_v3.Project.State.ACTIVE),
            labels={"environment": project.environment},
        )

    async def TestIamPermissions(  # noqa: N802
        self, request: iam_policy_pb2.TestIamPermissionsRequest, call: Call
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Which of the permissions the caller has on the project. The call itself needs none."""
        self._find(request.resource, "resource", "resourcemanager.projects.get")
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted(self.cloud, request.permissions))

    def _find(self, name: str, field: str, permission: str) -> Project:
        if not re.fullmatch(r"projects/[^/]+", name):
            raise invalid_argument(f"Invalid resource name {name!r}: want projects/PROJECT.", field)
        project = self.cloud.project_of(name)
        if project is None:
            raise permission_denied(permission, name)
        return project


class ServiceAccounts(HttpApi):
    """iam.googleapis.com, `projects.serviceAccounts.testIamPermissions`."""

    API = "iam"
    ROUTES = (
        Route(
            "POST",
            "/v1/projects/{project}/serviceAccounts/{account}:testIamPermissions",
            "TestIamPermissions",
            Rule(None, quota.IAM_READ),
        ),
    )

    async def TestIamPermissions(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """Which of the permissions the caller has on a service account. The call itself needs none.

        The project may be `-`: the address of an account names the project that it belongs to.
        """
        account = request.params["account"]
        home = re.fullmatch(r"[^@]+@([a-z0-9-]+)\.iam\.gserviceaccount\.com", account)
        named = request.params["project"]
        project = self.cloud.project(home[1]) if home else None
        if project is None or named not in ("-", project.id, str(project.number)):
            raise not_found(f"Unknown service account: {account}")
        document = request.json()
        asked = document.get("permissions") if isinstance(document, dict) else None
        if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
            raise invalid_argument("permissions: a list of permission names is wanted.", "permissions")
        held = granted(self.cloud, asked)
        return {"permissions": held} if held else {}
