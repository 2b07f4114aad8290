"""A colleague's pipeline that releases with brconsole: it leaves the same record that brconsole would read back.

Written from the format's description (docs/releasing.md), not with brconsole's own code: a reader of it is tested
against somebody else's writing.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

RECORD = "brconsole.dev/rollout"
STEPS = ((5, 900), (50, 900), (100, 900))
"""Percent and dwell in seconds of prod's plan; the last dwell is the soak."""
DEADLINE_S = 4 * 3600
LEASE_S = 90


def record(service: str, stable: str, canary: str, digest: str, actor: str, at: float) -> str:
    """The annotation of a canary that was just given its first share."""
    began = _moment(at)
    mark = hashlib.sha256(f"{service}/{canary}/{began}".encode()).hexdigest()[:3]
    return _compact(
        {
            "v": 1,
            "id": f"r-{datetime.fromtimestamp(at, UTC):%Y%m%d-%H%M}-{mark}",
            "seq": 2,
            "phase": "OBSERVE",
            "plan": f"prod@sha256:{hashlib.sha256(json.dumps(STEPS).encode()).hexdigest()[:12]}",
            "steps": STEPS,
            "step": 0,
            "stable": stable,
            "canary": canary,
            "tags": {"prev": stable, "canary": canary},
            "step_started": began,
            "deadline": _moment(at + DEADLINE_S),
            "holds": 0,
            "digest": digest,
            "latest": canary,
            "driver": {"who": actor, "until": _moment(at + LEASE_S), "headless": True},
            "reason": "release pipeline",
        }
    )


def _compact(document: dict[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"
