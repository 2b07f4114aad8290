"""Cloud Run Admin API v1 (Knative serving) over REST: what gcloud uses, and the console's conditional write.

    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=http://run.localhost/ CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true
    CLOUDSDK_PROXY_TYPE=http CLOUDSDK_PROXY_ADDRESS=127.0.0.1 CLOUDSDK_PROXY_PORT=<the HTTP port>

gcloud puts the region before the host name (`us-central1-run.localhost`), which here names the region; as a proxy the
emulator is found under that name where no resolver knows it. Services are those of v2: both views stand on the same
world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from brconsole.emulator import quota
from brconsole.emulator.cloud import Rule
from brconsole.emulator.errors import invalid_argument, unimplemented
from brconsole.emulator.http import HttpApi, HttpRequest, Route
from brconsole.emulator.paging import page
from brconsole.emulator.run_checks import (
    check_annotations,
    check_labels,
    check_tag,
    conflict,
    in_region,
    may_run,
    missing,
    other_configuration,
    unknown_revision,
)
from brconsole.emulator.run_v1_messages import (
    GROUP,
    checked_head,
    child,
    resource_version,
    revision_document,
    service_document,
    shown_version,
    template_from,
    texts,
    traffic_from,
    user_annotations,
    user_labels,
    version_number,
)
from brconsole.simulation.model import Project, Revision, Service, Target, Template

REPLACE = "google.cloud.run.v1.Services.ReplaceService"
"""The method as the audit log names it."""

_NAMESPACE = f"/apis/{GROUP}/namespaces/{{project}}"
_REGION = re.compile(r"([a-z]+(?:-[a-z]+)+\d+)-")
# What every Google API takes; of these only `alt` has a meaning here, and JSON is all there is.
SYSTEM_PARAMETERS = frozenset({"alt", "$alt", "prettyPrint", "key", "quotaUser", "access_token", "trace"})
_PAGE = 100
_PAGE_MAX = 1000


class RunV1(HttpApi):
    """Services and revisions as Knative objects. Create and delete are not part of the emulator."""

    API = "run"
    ROUTES = (
        Route("GET", f"{_NAMESPACE}/services", "ListServices", Rule("run.services.list", quota.RUN_READ)),
        Route("GET", f"{_NAMESPACE}/services/{{service}}", "GetService", Rule("run.services.get", quota.RUN_READ)),
        Route(
            "PUT",
            f"{_NAMESPACE}/services/{{service}}",
            "ReplaceService",
            Rule("run.services.update", quota.RUN_WRITE),
        ),
        Route("GET", f"{_NAMESPACE}/revisions", "ListRevisions", Rule("run.revisions.list", quota.RUN_READ)),
        Route("GET", f"{_NAMESPACE}/revisions/{{revision}}", "GetRevision", Rule("run.revisions.get", quota.RUN_READ)),
        Route(
            "GET",
            "/v1/projects/{project}/locations/{location}/services",
            "ListServices",
            Rule("run.services.list", quota.RUN_READ),
        ),
        Route("GET", "/v1/projects/{project}/locations", "ListLocations", Rule("run.locations.list", quota.RUN_READ)),
    )
    _LIST_PARAMETERS: ClassVar[frozenset[str]] = frozenset({"labelSelector", "limit", "continue"})

    def resource_of(self, request: HttpRequest) -> str:
        """The name in v2's form, which says the region."""
        project = self.cloud.project(request.params["project"])
        name = f"projects/{project.id if project else request.params['project']}"
        name += f"/locations/{self._region(request, project)}"
        service = request.params.get("service")
        return f"{name}/services/{service}" if service else name

    async def ListServices(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """The services of a region, by name; of `locations/-` those of every region."""
        self._only(request, self._LIST_PARAMETERS)
        project = self._project(request)
        found = list(self.cloud.world.services(project.id, self.cloud.now())) if project else []
        documents = [service_document(project, service) for service in found] if project else []
        return self._list(request, "ServiceList", documents)

    async def GetService(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """One service."""
        self._only(request, frozenset())
        return service_document(*self._find(request))

    async def ReplaceService(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """Writes the whole object, if its `resourceVersion` is the live one (or not given). Answers as soon as it is
        accepted.
        """
        self._only(request, frozenset({"dryRun"}))
        dry_run = request.query.get("dryRun")
        if dry_run not in (None, "all"):
            raise invalid_argument(f"Invalid value for dryRun: {dry_run}, only 'all' is allowed.", "dryRun")
        project, service = self._find(request)
        wanted = request.json()
        if not isinstance(wanted, dict):
            raise invalid_argument("Invalid JSON payload received: an object is wanted.")
        metadata = checked_head(wanted, GROUP, "Service", service.name, project)
        specified = child(metadata, "resourceVersion", str, "metadata")
        if specified and specified != resource_version(service):
            raise conflict(service.name, shown_version(specified), str(version_number(service)))
        annotations = user_annotations(project, service, texts(metadata, "annotations", "metadata"))
        check_annotations(annotations, service.annotations)
        labels = user_labels(project, service, texts(metadata, "labels", "metadata"))
        check_labels(labels, service.labels)
        spec = child(wanted, "spec", dict, "service")
        template = self._template(project, service, child(spec, "template", dict, "spec"))
        traffic = self._traffic(project, service, child(spec, "traffic", list, "spec"))
        may_run(self.cloud, project, template)
        if dry_run is None:
            self._write(project, service, traffic, annotations, labels, template)
        return service_document(*self._find(request))

    async def ListRevisions(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """The revisions of a region, newest first; those of a service by the label `serving.knative.dev/service`."""
        self._only(request, self._LIST_PARAMETERS)
        project = self._project(request)
        documents = []
        if project is not None:
            now = self.cloud.now()
            active = self._active(project, now)
            revisions = sorted(
                self.cloud.world.revisions(project.id, None, now), key=lambda one: (-one.created, one.name)
            )
            documents = [revision_document(project, one, active=one.name in active) for one in revisions]
        return self._list(request, "RevisionList", documents)

    async def GetRevision(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """One revision."""
        self._only(request, frozenset())
        project, name, now = self._project(request), request.params["revision"], self.cloud.now()
        found: Sequence[Revision] = self.cloud.world.revisions(project.id, None, now) if project else ()
        for revision in found:
            if project is not None and revision.name == name:
                return revision_document(project, revision, active=name in self._active(project, now))
        raise missing("REVISION", name, self._region(request, project), request.params["project"])

    async def ListLocations(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """The regions of a project: here one."""
        self._only(request, frozenset({"pageSize", "pageToken", "filter"}))
        project = self.cloud.project(request.params["project"])
        regions = [project.region] if project else []
        return {
            "locations": [
                {"name": f"projects/{request.params['project']}/locations/{region}", "locationId": region}
                for region in regions
            ]
        }

    # ------------------------------------------------------------------------------------------------------ resources

    def _region(self, request: HttpRequest, project: Project | None) -> str:
        """The region of a path or of a host name; else that of the project."""
        named = request.params.get("location")
        if named not in (None, "-"):
            return str(named)
        match = _REGION.match(request.host)
        if match is not None:
            return match[1]
        return project.region if project is not None else "-"

    def _project(self, request: HttpRequest) -> Project | None:
        project = self.cloud.project(request.params["project"])
        return in_region(project, self._region(request, project))

    def _find(self, request: HttpRequest) -> tuple[Project, Service]:
        project, name = self._project(request), request.params["service"]
        service = self.cloud.world.service(project.id, name, self.cloud.now()) if project else None
        if project is None or service is None:
            known = self.cloud.project(request.params["project"])
            raise missing("SERVICE", name, self._region(request, known), request.params["project"])
        return project, service

    def _active(self, project: Project, now: float) -> frozenset[str]:
        """The revisions that traffic or a tag leads to."""
        return frozenset(
            target.revision or service.latest_ready or ""
            for service in self.cloud.world.services(project.id, now)
            for target in service.serving
        )

    # -------------------------------------------------------------------------------------------------------- writing

    def _template(self, project: Project, service: Service, document: Mapping[str, Any]) -> Template:
        template, name = template_from(document)
        if name:
            revisions = self.cloud.world.revisions(project.id, service.name, self.cloud.now())
            same_name = next((one for one in revisions if one.name == name), None)
            if same_name is None:
                raise unimplemented("Naming a new revision is not part of the embedded Google Cloud.")
            if same_name.template != template:
                raise other_configuration(name)
        return template

    def _traffic(self, project: Project, service: Service, documents: Sequence[Any]) -> tuple[Target, ...]:
        targets = traffic_from(documents)
        known = {one.name for one in self.cloud.world.revisions(project.id, service.name, self.cloud.now())}
        for index, target in enumerate(targets):
            if target.tag is not None:
                check_tag(target.tag, f"spec.traffic[{index}]")
            if target.revision is not None and target.revision not in known:
                raise unknown_revision(target.revision)
        return targets

    def _write(
        self,
        project: Project,
        service: Service,
        traffic: tuple[Target, ...],
        annotations: Mapping[str, str],
        labels: Mapping[str, str],
        template: Template,
    ) -> None:
        operation = self.cloud.world.update_service(
            project.id,
            service.name,
            self.cloud.now(),
            self.cloud.principal,
            traffic=traffic,
            annotations=annotations,
            labels=labels,
            template=template,
            method=REPLACE,
        )
        self.cloud.started_operations.setdefault(project.id, []).append(operation.id)

    # ---------------------------------------------------------------------------------------------------------- lists

    def _only(self, request: HttpRequest, allowed: frozenset[str]) -> None:
        for name in request.query:
            if name in ("fieldSelector", "includeUninitialized", "watch", "resourceVersion", "fields"):
                raise unimplemented(f"The query parameter {name} is not part of the embedded Google Cloud.")
            if name not in allowed and name not in SYSTEM_PARAMETERS:
                raise invalid_argument(
                    f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                    f"Field '{name}' could not be found in request message."
                )

    def _list(self, request: HttpRequest, kind: str, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
        selector = request.query.get("labelSelector", "")
        wanted = _selector(selector)
        chosen = [document for document in documents if all(test(document["metadata"]["labels"]) for test in wanted)]
        limit = request.query.get("limit", "0")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 9):
            raise invalid_argument(f"Invalid value at 'limit' (TYPE_INT32), \"{limit}\"", "limit")
        some, token = page(
            chosen,
            int(limit),
            request.query.get("continue", ""),
            default=_PAGE,
            maximum=_PAGE_MAX,
            bound_to=f"{kind} {request.path} {selector}",
        )
        metadata = {"selfLink": request.path, **({"continue": token} if token else {})}
        return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "items": list(some), "unreachable": []}


_REQUIREMENT = re.compile(
    r"\s*(?:(?P<key>[\w./-]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<negated>!?)(?P<has>[\w./-]+))\s*"
)


def _selector(text: str) -> list[Any]:
    """The tests of a Kubernetes label selector in its equality form; sets (`in`, `notin`) are refused."""
    tests = []
    for part in text.split(",") if text.strip() else []:
        match = _REQUIREMENT.fullmatch(part)
        if match is None:
            raise invalid_argument(
                f"Invalid labelSelector {text!r}: allowed are KEY=VALUE, KEY!=VALUE, KEY and !KEY, with commas.",
                "labelSelector",
            )
        tests.append(_requirement(match))
    return tests


def _requirement(match: re.Match[str]) -> Any:
    key, value, operator, has = match["key"], match["value"], match["operator"], match["has"]
    if has is not None:
        present = not match["negated"]
        return lambda labels: (has in labels) is present
    equal = operator != "!="
    return lambda labels: (labels.get(key) == value) is equal
