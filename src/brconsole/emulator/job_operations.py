"""Long-running operations of jobs: a run's ends with its execution, a change's is done at once."""

from __future__ import annotations

from typing import Any

import grpc
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.rpc import status_pb2  # type: ignore[import-untyped]

from brconsole.emulator.job_messages import execution_message
from brconsole.simulation.jobs import Execution
from brconsole.simulation.model import Project


def running(project: Project, execution: Execution) -> operations_pb2.Operation:
    """The operation of a run (and of its cancellation) as it stands; metadata is the execution, and so is the
    response.
    """
    message = operations_pb2.Operation(
        name=f"projects/{project.id}/locations/{project.region}/operations/{execution.operation}"
    )
    shown = execution_message(project, execution)
    message.metadata.Pack(shown)
    if execution.outcome is None:
        return message
    message.done = True
    if execution.outcome == "succeeded":
        message.response.Pack(shown)
    else:
        code = grpc.StatusCode.CANCELLED if execution.outcome == "cancelled" else grpc.StatusCode.UNKNOWN
        message.error.CopyFrom(status_pb2.Status(code=code.value[0], message=execution.message))
    return message


def changed(project: Project, job: Any) -> operations_pb2.Operation:
    """The operation of a change of a job, which nothing has to wait for."""
    message = operations_pb2.Operation(
        name=f"projects/{project.id}/locations/{project.region}/operations/{job.uid}-{job.generation}", done=True
    )
    message.metadata.Pack(job)
    message.response.Pack(job)
    return message
