"""Cloud Run Admin API v2: services and revisions. Create and delete are not part of the emulator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import grpc
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports.grpc import RevisionsGrpcTransport
from google.cloud.run_v2.services.services.transports.grpc import ServicesGrpcTransport
from google.iam.v1 import iam_policy_pb2  # type: ignore[import-untyped]
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from brconsole.emulator import quota
from brconsole.emulator.cloud import Rule
from brconsole.emulator.errors import ApiError, invalid_argument, unimplemented
from brconsole.emulator.iam import granted
from brconsole.emulator.operations import operation_message
from brconsole.emulator.paging import page
from brconsole.emulator.run_checks import (
    check_annotations,
    check_labels,
    check_traffic,
    conflict,
    in_region,
    may_run,
    missing,
    other_configuration,
    unknown_revision,
    written_paths,
)
from brconsole.emulator.run_messages import (
    revision_message,
    service_message,
    targets,
    template_from,
    template_message,
)
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project, Revision, Service, Target, Template

_LOCATION = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_SERVICE = re.compile(r"projects/([^/]+)/locations/([^/]+)/services/([^/]+)")
_REVISION = re.compile(r"projects/([^/]+)/locations/([^/]+)/services/([^/]+)/revisions/([^/]+)")

# The pages of the real API are not documented; these are ours.
_PAGE = 100
_PAGE_MAX = 1000

_SERVICES_PB = run_v2.ListServicesResponse.pb()
_REVISIONS_PB = run_v2.ListRevisionsResponse.pb()
_TEMPLATE_PB = run_v2.RevisionTemplate.pb()


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """The parts of a service that an update writes; None leaves a part as it is."""

    traffic: tuple[Target, ...] | None = None
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    template: Template | None = None


class RunServices(GrpcApi):
    """google.cloud.run.v2.Services."""

    SERVICE = "google.cloud.run.v2.Services"
    API = "run"
    TRANSPORT = ServicesGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListServices": Rule("run.services.list", quota.RUN_READ),
        "GetService": Rule("run.services.get", quota.RUN_READ),
        "UpdateService": Rule("run.services.update", quota.RUN_WRITE),
        "TestIamPermissions": Rule(None, quota.RUN_READ),
    }

    def resource_of(self, request: Any) -> str:
        """An update names the service inside the service."""
        if isinstance(request, run_v2.UpdateServiceRequest):
            return request.service.name
        return super().resource_of(request)

    async def ListServices(self, request: run_v2.ListServicesRequest, call: Call) -> Any:  # noqa: N802
        """The services of one region, newest first. Nothing is ever deleted here, so `show_deleted` adds nothing."""
        match = _parse(_LOCATION, request.parent, "parent", "projects/PROJECT/locations/LOCATION")
        if match[2] == "-":
            raise invalid_argument(
                f"Invalid parent {request.parent!r}: the location cannot be the '-' wildcard, list one region a call.",
                "parent",
            )
        project = in_region(self.cloud.project(match[1]), match[2])
        found = list(self.cloud.world.services(project.id, call.now)) if project else []
        found.sort(key=lambda service: (-service.created, service.name))
        some, token = page(
            found,
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"services {request.parent}",
        )
        messages = [service_message(project, service) for service in some] if project else []
        return _SERVICES_PB(services=messages, next_page_token=token)

    async def GetService(self, request: run_v2.GetServiceRequest, call: Call) -> Any:  # noqa: N802
        """One service."""
        project, service = self._find(request.name, call.now)
        return service_message(project, service)

    async def UpdateService(self, request: run_v2.UpdateServiceRequest, call: Call) -> Any:  # noqa: N802
        """Writes the parts that the mask names (none: the whole object) and returns an operation that ends when
        reconciled.
        """
        wanted = run_v2.Service.pb(request.service)
        try:
            project, service = self._find(wanted.name, call.now, field="service.name")
        except ApiError as error:
            if error.code is grpc.StatusCode.NOT_FOUND and request.allow_missing:
                raise unimplemented(
                    "Creating a service (allow_missing) is not part of the embedded Google Cloud."
                ) from error
            raise
        change = self._checked(project, service, wanted, written_paths(request.update_mask.paths), call.now)
        may_run(self.cloud, project, change.template or service.template)
        if self.cloud.etag_enforced and wanted.etag and wanted.etag != service.etag:
            raise conflict(service.name, wanted.etag, service.etag)
        if request.validate_only:
            return self._validated(project, service, change)
        operation = self.cloud.world.update_service(
            project.id,
            service.name,
            call.now,
            call.principal,
            traffic=change.traffic,
            annotations=change.annotations,
            labels=change.labels,
            template=change.template,
        )
        self.cloud.started_operations.setdefault(project.id, []).append(operation.id)
        return operation_message(self.cloud, project, operation, call.now)

    async def TestIamPermissions(  # noqa: N802
        self, request: iam_policy_pb2.TestIamPermissionsRequest, call: Call
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Which of the permissions the caller has on a service. The call itself needs none."""
        self._find(request.resource, call.now, field="resource")
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted(self.cloud, request.permissions))

    def _find(self, name: str, at: float, field: str = "name") -> tuple[Project, Service]:
        match = _parse(_SERVICE, name, field, "projects/PROJECT/locations/LOCATION/services/SERVICE")
        project = in_region(self.cloud.project(match[1]), match[2])
        service = self.cloud.world.service(project.id, match[3], at) if project else None
        if project is None or service is None:
            raise missing("SERVICE", match[3], match[2], match[1])
        return project, service

    def _checked(self, project: Project, service: Service, wanted: Any, paths: frozenset[str], at: float) -> _Change:
        """What the update changes, after every check that needs no write."""
        change = _Change()
        if "traffic" in paths:
            check_traffic(wanted.traffic)
            change = dataclasses.replace(change, traffic=targets(wanted.traffic))
            known = {revision.name for revision in self.cloud.world.revisions(project.id, service.name, at)}
            for target in change.traffic or ():
                if target.revision is not None and target.revision not in known:
                    raise unknown_revision(target.revision)
        if "annotations" in paths:
            check_annotations(wanted.annotations, service.annotations)
            change = dataclasses.replace(change, annotations=dict(wanted.annotations))
        if "labels" in paths:
            check_labels(wanted.labels, service.labels)
            change = dataclasses.replace(change, labels=dict(wanted.labels))
        if any(path.partition(".")[0] == "template" for path in paths):
            template = self._wanted_template(project, service, wanted, paths, at)
            change = dataclasses.replace(change, template=template)
        return change

    def _wanted_template(
        self, project: Project, service: Service, wanted: Any, paths: frozenset[str], at: float
    ) -> Template:
        whole = "template" in paths
        message = _TEMPLATE_PB()
        message.CopyFrom(wanted.template if whole else template_message(service.template))
        if not whole:
            for path in paths:
                if path.startswith("template."):
                    _copy_path(wanted.template, message, path.split(".")[1:])
        template = template_from(message)
        if not template.service_account:
            template = dataclasses.replace(template, service_account=service.template.service_account)
        if message.revision:
            revisions = self.cloud.world.revisions(project.id, service.name, at)
            same_name = next((one for one in revisions if one.name == message.revision), None)
            if same_name is None:
                raise unimplemented("Naming a new revision is not part of the embedded Google Cloud.")
            if same_name.template != template:
                raise other_configuration(message.revision)
        return template

    def _validated(self, project: Project, service: Service, change: _Change) -> operations_pb2.Operation:
        """The answer to `validate_only`: what the service would be, and nothing has changed."""
        parts = {name: value for name, value in dataclasses.asdict(change).items() if value is not None}
        if change.traffic is not None:
            parts["traffic"] = change.traffic
        if change.template is not None:
            parts["template"] = change.template
        message = operations_pb2.Operation(done=True)
        message.response.Pack(service_message(project, dataclasses.replace(service, **parts)))
        message.metadata.CopyFrom(message.response)
        return message


