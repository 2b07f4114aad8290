"""Cloud Monitoring's ServiceMonitoringService: services and their objectives. google.monitoring.v3, service.proto.

Every Cloud Run service with an objective is a Service; its id is the Cloud Run service's name. Objectives are basic
SLIs (availability, latency) over a rolling period. What they come to is read with the `select_slo_*` selectors of
ListTimeSeries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.service_monitoring_service.transports.grpc import (
    ServiceMonitoringServiceGrpcTransport,
)

from brconsole.emulator import quota
from brconsole.emulator.cloud import Rule
from brconsole.emulator.errors import ApiError, invalid_argument, not_found, unimplemented
from brconsole.emulator.monitoring_filter import Comparison, InvalidFilterError, evaluate, parse, text_test
from brconsole.emulator.paging import page
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project, Slo

_PAGE = 100
_MAX_PAGE = 1000
_EXPLICIT = 2


class ServiceMonitoring(GrpcApi):
    """Lists and gets services and objectives; they are made by Terraform, which the emulator does not serve."""

    SERVICE = "google.monitoring.v3.ServiceMonitoringService"
    API = "monitoring"
    TRANSPORT = ServiceMonitoringServiceGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListServices": Rule("monitoring.services.list", quota.MONITORING_DEFAULT),
        "GetService": Rule("monitoring.services.get", quota.MONITORING_DEFAULT),
        "ListServiceLevelObjectives": Rule("monitoring.slos.list", quota.MONITORING_DEFAULT),
        "GetServiceLevelObjective": Rule("monitoring.slos.get", quota.MONITORING_DEFAULT),
    }

    async def ListServices(self, request: monitoring_v3.ListServicesRequest, call: Call) -> Any:  # noqa: N802
        """The services of a project that have objectives."""
        kind, _, rest = request.parent.partition("/")
        project = self.cloud.project(rest) if kind in {"projects", "workspaces"} else None
        if project is None:
            raise _bad_parent(request.parent, "projects/ID_OR_NUMBER or workspaces/ID_OR_NUMBER")
        names = [name for name in self._services(project) if _service_passes(request.filter, project, name)]
        items, token = page(
            names,
            request.page_size,
            request.page_token,
            default=_PAGE,
            maximum=_MAX_PAGE,
            bound_to=f"{request.parent} {request.filter}",
        )
        return monitoring_v3.ListServicesResponse(
            services=[_service(project, name) for name in items], next_page_token=token
        )

    async def GetService(self, request: monitoring_v3.GetServiceRequest, call: Call) -> Any:  # noqa: N802
        """One service."""
        parts = request.name.split("/")
        project = self._project_of(parts, ["projects", "services"])
        if project is None or parts[3] not in self._services(project):
            raise not_found(f"Could not find service {request.name}.")
        return _service(project, parts[3])

    async def ListServiceLevelObjectives(  # noqa: N802
        self, request: monitoring_v3.ListServiceLevelObjectivesRequest, call: Call
    ) -> Any:
        """The objectives of a service, or with `workspaces/P/services/-` of all services."""
        if request.filter:
            raise unimplemented("Filtering service level objectives is not part of the embedded Google Cloud.")
        if request.view == _EXPLICIT:
            raise unimplemented("The EXPLICIT view of objectives is not part of the embedded Google Cloud.")
        parts = request.parent.split("/")
        everywhere = len(parts) == 4 and parts[0] == "workspaces" and parts[3] == "-"
        project = self._project_of(parts, ["workspaces" if everywhere else "projects", "services"])
        if project is None or (parts[3] == "-" and not everywhere):
            raise _bad_parent(
                request.parent, "projects/ID_OR_NUMBER/services/SERVICE or workspaces/ID_OR_NUMBER/services/-"
            )
        if not everywhere and parts[3] not in self._services(project):
            raise not_found(f"Could not find service {request.parent}.")
        slos = [slo for slo in self.cloud.world.slos(project.id) if everywhere or slo.service == parts[3]]
        items, token = page(
            slos, request.page_size, request.page_token, default=_PAGE, maximum=_MAX_PAGE, bound_to=request.parent
        )
        return monitoring_v3.ListServiceLevelObjectivesResponse(
            service_level_objectives=[_objective(project, slo) for slo in items], next_page_token=token
        )

    async def GetServiceLevelObjective(  # noqa: N802
        self, request: monitoring_v3.GetServiceLevelObjectiveRequest, call: Call
    ) -> Any:
        """One objective."""
        if request.view == _EXPLICIT:
            raise unimplemented("The EXPLICIT view of objectives is not part of the embedded Google Cloud.")
        parts = request.name.split("/")
        project = self._project_of(parts, ["projects", "services", "serviceLevelObjectives"])
        if project is not None:
            for slo in self.cloud.world.slos(project.id):
                if (slo.service, slo.name) == (parts[3], parts[5]):
                    return _objective(project, slo)
        raise not_found(f"Could not find service level objective {request.name}.")

    def _services(self, project: Project) -> list[str]:
        return sorted({slo.service for slo in self.cloud.world.slos(project.id)})

    def _project_of(self, parts: list[str], collections: list[str]) -> Project | None:
        """The project of a name with exactly these collections, None where the name has another form."""
        if parts[0::2] != collections or len(parts) != 2 * len(collections) or not all(parts):
            return None
        return self.cloud.project(parts[1])


def _bad_parent(parent: str, allowed: str) -> ApiError:
    return invalid_argument(f'Field parent had an invalid value of "{parent}": use {allowed}.', "parent")


def _service_passes(text: str, project: Project, name: str) -> bool:
    if not text:
        return True
    values = {
        "identifier_case": "CLOUD_RUN",
        "cloud_run.service_name": name,
        "cloud_run.location": project.region,
    }

    def meaning(comparison: Comparison) -> bool:
        if comparison.field not in values:
            raise InvalidFilterError(f"The field {comparison.field} is not known to this emulator.")
        return text_test(comparison)(values[comparison.field])

    try:
        return bool(evaluate(parse(text), meaning))
    except InvalidFilterError as error:
        raise invalid_argument(f'Field filter had an invalid value of "{text}": {error}', "filter") from error


def _service(project: Project, name: str) -> monitoring_v3.Service:
    return monitoring_v3.Service(
        name=f"projects/{project.number}/services/{name}",
        display_name=name,
        cloud_run={"service_name": name, "location": project.region},
        telemetry={
            "resource_name": f"//run.googleapis.com/projects/{project.id}/locations/{project.region}/services/{name}"
        },
        user_labels={"env": project.environment},
    )


def _objective(project: Project, slo: Slo) -> monitoring_v3.ServiceLevelObjective:
    sli: dict[str, Any] = {"availability": {}}
    if slo.kind == "latency":
        threshold_ms = slo.threshold_ms or 0.0
        seconds, rest_ms = divmod(threshold_ms, 1000)
        sli = {"latency": {"threshold": {"seconds": int(seconds), "nanos": round(rest_ms * 1e6)}}}
    return monitoring_v3.ServiceLevelObjective(
        name=f"projects/{project.number}/services/{slo.service}/serviceLevelObjectives/{slo.name}",
        display_name=slo.display_name,
        service_level_indicator={"basic_sli": sli},
        goal=slo.goal,
        rolling_period={"seconds": slo.period_days * 86_400},
        user_labels={"env": project.environment},
    )
