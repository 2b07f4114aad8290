"""The service level objectives, counted from the same requests that the metrics show."""

from __future__ import annotations

import math

from brconsole.simulation.demand import HOUR
from brconsole.simulation.histogram import BOUNDS
from brconsole.simulation.model import Project, Slo
from brconsole.simulation.requests import RequestSource

_LATENCY_MS = {"api": 500.0, "frontend": 300.0}


def objectives(project: Project) -> tuple[Slo, ...]:
    """Availability 99.9 % and a latency goal for 99 % of the requests, over 30 days, in staging and prod."""
    if project.environment == "dev":
        return ()
    found = []
    for service, threshold in _LATENCY_MS.items():
        found += [
            Slo(
                project.id,
                service,
                f"{service}-availability",
                f"{service} availability 99.9 %",
                0.999,
                30,
                "availability",
            ),
            Slo(
                project.id,
                service,
                f"{service}-latency",
                f"{service} latency 99 % under {threshold:.0f} ms",
                0.99,
                30,
                "latency",
                threshold,
            ),
        ]
    return tuple(found)


def counts(
    slo: Slo, source: RequestSource, start: float, end: float, step_s: int
) -> tuple[tuple[float, int, int], ...]:
    """(interval end, good, bad) for the ends in (start, end] that are multiples of the step."""
    first = (math.floor(start / step_s) + 1) * step_s
    read = _hour if step_s == HOUR else _minute
    ends = range(first, math.floor(end) + 1, step_s)
    return tuple((float(moment), *read(slo, source, moment // step_s - 1)) for moment in ends)


def _hour(slo: Slo, source: RequestSource, hour: int) -> tuple[int, int]:
    block = source.block(hour, detailed=False)
    if slo.threshold_ms is not None:
        good, total = block.within(BOUNDS.index(slo.threshold_ms))
        return good, total - good
    totals = block.totals()
    bad = sum(count for (_, code), count in totals.items() if code >= 500)
    return sum(totals.values()) - bad, bad


def _minute(slo: Slo, source: RequestSource, minute: int) -> tuple[int, int]:
    block = source.block(minute // 60, detailed=False)
    if slo.threshold_ms is not None:
        good, total = block.within_by_minute(BOUNDS.index(slo.threshold_ms))[minute % 60]
        return good, total - good
    bad, total = block.failed_by_minute()[minute % 60]
    return total - bad, bad
