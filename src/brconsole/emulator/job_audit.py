"""Who ran, changed or cancelled what: Admin Activity audit log entries of jobs."""

from __future__ import annotations

from google.cloud.audit import audit_log_pb2  # type: ignore[import-untyped]
from google.cloud.logging_v2.types import LogEntry

from brconsole.emulator.audit_entries import ARRIVES_AFTER_S, NOTICE, audit_log_name
from brconsole.emulator.cloud import Cloud
from brconsole.emulator.messages import set_time
from brconsole.simulation.model import Project
from brconsole.simulation.noise import hexadecimal

_ENTRY = LogEntry.pb()


def record(cloud: Cloud, project: Project, job: str, method: str, permission: str, resource: str) -> None:
    """Write down that the caller did it, now."""
    now = cloud.now()
    payload = audit_log_pb2.AuditLog(service_name="run.googleapis.com", method_name=method, resource_name=resource)
    payload.authentication_info.principal_email = cloud.principal
    payload.resource_location.current_locations.append(project.region)
    payload.authorization_info.add(permission=permission, granted=True, resource=resource)
    payload.status.SetInParent()
    message = _ENTRY(
        log_name=audit_log_name(project),
        insert_id=hexadecimal(14, "audit", project.id, resource, method, f"{now:.6f}"),
        severity=NOTICE,
    )
    set_time(message.timestamp, now)
    set_time(message.receive_timestamp, now + ARRIVES_AFTER_S)
    message.resource.type = "cloud_run_job"
    message.resource.labels.update({"project_id": project.id, "location": project.region, "job_name": job})
    message.proto_payload.Pack(payload)
    cloud.log.keep(project.id, message, now, now + ARRIVES_AFTER_S)
