"""Everything that can go wrong with a call, said in one sentence: which API, on what, why, and what to do.

The one place where errors of google.api_core, google.auth, grpc, REST and protobuf become `SourceFailure`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.protobuf.message import DecodeError

from brconsole.domain.text import clean
from brconsole.gcp.apis import Method, role_for
from brconsole.operations.failure import FailureKind, SourceFailure

LOGIN = "gcloud auth application-default login"
LOGIN_REMEDY = f"run `{LOGIN}`, or try the console with --simulate"
_LONGEST_REASON = 300
_GOOGLES_WORDS_ON_LOGINS = ("Request had invalid authentication", "Request is missing required authentication")
"""They say nothing that the sentence does not, at a length that pushes the command to run off the screen."""


class UnreadableReplyError(Exception):
    """A reply that does not parse, or that says something it cannot say. `str()` is what is wrong with it."""


class NotSentError(ConnectionError):
    """There was no connection, so nothing of a request has arrived."""


class ApiRefusalError(Exception):
    """An error answer of a REST API: HTTP status, Google's message and the details of its error JSON."""

    def __init__(
        self, status: int, message: str, details: tuple[Mapping[str, Any], ...] = (), retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


CAUGHT = (
    exceptions.GoogleAPIError,
    auth_exceptions.GoogleAuthError,
    grpc.RpcError,
    DecodeError,
    UnreadableReplyError,
    ApiRefusalError,
    OSError,
    # What reading a reply raises when a field is of another kind than documented.
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    AttributeError,
)
"""What a call may raise; cancellation is not among them and passes through."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What was being called when it went wrong: the method, on which resource, at which address, within how many
    seconds.
    """

    method: Method
    resource: str
    address: str
    deadline_s: float
    project: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """What an error carries besides its code, wherever it came from."""

    message: str
    reason: str = ""
    metadata: Mapping[str, str] | None = None
    retry_after_s: float | None = None

    def get(self, key: str) -> str:
        return clean(str((self.metadata or {}).get(key, "")), 200)


def failure(error: BaseException, situation: Situation) -> SourceFailure:
    """The failure that a person can act on."""
    if isinstance(error, SourceFailure):
        return error
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        return failure(error.cause, situation)
    if isinstance(error, TimeoutError):
        return _timeout(situation, _Facts(""))
    if isinstance(error, auth_exceptions.GoogleAuthError):
        return _not_logged_in(error, situation)
    if isinstance(error, exceptions.GoogleAPICallError):
        return _of_code(_grpc_code(error), _facts_of_call(error), situation)
    if isinstance(error, grpc.RpcError):
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        name = code().name if callable(code) else "UNKNOWN"
        return _of_code(name, _Facts(str(details() if callable(details) else error)), situation)
    if isinstance(error, ApiRefusalError):
        return _of_code(_HTTP_CODES.get(error.status, "UNKNOWN"), _facts_of_refusal(error), situation)
    if isinstance(error, OSError):
        return _unavailable(situation, _Facts(error.strerror or str(error)))
    return _unreadable(situation, _Facts(str(error) if isinstance(error, UnreadableReplyError) else ""))


# -------------------------------------------------------------------------------------------------------- by code


def _of_code(code: str, facts: _Facts, situation: Situation) -> SourceFailure:
    return _BY_CODE.get(code, _unexpected)(situation, facts)


def _permission(situation: Situation, facts: _Facts) -> SourceFailure:
    if facts.reason == "SERVICE_DISABLED":
        service = facts.get("service") or situation.method.api.host
        return _made(
            FailureKind.PERMISSION,
            situation,
            f"{service} is not enabled in the project",
            f"run `gcloud services enable {service} --project {situation.project}`",
        )
    permission = facts.get("permission") or _permission_in(facts.message) or situation.method.permission
    if not permission:
        return _made(FailureKind.PERMISSION, situation, _said("permission denied", facts.message))
    role = role_for(permission)
    return SourceFailure(
        FailureKind.PERMISSION,
        situation.method.api.title,
        clean(facts.get("resource") or situation.resource, 200),
        f"permission {permission} is missing",
        remedy=f"ask for {role}, which holds it" if role else "ask for a role that holds it",
        permission=permission,
        role=role,
    )


def _unauthenticated(situation: Situation, facts: _Facts) -> SourceFailure:
    message = "" if facts.message.startswith(_GOOGLES_WORDS_ON_LOGINS) else facts.message
    return _made(FailureKind.UNAUTHENTICATED, situation, _said("the login is not accepted", message), LOGIN_REMEDY)


def _not_logged_in(error: BaseException, situation: Situation) -> SourceFailure:
    if isinstance(error, auth_exceptions.RefreshError):
        reason = "the login has expired or was withdrawn"
    elif isinstance(error, auth_exceptions.TransportError):
        return _login_out_of_reach(situation)
    else:
        reason = "no Application Default Credentials were found"
    return _made(FailureKind.UNAUTHENTICATED, situation, reason, LOGIN_REMEDY)


def _login_out_of_reach(situation: Situation) -> SourceFailure:
    return _made(
        FailureKind.UNAVAILABLE,
        situation,
        "the login server cannot be reached",
        "check the network; it asks again by itself",
    )


def _quota(situation: Situation, facts: _Facts) -> SourceFailure:
    metric = facts.get("quota_metric")
    limit = facts.get("quota_limit_value")
    named = f"quota {metric} is used up" if metric else _said("the quota is used up", facts.message)
    reason = f"{named} ({limit} a minute)" if metric and limit else named
    wait = f"in {facts.retry_after_s:.0f} s" if facts.retry_after_s else "within a minute"
    made = _made(FailureKind.QUOTA, situation, reason, f"it asks again {wait}; others share this quota")
    made.retry_after_s = facts.retry_after_s
    return made


def _timeout(situation: Situation, _: _Facts) -> SourceFailure:
    return _made(
        FailureKind.TIMEOUT,
        situation,
        f"no answer from {situation.address} within {situation.deadline_s:g} s",
        "it asks again by itself",
    )


def _unavailable(situation: Situation, facts: _Facts) -> SourceFailure:
    if "plugin" in facts.message and "metadata" in facts.message.lower():
        # The credentials plug-in of the channel failed: grpc calls that UNAVAILABLE.
        if _NO_NETWORK.search(facts.message):
            return _login_out_of_reach(situation)
        return _made(FailureKind.UNAUTHENTICATED, situation, "the login has expired or was withdrawn", LOGIN_REMEDY)
    return _made(
        FailureKind.UNAVAILABLE,
        situation,
        _said(f"{situation.address} is unavailable", _plain_words(facts.message)),
        "it asks again by itself",
    )


def _not_found(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(
        FailureKind.NOT_FOUND,
        situation,
        _said("not found", facts.message),
        "check project and region in the configuration",
    )


def _invalid(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(FailureKind.INVALID, situation, _said("the request was refused", facts.message))


def _unimplemented(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(
        FailureKind.INVALID,
        situation,
        _said(f"{situation.address} does not implement {situation.method.name}", facts.message),
    )


def _conflict(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(FailureKind.CONFLICT, situation, _said("it was changed by somebody else", facts.message))


def _internal(situation: Situation, facts: _Facts) -> SourceFailure:
    if "serializ" in facts.message:
        return _unreadable(situation, _Facts(""))
    return _made(
        FailureKind.UNAVAILABLE,
        situation,
        _said(f"{situation.address} failed internally", facts.message),
        "it asks again by itself",
    )


def _unexpected(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(
        FailureKind.UNAVAILABLE,
        situation,
        _said(f"{situation.address} gave up on the call", facts.message),
        "it asks again by itself",
    )


def _unreadable(situation: Situation, facts: _Facts) -> SourceFailure:
    return _made(
        FailureKind.UNREADABLE,
        situation,
        _said(f"the reply of {situation.address} cannot be read", facts.message),
        "it asks again by itself",
    )


_BY_CODE: Mapping[str, Callable[[Situation, _Facts], SourceFailure]] = {
    "PERMISSION_DENIED": _permission,
    "UNAUTHENTICATED": _unauthenticated,
    "RESOURCE_EXHAUSTED": _quota,
    "DEADLINE_EXCEEDED": _timeout,
    "UNAVAILABLE": _unavailable,
    "NOT_FOUND": _not_found,
    "INVALID_ARGUMENT": _invalid,
    "FAILED_PRECONDITION": _invalid,
    "OUT_OF_RANGE": _invalid,
    "UNIMPLEMENTED": _unimplemented,
    "ABORTED": _conflict,
    "ALREADY_EXISTS": _conflict,
    "INTERNAL": _internal,
    "DATA_LOSS": _unreadable,
}

# google.rpc.Code by HTTP status, https://cloud.google.com/apis/design/errors#handling_errors
_HTTP_CODES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


# ------------------------------------------------------------------------------------------------------- reading errors


def refusal(status: int, body: bytes, retry_after: str | None = None) -> ApiRefusalError:
    """An error answer of a Google REST API, read from its error JSON as far as it is one."""
    message = f"HTTP {status}"
    details: tuple[Mapping[str, Any], ...] = ()
    try:
        error = json.loads(body)["error"]
        message = str(error.get("message") or message)
        details = tuple(detail for detail in error.get("details") or () if isinstance(detail, dict))
    except (ValueError, TypeError, LookupError, AttributeError):
        pass
    wait = float(retry_after) if retry_after and retry_after.isdigit() else None
    return ApiRefusalError(status, message, details, wait)


def _facts_of_call(error: exceptions.GoogleAPICallError) -> _Facts:
    metadata = error.metadata if isinstance(error.metadata, Mapping) else None
    return _Facts(str(error.message or ""), str(error.reason or ""), metadata, _retry_delay_s(error))


def _retry_delay_s(error: exceptions.GoogleAPICallError) -> float | None:
    for detail in error.details or ():
        delay = getattr(detail, "retry_delay", None)  # google.rpc.RetryInfo
        if delay is not None:
            return float(delay.seconds) + float(delay.nanos) / 1e9
    return None


def _facts_of_refusal(error: ApiRefusalError) -> _Facts:
    for detail in error.details:
        if str(detail.get("@type", "")).endswith("google.rpc.ErrorInfo"):
            metadata = detail.get("metadata")
            return _Facts(
                error.message,
                str(detail.get("reason", "")),
                metadata if isinstance(metadata, Mapping) else None,
                error.retry_after_s,
            )
    return _Facts(error.message, retry_after_s=error.retry_after_s)


def _grpc_code(error: exceptions.GoogleAPICallError) -> str:
    code = error.grpc_status_code
    if code is not None:
        return str(code.name)
    return _HTTP_CODES.get(int(error.code or 0), "UNKNOWN")


# --------------------------------------------------------------------------------------------------------------- words

_PERMISSION = re.compile(r"\b([a-z][a-zA-Z]{1,40}\.[a-zA-Z]{1,40}\.[a-zA-Z]{1,40})\b")
_NO_NETWORK = re.compile(r"ConnectionPool|Max retries exceeded|Connection aborted|timed out")
"""What requests says within google.auth's account of a failed refresh."""
_KNOWN_CAUSES = re.compile(
    r"(connection refused|connection reset|broken pipe|no route to host|network is unreachable|socket closed"
    r"|name or service not known|temporary failure in name resolution|dns resolution failed|certificate verify failed"
    r"|all connection attempts failed|server disconnected)",
    re.IGNORECASE,
)


def _permission_in(message: str) -> str:
    """The first thing in a message that looks like a permission and not like a host."""
    return next(
        (name for name in _PERMISSION.findall(message[:2000]) if not name.endswith((".com", ".dev", ".net"))), ""
    )


def _plain_words(message: str) -> str:
    """The cause within gRPC's account of its attempts (addresses, error numbers), where it is a well-known one."""
    known = _KNOWN_CAUSES.search(message)
    return known.group(1).lower() if known else message


def _said(sentence: str, message: str) -> str:
    """A sentence of ours with the server's words behind it."""
    words = clean(message, _LONGEST_REASON).rstrip(".")
    return f"{sentence}: {words}" if words else sentence


def _made(kind: FailureKind, situation: Situation, reason: str, remedy: str = "") -> SourceFailure:
    return SourceFailure(kind, situation.method.api.title, clean(situation.resource, 200), reason, remedy=remedy)
