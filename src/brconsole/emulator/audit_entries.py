"""Admin Activity audit log entries of Cloud Run, as Cloud Logging stores them."""

from __future__ import annotations

from typing import Any

from google.cloud.audit import audit_log_pb2  # type: ignore[import-untyped]
from google.cloud.logging_v2.types import LogEntry
from google.protobuf.json_format import MessageToDict, ParseDict

from brconsole.emulator.messages import set_time
from brconsole.emulator.run_messages import service_name, target_message
from brconsole.emulator.run_v1_messages import service_document
from brconsole.simulation.model import AuditEntry, Project, Service

_ENTRY = LogEntry.pb()
NOTICE = 300
"""google.logging.type.LogSeverity."""
ARRIVES_AFTER_S = 1.2
"""Seconds from a change to its entry's being stored."""


def audit_log_name(project: Project) -> str:
    """The Admin Activity log of a project."""
    return f"projects/{project.id}/logs/cloudaudit.googleapis.com%2Factivity"


def audit_message(project: Project, entry: AuditEntry, service: Service | None) -> Any:
    """The entry of a change; `service` is the service as the change left it, None where it is gone."""
    resource = service_name(project, entry.service)
    if ".v1." in entry.method:
        # v1 writes in the names of Knative.
        resource = f"namespaces/{project.id}/services/{entry.service}"
    message = _ENTRY(log_name=audit_log_name(project), insert_id=entry.insert_id, severity=NOTICE)
    set_time(message.timestamp, entry.at)
    set_time(message.receive_timestamp, entry.at + ARRIVES_AFTER_S)
    message.resource.type = "cloud_run_revision"
    message.resource.labels.update(
        {
            "project_id": project.id,
            "location": project.region,
            "service_name": entry.service,
            "configuration_name": "",
            "revision_name": "",
        }
    )
    message.proto_payload.Pack(_payload(project, entry, service, resource))
    return message


def _payload(project: Project, entry: AuditEntry, service: Service | None, resource: str) -> Any:
    payload = audit_log_pb2.AuditLog(
        service_name="run.googleapis.com", method_name=entry.method, resource_name=resource
    )
    payload.authentication_info.principal_email = entry.principal
    payload.resource_location.current_locations.append(project.region)
    payload.authorization_info.add(permission="run.services.update", granted=True, resource=resource)
    payload.status.SetInParent()
    if service is not None and ".v1." in entry.method:
        document = service_document(project, service)
        kind = "type.googleapis.com/google.cloud.run.v1"
        # The request as it was sent: without a status.
        sent = {key: part for key, part in document.items() if key != "status"}
        ParseDict({"@type": f"{kind}.ReplaceServiceRequest", "service": sent}, payload.request)
        ParseDict({"@type": f"{kind}.Service", **document}, payload.response)
    elif service is not None:
        written = {
            "name": service_name(project, entry.service),
            "traffic": [MessageToDict(target_message(target)) for target in service.traffic],
            "annotations": dict(service.annotations),
        }
        request = {"@type": "type.googleapis.com/google.cloud.run.v2.UpdateServiceRequest", "service": written}
        ParseDict(request, payload.request)
        ParseDict(
            {
                "@type": "type.googleapis.com/google.cloud.run.v2.Service",
                **written,
                "generation": str(service.generation),
                "lastModifier": entry.principal,
            },
            payload.response,
        )
    return payload
