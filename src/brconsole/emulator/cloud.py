"""What every API stands on: the world, its time, and the front door each call goes through.

The front door is the same for gRPC and HTTP: latency, faults, permission, quota, in this order.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc

from brconsole.emulator.clock import Clock
from brconsole.emulator.errors import ApiError, permission_denied
from brconsole.emulator.faults import Fault, Faults
from brconsole.emulator.job_runs import JobRuns
from brconsole.emulator.log_store import LogStore
from brconsole.emulator.quota import Quotas
from brconsole.simulation.model import Project
from brconsole.simulation.world import World

_PROJECT = re.compile(r"(?:^|/)(?:projects|workspaces|namespaces)/([^/:]+)")
_LOCATION = re.compile(r"/locations/([^/:]+)")


class Rule(NamedTuple):
    """What a method needs: a permission on the resource it names, and a unit of a quota metric; None is nothing."""

    permission: str | None = None
    quota: str | None = None


@dataclass(frozen=True, slots=True)
class Cloud:
    """The embedded cloud that the APIs share."""

    world: World
    clock: Clock
    quotas: Quotas
    faults: Faults
    jobs: JobRuns
    """The jobs, and what runs of them."""
    log: LogStore
    """The log entries that do not follow from the world."""
    denied: frozenset[str] = frozenset()
    """Permissions the caller lacks, everywhere."""
    etag_enforced: bool = False
    principal: str = "operator@bytereview.ai"
    """Who the caller is."""
    latency_s: float = 0.0
    """Real seconds added to each call."""

    started_operations: dict[str, list[str]] = field(default_factory=dict)
    """The ids of the operations that callers started, by project, oldest first."""

    def now(self) -> float:
        """The simulated time, in seconds since the epoch."""
        return self.clock.now()

    def project(self, id_or_number: str) -> Project | None:
        """The project of an id or a number (Google takes both)."""
        for project in self.world.projects:
            if id_or_number in (project.id, str(project.number)):
                return project
        return None

    def project_of(self, resource: str) -> Project | None:
        """The project in a resource name such as `projects/P/locations/R`."""
        match = _PROJECT.search(resource)
        return self.project(match[1]) if match else None

    def require(self, permission: str, resource: str) -> None:
        """Raise PERMISSION_DENIED where the caller lacks the permission, or the resource's project is not there to be
        seen.
        """
        if permission in self.denied or (_PROJECT.search(resource) and self.project_of(resource) is None):
            raise permission_denied(permission, resource)

    async def admit(self, api: str, method: str, rule: Rule, resource: str) -> Fault | None:
        """Let a call in. Raises what Google would answer instead; a returned fault wants a reply that does not parse
        (`garbage`) or that never comes (`lost`, once the call was carried out).

        `resource` is the name that the request acts on. Latency and stalls are real time, quotas simulated minutes.
        """
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        fault = self.faults.take(api, method)
        if fault is not None:
            if fault.stall_s is not None:
                await self.faults.stalled(fault.stall_s)
            elif fault.code is not None:
                raise _fault_error(grpc.StatusCode[fault.code], rule, resource)
            elif fault.garbage:
                return fault
        if rule.permission is not None:
            self.require(rule.permission, resource)
        if rule.quota is not None:
            # What names no project (a billing account) is counted on the caller's own.
            project = self.project_of(resource) or self.world.projects[0]
            location = _LOCATION.search(resource)
            region = location[1] if location else project.region
            self.quotas.spend(rule.quota, project.id, project.number, region, self.now())
        return fault if fault is not None and fault.lost else None


_FAULT_TEXT: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "The service is currently unavailable.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Deadline expired before operation could complete.",
    grpc.StatusCode.PERMISSION_DENIED: "The caller does not have permission",
    grpc.StatusCode.UNAUTHENTICATED: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Resource has been exhausted (e.g. check quota).",
    grpc.StatusCode.INTERNAL: "Internal error encountered.",
    grpc.StatusCode.ABORTED: "The operation was aborted.",
    grpc.StatusCode.CANCELLED: "The operation was cancelled.",
    grpc.StatusCode.NOT_FOUND: "Requested entity was not found.",
    grpc.StatusCode.ALREADY_EXISTS: "Requested entity already exists",
    grpc.StatusCode.INVALID_ARGUMENT: "Request contains an invalid argument.",
    grpc.StatusCode.FAILED_PRECONDITION: "Precondition check failed.",
    grpc.StatusCode.UNIMPLEMENTED: "Operation is not implemented, or supported, or enabled.",
}


def _fault_error(code: grpc.StatusCode, rule: Rule, resource: str) -> ApiError:
    if code is grpc.StatusCode.PERMISSION_DENIED and rule.permission:
        return permission_denied(rule.permission, resource)
    return ApiError(code, _FAULT_TEXT.get(code, "Unknown Error."))