class RunRevisions(GrpcApi):
    """google.cloud.run.v2.Revisions."""

    SERVICE = "google.cloud.run.v2.Revisions"
    API = "run"
    TRANSPORT = RevisionsGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListRevisions": Rule("run.revisions.list", quota.RUN_READ),
        "GetRevision": Rule("run.revisions.get", quota.RUN_READ),
    }

    async def ListRevisions(self, request: run_v2.ListRevisionsRequest, call: Call) -> Any:  # noqa: N802
        """The revisions of a service, or of all services of a region (`services/-`), newest first."""
        match = _parse(_SERVICE, request.parent, "parent", "projects/PROJECT/locations/LOCATION/services/SERVICE")
        if match[2] == "-":
            raise invalid_argument(
                f"Invalid parent {request.parent!r}: the location cannot be the '-' wildcard.", "parent"
            )
        project = in_region(self.cloud.project(match[1]), match[2])
        every = match[3] == "-"
        if not every and (project is None or self.cloud.world.service(project.id, match[3], call.now) is None):
            raise missing("SERVICE", match[3], match[2], match[1])
        found: list[Revision] = []
        if project is not None:
            found = list(self.cloud.world.revisions(project.id, None if every else match[3], call.now))
        found.sort(key=lambda revision: (-revision.created, revision.name))
        some, token = page(
            found,
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"revisions {request.parent}",
        )
        messages = [revision_message(project, revision) for revision in some] if project else []
        return _REVISIONS_PB(revisions=messages, next_page_token=token)

    async def GetRevision(self, request: run_v2.GetRevisionRequest, call: Call) -> Any:  # noqa: N802
        """One revision."""
        form = "projects/PROJECT/locations/LOCATION/services/SERVICE/revisions/REVISION"
        match = _parse(_REVISION, request.name, "name", form)
        project = in_region(self.cloud.project(match[1]), match[2])
        for revision in self.cloud.world.revisions(project.id, match[3], call.now) if project else ():
            if project is not None and revision.name == match[4]:
                return revision_message(project, revision)
        raise missing("REVISION", match[4], match[2], match[1])


def _parse(pattern: re.Pattern[str], name: str, field: str, form: str) -> re.Match[str]:
    match = pattern.fullmatch(name)
    if match is None:
        raise invalid_argument(f"Invalid resource name {name!r}: want {form}.", field)
    return match


def _copy_path(source: Any, target: Any, parts: list[str]) -> None:
    """Copy one masked field; a field that is not set in the source is cleared."""
    *parents, last = parts
    for part in parents:
        source, target = getattr(source, part), getattr(target, part)
    target.ClearField(last)
    merged = type(source)()
    merged.CopyFrom(source)
    for descriptor, _value in source.ListFields():
        if descriptor.name != last:
            merged.ClearField(descriptor.name)
    target.MergeFrom(merged)
