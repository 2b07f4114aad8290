"""What a simulation is started with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
"""The only address the emulator listens on."""


class EmulatorError(Exception):
    """The emulator cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """Options of one embedded Google Cloud.

    `port` is the gRPC port, `http_port` the HTTP port; 0 takes a free one, and None (HTTP) the one after the gRPC port,
    where it is free. `speed` is simulated seconds a second. `start` (seconds since the epoch) and `services` (per
    project) default to the simulation's own. `latency_ms` is real time added to each call.

    `job_environments` gives by project what its jobs get besides their container's own variables: their database's URL,
    which no API shows, and where the project is. A project that is not there has no database, and its executions fail.

    The rest is for tests: `denied` are permissions the caller lacks, `limits` are calls a minute by quota metric (see
    `quota.LIMITS`), `etag_enforced` refuses a v2 update whose etag is not the current one (the real API probably does
    not), and `principal` is who the caller is in the audit log.
    """

    port: int = 0
    http_port: int | None = None
    speed: float = 1.0
    seed: int = 7
    scenario: str = "quiet"
    services: int | None = None
    start: float | None = None
    latency_ms: float = 0.0
    job_environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    denied: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    etag_enforced: bool = False
    principal: str = "operator@bytereview.ai"

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("http_port", self.http_port)):
            if port is not None and not 0 <= port <= 65535:
                raise EmulatorError(f"{name}: found {port}, allowed is 0 (a free port) to 65535")
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise EmulatorError(f"speed: found {self.speed}, allowed is a number above 0 (simulated seconds a second)")
        if not (math.isfinite(self.latency_ms) and self.latency_ms >= 0):
            raise EmulatorError(f"latency: found {self.latency_ms}, allowed is a number of milliseconds from 0")
        if self.services is not None and self.services < 1:
            raise EmulatorError(f"services: found {self.services}, allowed is a whole number from 1")
