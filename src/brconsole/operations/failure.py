"""How a call to the outside world fails, as far as it changes what a person does next."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """Why a source could not be read, as far as it changes what a person does next."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    PERMISSION = "permission"
    UNAUTHENTICATED = "unauthenticated"
    QUOTA = "quota"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    UNREADABLE = "unreadable"
    """The reply does not parse."""
    NOT_CONFIGURED = "not_configured"
    CONFLICT = "conflict"


class SourceFailure(Exception):  # noqa: N818 - a source fails; nothing in the program is in error
    """One failed call: which API, on what, why, and what to do. `str()` is one clean sentence without control
    characters.
    """

    def __init__(
        self,
        kind: FailureKind,
        api: str,
        resource: str,
        reason: str,
        *,
        remedy: str = "",
        permission: str = "",
        role: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.kind = kind
        self.api = api
        self.resource = resource
        self.reason = reason
        self.remedy = remedy
        self.permission = permission
        self.role = role
        self.retry_after_s = retry_after_s
        # Without a login nothing can be read, so the resource says nothing and would only stand before the cure.
        where = "" if kind is FailureKind.UNAUTHENTICATED else f" ({resource})"
        super().__init__(f"{api}: {reason}{where}" + (f"; {remedy}" if remedy else ""))
