"""How many requests a second arrive: a daily and a weekly curve with some weather."""

from __future__ import annotations

import math

from brconsole.simulation.model import Project
from brconsole.simulation.noise import normal, stream

HOUR = 3600
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


def _curve(floor: float, weekend: float, sharpness: float) -> tuple[float, ...]:
    """168 factors, Monday 00:00 first; 1 at 14:00 UTC on a weekday."""
    factors = []
    for hour in range(168):
        swing = 0.5 + 0.5 * math.cos(2 * math.pi * (hour % 24 - 14) / 24)
        factors.append((floor + (1 - floor) * swing**sharpness) * (weekend if hour >= 120 else 1.0))
    return tuple(factors)


_CURVES = {"prod": _curve(0.30, 0.60, 1.2), "staging": _curve(0.12, 0.35, 1.8), "dev": _curve(0.06, 0.25, 2.2)}


def level(environment: str, at: float) -> float:
    """The share of the weekday peak that is due at a moment, by the curve alone."""
    hours = at / HOUR
    index = math.floor(hours)
    curve = _CURVES[environment]
    low = curve[(index + 24 * _EPOCH_WEEKDAY) % 168]
    high = curve[(index + 1 + 24 * _EPOCH_WEEKDAY) % 168]
    return low + (high - low) * (hours - index)


class Demand:
    """The request rate of one service; linear between the full hours."""

    def __init__(self, seed: int, project: Project, service: str, peak_per_s: float) -> None:
        self._environment = project.environment
        self._key = stream(seed, "demand", project.id, service)
        self._peak = peak_per_s

    def at_hour(self, hour: int) -> float:
        """Requests a second at the start of an hour (counted from the epoch)."""
        weather = 1.0 + 0.025 * normal(self._key, hour)
        return self._peak * _CURVES[self._environment][(hour + 24 * _EPOCH_WEEKDAY) % 168] * max(0.5, weather)

    def at(self, moment: float) -> float:
        """Requests a second at a moment."""
        hour = math.floor(moment / HOUR)
        share = moment / HOUR - hour
        return self.at_hour(hour) * (1 - share) + self.at_hour(hour + 1) * share
