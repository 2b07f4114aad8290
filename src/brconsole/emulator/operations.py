"""Long-running operations of Cloud Run, in simulated time."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import grpc
from google.cloud.run_v2.services.services.transports.grpc import ServicesGrpcTransport
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.rpc import status_pb2  # type: ignore[import-untyped]

from brconsole.emulator import quota
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import invalid_argument, not_found, unimplemented
from brconsole.emulator.job_operations import running
from brconsole.emulator.paging import page
from brconsole.emulator.run_messages import service_message
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.jobs import Execution
from brconsole.simulation.model import Operation, Project

_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/operations/([^/]+)")
_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_LONGEST_WAIT_S = 600.0
"""Real seconds; a caller has long given up by then."""


def operation_message(cloud: Cloud, project: Project, operation: Operation, at: float) -> operations_pb2.Operation:
    """An operation as it stands at a moment: metadata is the service, and so is the response."""
    message = operations_pb2.Operation(
        name=f"projects/{project.id}/locations/{project.region}/operations/{operation.id}"
    )
    service = cloud.world.service(project.id, operation.service, at)
    if service is not None:
        message.metadata.Pack(service_message(project, service))
    if at < operation.done_at:
        return message
    message.done = True
    if operation.error is not None:
        message.error.CopyFrom(
            status_pb2.Status(code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message=operation.error)
        )
        return message
    settled = cloud.world.service(project.id, operation.service, operation.done_at)
    if settled is not None:
        message.response.Pack(service_message(project, settled))
    return message


class RunOperations(GrpcApi):
    """google.longrunning.Operations as Cloud Run serves it: Get, Wait, List."""

    SERVICE = "google.longrunning.Operations"
    API = "run"
    TRANSPORT = ServicesGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "GetOperation": Rule("run.operations.get", quota.RUN_READ),
        "WaitOperation": Rule("run.operations.get", quota.RUN_READ),
        "ListOperations": Rule("run.operations.list", quota.RUN_READ),
    }

    async def GetOperation(self, request: operations_pb2.GetOperationRequest, call: Call) -> Any:  # noqa: N802
        """An operation as it stands."""
        return self._message(*self._find(request.name), call.now)

    async def WaitOperation(self, request: operations_pb2.WaitOperationRequest, call: Call) -> Any:  # noqa: N802
        """Waits until the operation is done or the timeout (simulated seconds, none: the caller's deadline) is over."""
        project, operation = self._find(request.name)
        timeout = math.inf
        if request.HasField("timeout"):
            timeout = max(0.0, request.timeout.seconds + request.timeout.nanos / 1e9)
        if isinstance(operation, Execution):
            longest = min(self.cloud.clock.real_seconds(timeout), _LONGEST_WAIT_S)
            await self.cloud.jobs.ended(project.id, operation.name, longest)
            return self._message(*self._find(request.name), self.cloud.now())
        left = min(timeout, max(0.0, operation.done_at - call.now))
        await asyncio.sleep(self.cloud.clock.real_seconds(left))
        # A sleep may end a hair early; what it waited for has come all the same.
        return operation_message(self.cloud, project, operation, max(self.cloud.now(), call.now + left))

    async def ListOperations(self, request: operations_pb2.ListOperationsRequest, call: Call) -> Any:  # noqa: N802
        """The operations that callers of this emulator started, newest first."""
        match = _PARENT.fullmatch(request.name)
        if match is None:
            raise invalid_argument(
                f"Invalid resource name {request.name!r}: want projects/PROJECT/locations/LOCATION.", "name"
            )
        if request.filter:
            raise unimplemented("ListOperations with a filter is not part of the embedded Google Cloud.")
        project = self.cloud.project(match[1])
        found = []
        if project is not None and match[2] == project.region:
            names = reversed(self.cloud.started_operations.get(project.id, []))
            found = [operation for name in names if (operation := self._operation(project, name))]
        some, token = page(
            found,
            request.page_size,
            request.page_token,
            default=100,
            maximum=100,
            bound_to=f"operations {request.name}",
        )
        messages = [self._message(project, operation, call.now) for operation in some] if project else []
        return operations_pb2.ListOperationsResponse(operations=messages, next_page_token=token)

    def _operation(self, project: Project, name: str) -> Operation | Execution | None:
        """What goes on under an operation's id: the change of a service, or the execution of a job."""
        return self.cloud.world.operation(project.id, name) or self.cloud.jobs.book.started_by(project.id, name)

    def _message(self, project: Project, operation: Operation | Execution, at: float) -> operations_pb2.Operation:
        if isinstance(operation, Execution):
            return running(project, operation)
        return operation_message(self.cloud, project, operation, at)

    def _find(self, name: str) -> tuple[Project, Operation | Execution]:
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid_argument(
                f"Invalid operation name {name!r}: want projects/PROJECT/locations/LOCATION/operations/OPERATION.",
                "name",
            )
        project = self.cloud.project(match[1])
        if project is not None and match[2] == project.region:
            operation = self._operation(project, match[3])
            if operation is not None:
                return project, operation
        raise not_found(
            f"Resource '{match[3]}' of kind 'OPERATION' in region '{match[2]}' in project '{match[1]}' does not exist."
        )
