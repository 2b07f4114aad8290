"""BigQuery's errors: a reason beside the message, in the JSON form of its REST API.

Reasons: cloud.google.com/bigquery/docs/error-messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from brconsole.emulator.errors import ApiError

_CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    501: grpc.StatusCode.UNIMPLEMENTED,
}
_REASONS: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid",
    grpc.StatusCode.PERMISSION_DENIED: "accessDenied",
    grpc.StatusCode.UNAUTHENTICATED: "authError",
    grpc.StatusCode.NOT_FOUND: "notFound",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "rateLimitExceeded",
    grpc.StatusCode.UNIMPLEMENTED: "notImplemented",
    grpc.StatusCode.UNAVAILABLE: "backendError",
}


class BigQueryError(ApiError):
    """A refusal with one of BigQuery's reasons."""

    def __init__(self, http_status: int, reason: str, message: str) -> None:
        super().__init__(_CODES[http_status], message)
        self.reason = reason


def invalid_query(message: str) -> BigQueryError:
    """The query is wrong; the message ends with its place, `at [line:column]`, where that is known."""
    return BigQueryError(400, "invalidQuery", message)


def not_found(what: str) -> BigQueryError:
    """Something named does not exist."""
    return BigQueryError(404, "notFound", f"Not found: {what}")


def not_implemented(message: str) -> BigQueryError:
    """BigQuery has it, the emulator does not."""
    return BigQueryError(501, "notImplemented", message)


def error_json(error: ApiError) -> tuple[int, dict[str, Any]]:
    """The HTTP status and BigQuery's error JSON of any refusal."""
    status, document = error.http()
    reason = error.reason if isinstance(error, BigQueryError) else _REASONS.get(error.code, "internalError")
    entry = {"message": error.message, "domain": "global", "reason": reason}
    if reason == "invalidQuery":
        entry |= {"location": "q", "locationType": "parameter"}
    document["error"]["errors"] = [entry]
    return status, document
