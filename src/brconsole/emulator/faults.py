"""Faults of the APIs: an error code, a stall, a reply that does not parse or that never comes, for an API and method.

They are set through the control endpoint by a drill or a test, never by the console's adapters.
"""

from __future__ import annotations

import asyncio
import difflib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc

IAM = "iam"
IAM_METHODS = frozenset({"TestIamPermissions"})
"""The methods that `iam` means, of whichever API serves them."""

APIS = ("run", "monitoring", "logging", "billingbudgets", "cloudresourcemanager", "bigquery", IAM)
"""The names a fault may give as `api`; `*` stands for all of them."""

_CODES = tuple(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)
_KEYS = ("api", "method", "code", "stall_s", "garbage", "lost", "count")
_KINDS = ("code", "stall_s", "garbage", "lost")


class BadFaultError(ValueError):
    """A fault that cannot be set, in a sentence that names the key, what was found and what is allowed."""


@dataclass(slots=True)
class Fault:
    """One fault. Exactly one of `code`, `stall_s` (real seconds), `garbage` and `lost` is set; `left` is None for
    "until cleared".

    Only `lost` lets the call be carried out: the connection breaks before the reply, so the caller cannot know.
    """

    api: str
    method: str = "*"
    code: str | None = None
    stall_s: float | None = None
    garbage: bool = False
    lost: bool = False
    left: int | None = None

    def hits(self, api: str, method: str) -> bool:
        """Whether a call of this API and method meets the fault."""
        names = ("*", api, IAM) if method in IAM_METHODS else ("*", api)
        return self.api in names and self.method in ("*", method) and self.left != 0

    def to_json(self) -> dict[str, Any]:
        """As it is set through the control endpoint; `count` is what is left."""
        kind: dict[str, Any]
        if self.code is not None:
            kind = {"code": self.code}
        elif self.stall_s is not None:
            kind = {"stall_s": self.stall_s}
        else:
            kind = {"garbage": True} if self.garbage else {"lost": True}
        count = {} if self.left is None else {"count": self.left}
        return {"api": self.api, "method": self.method, **kind, **count}


class Faults:
    """The faults in force, in the order they were given; the first that fits a call is met."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._over = asyncio.Event()

    def replace(self, document: object, methods: Mapping[str, frozenset[str]]) -> None:
        """Put the faults of a JSON document in place of those in force.

        `methods` gives the methods of each API. Raises BadFaultError, and then nothing has changed.
        """
        self._put(parse_faults(document, methods))

    def clear(self) -> None:
        """No fault any more."""
        self._put([])

    async def stalled(self, seconds: float) -> None:
        """Hold a call for so many real seconds, or until the faults in force are replaced or cleared: so a test holds a
        caller at one call, and lets it go on to the next.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _put(self, faults: list[Fault]) -> None:
        self._faults = faults
        self._over.set()
        self._over = asyncio.Event()

    def take(self, api: str, method: str) -> Fault | None:
        """The fault that a call meets, counted; None where it meets none."""
        for fault in self._faults:
            if fault.hits(api, method):
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    def to_json(self) -> list[dict[str, Any]]:
        """The faults that can still be met."""
        return [fault.to_json() for fault in self._faults if fault.left != 0]


def parse_faults(document: object, methods: Mapping[str, frozenset[str]]) -> list[Fault]:
    """Read an array of faults, one fault, or `{"faults": [...]}`; raises BadFaultError."""
    if isinstance(document, dict) and "faults" in document:
        _only_keys(document, ("faults",), "the document")
        document = document["faults"]
    if isinstance(document, dict):
        document = [document]
    if not isinstance(document, list):
        allowed = 'an array of faults, one fault or {"faults": [...]}'
        raise BadFaultError(f"the document: found {_shown(document)}, allowed are {allowed}")
    return [_parse(item, f"faults[{index}]", methods) for index, item in enumerate(document)]


def _parse(item: object, where: str, methods: Mapping[str, frozenset[str]]) -> Fault:
    if not isinstance(item, dict):
        raise BadFaultError(f"{where}: found {_shown(item)}, allowed is an object with {', '.join(_KEYS)}")
    _only_keys(item, _KEYS, where)
    if "api" not in item:
        raise BadFaultError(f"{where}.api: missing, allowed are {', '.join(APIS)} and *")
    api = _one_of(item["api"], (*APIS, "*"), f"{where}.api")
    by_api = {**methods, IAM: IAM_METHODS}
    known = sorted(set().union(*by_api.values()) if api == "*" else by_api.get(api, frozenset()))
    method = _one_of(item.get("method", "*"), (*known, "*"), f"{where}.method")
    given = [kind for kind in _KINDS if kind in item]
    if len(given) != 1:
        raise BadFaultError(
            f"{where}: found {' and '.join(given) or 'none'} of {', '.join(_KINDS)}, allowed is exactly one"
        )
    fault = Fault(api=api, method=method)
    if "code" in item:
        fault.code = _one_of(item["code"], _CODES, f"{where}.code")
    elif "stall_s" in item:
        fault.stall_s = _seconds(item["stall_s"], f"{where}.stall_s")
    elif item[given[0]] is True:
        fault.garbage, fault.lost = given[0] == "garbage", given[0] == "lost"
    else:
        raise BadFaultError(f"{where}.{given[0]}: found {_shown(item[given[0]])}, allowed is true")
    if "count" in item:
        count = item["count"]
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise BadFaultError(f"{where}.count: found {_shown(count)}, allowed is a whole number of calls from 1")
        fault.left = count
    return fault


def _only_keys(item: Mapping[str, object], allowed: Sequence[str], where: str) -> None:
    for key in item:
        if key not in allowed:
            choice = f"allowed are {', '.join(allowed)}{_nearest(key, allowed)}"
            raise BadFaultError(f"{where}: unknown key {_shown(key)}, {choice}")


def _one_of(value: object, allowed: Sequence[str], where: str) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise BadFaultError(f"{where}: found {_shown(value)}, allowed are {', '.join(allowed)}{_nearest(value, allowed)}")


def _seconds(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise BadFaultError(f"{where}: found {_shown(value)}, allowed is a number of real seconds above 0")
    return float(value)


def _nearest(value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str):
        return ""
    folded = {choice.casefold(): choice for choice in allowed}
    match = difflib.get_close_matches(value.casefold(), folded, n=1)
    return f"; did you mean {folded[match[0]]}?" if match else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
