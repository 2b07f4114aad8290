"""What an API answers when it refuses, in Google's words: a status code, a sentence and typed details.

The same error goes out over gRPC (status and `grpc-status-details-bin`) and over HTTP (Google's error JSON).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from google.protobuf.message import Message

HTTP_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""The HTTP status of each code, from google/rpc/code.proto."""


class ApiError(Exception):
    """A refusal. Raise it anywhere in an API's method; the server turns it into the wire's form."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Iterable[Message] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)

    def status(self) -> status_pb2.Status:
        """The google.rpc.Status of this error."""
        packed = []
        for detail in self.details:
            holder = any_pb2.Any()
            holder.Pack(detail)
            packed.append(holder)
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=packed)

    def http(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and Google's error JSON."""
        http_status = HTTP_STATUS[self.code]
        error: dict[str, Any] = {"code": http_status, "message": self.message, "status": self.code.name}
        if self.details:
            error["details"] = [MessageToDict(holder) for holder in self.status().details]
        return http_status, {"error": error}


def error_info(reason: str, domain: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    """The machine-readable cause (google.rpc.ErrorInfo)."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def invalid_argument(message: str, field: str = "") -> ApiError:
    """INVALID_ARGUMENT; with `field`, Google's BadRequest detail names the offending field."""
    details = []
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    return ApiError(grpc.StatusCode.INVALID_ARGUMENT, message, details)


def not_found(message: str) -> ApiError:
    """NOT_FOUND."""
    return ApiError(grpc.StatusCode.NOT_FOUND, message)


def unimplemented(message: str) -> ApiError:
    """UNIMPLEMENTED: Google has it, the emulator does not, and says so rather than guessing."""
    return ApiError(grpc.StatusCode.UNIMPLEMENTED, message)


def permission_denied(permission: str, resource: str) -> ApiError:
    """PERMISSION_DENIED, naming the missing permission as Google does."""
    domain = "iam.googleapis.com"
    return ApiError(
        grpc.StatusCode.PERMISSION_DENIED,
        f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
        [error_info("IAM_PERMISSION_DENIED", domain, permission=permission, resource=resource)],
    )
