"""What ByteReview stands on: Redis memory and the Vertex AI models."""

from __future__ import annotations

import math
from typing import NamedTuple

from brconsole.simulation.demand import level
from brconsole.simulation.model import Project
from brconsole.simulation.noise import poisson, stream, uniforms

MODEL = "gemini-2.5-flash"
_INVOCATIONS_PER_MIN = {"dev": 3.0, "staging": 22.0, "prod": 310.0}


class VertexMinute(NamedTuple):
    """Calls to the model in a minute, and their tokens."""

    accepted: int
    throttled: int
    """Answered with 429."""
    input_tokens: int
    output_tokens: int


class Platform:
    """The managed services of one project."""

    def __init__(self, seed: int, project: Project) -> None:
        self._project = project
        self._redis = stream(seed, "redis", project.id)
        self._vertex = stream(seed, "vertex", project.id)

    def redis_memory(self, at: float) -> tuple[float, float]:
        """usage_ratio and system_memory_usage_ratio at a moment; the second is what evicts keys, and is the higher
        one.
        """
        phase = uniforms(self._redis, 0, 2)
        hour = math.floor(at / 3600)
        share = at / 3600 - hour
        low = uniforms(self._redis, hour, 1)[0]
        high = uniforms(self._redis, hour + 1, 1)[0]
        weather = low + (high - low) * share
        busy = level(self._project.environment, at)
        usage = 0.535 + 0.03 * phase[0] + 0.05 * busy + 0.02 * weather
        return round(usage, 5), round(usage + 0.045 + 0.01 * phase[1], 5)

    def vertex(self, minute: int) -> VertexMinute:
        """The calls of a minute, counted from the epoch."""
        busy = level(self._project.environment, minute * 60.0)
        u = uniforms(self._vertex, minute, 4)
        calls = poisson(_INVOCATIONS_PER_MIN[self._project.environment] * busy, u[0])
        throttled = min(calls, poisson(calls * 0.012 * busy, u[1]))
        accepted = calls - throttled
        return VertexMinute(
            accepted, throttled, round(accepted * (2300 + 500 * u[2])), round(accepted * (310 + 90 * u[3]))
        )
