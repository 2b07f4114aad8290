"""The control endpoint: the clock that the console follows, and the faults that drills and tests set.

It is not Google's; the console's adapters read only the clock from it, and only where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from brconsole.emulator.clock import rfc3339
from brconsole.emulator.cloud import Cloud
from brconsole.emulator.errors import invalid_argument
from brconsole.emulator.faults import BadFaultError
from brconsole.emulator.http import HttpApi, HttpRequest, Route

_WORLD_KEYS = ("kind", "target", "magnitude", "until")


class Control(HttpApi):
    """`/control/…`."""

    API = None
    ROUTES = (
        Route("GET", "/control/clock", "clock"),
        Route("GET", "/control/faults", "list_faults"),
        Route("PUT", "/control/faults", "put_faults"),
        Route("DELETE", "/control/faults", "clear_faults"),
        Route("PUT", "/control/world", "put_world"),
    )

    def __init__(
        self, cloud: Cloud, methods: Callable[[], Mapping[str, frozenset[str]]], seed: int, scenario: str
    ) -> None:
        super().__init__(cloud)
        self._methods = methods
        self._seed = seed
        self._scenario = scenario

    async def clock(self, _request: HttpRequest) -> dict[str, Any]:
        """The simulated time and what the simulation was started with."""
        clock = self.cloud.clock
        return {
            "now": rfc3339(clock.now()),
            "speed": clock.speed,
            "start": rfc3339(clock.start),
            "seed": self._seed,
            "scenario": self._scenario,
            "simulated": True,
        }

    async def list_faults(self, _request: HttpRequest) -> list[dict[str, Any]]:
        """The faults in force, with the calls they have left."""
        return self.cloud.faults.to_json()

    async def put_faults(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Put a set of faults in place of the one in force."""
        try:
            self.cloud.faults.replace(request.json(), self._methods())
        except BadFaultError as error:
            raise invalid_argument(str(error)) from error
        return self.cloud.faults.to_json()

    async def clear_faults(self, _request: HttpRequest) -> list[dict[str, Any]]:
        """No fault any more."""
        self.cloud.faults.clear()
        return self.cloud.faults.to_json()

    async def put_world(self, request: HttpRequest) -> dict[str, Any]:
        """Something goes wrong in the simulated world, from now on or `until` a time (RFC 3339)."""
        document = request.json()
        if not isinstance(document, dict):
            keys = ", ".join(_WORLD_KEYS)
            raise invalid_argument(f"the document: found {document!r:.80}, allowed is an object with {keys}")
        for key in document:
            if key not in _WORLD_KEYS:
                raise invalid_argument(f"unknown key {key!r}, allowed are {', '.join(_WORLD_KEYS)}", key)
        kind, target = (_text(document, key) for key in ("kind", "target"))
        magnitude = document.get("magnitude")
        if isinstance(magnitude, bool) or not isinstance(magnitude, int | float) or not math.isfinite(magnitude):
            raise invalid_argument(f"magnitude: found {magnitude!r}, allowed is a number", "magnitude")
        until = _moment(document["until"]) if "until" in document else None
        now = self.cloud.now()
        try:
            self.cloud.world.set_fault(now, kind, target, float(magnitude), until)
        except ValueError as error:
            raise invalid_argument(str(error)) from error
        return {**document, "at": rfc3339(now)}


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise invalid_argument(f"{key}: found {value!r}, allowed is a text that is not empty", key)
    return value


def _moment(value: object) -> float:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise invalid_argument(f"until: found {value!r}, allowed is a time such as 2026-11-23T15:00:00Z", "until")
    return at.timestamp()
