"""ARQ queues: depth, age, arrivals and when a backlog is drained."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from brconsole.domain.series import Series

DEFAULT_ALERT_DEPTH = 10_000
WARN_SHARE = 0.5
"""A queue at half of its alert depth is worth a look."""


class QueueStatus(StrEnum):
    """How a queue stands against its limit."""

    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class QueueReport:
    """A queue now. Rates are per second over the last five closed minutes; None is unknown."""

    name: str
    depth: float | None
    oldest_age_s: float | None
    arrivals_per_s: float | None
    completions_per_s: float | None
    drain_eta_s: float | None
    """Seconds until empty at the present rates; None where it grows or is unknown, 0 where it is empty."""
    alert_depth: int
    status: QueueStatus
    depth_history: Series | None = None


def report(
    name: str,
    depth: Series | None,
    oldest_age_s: float | None,
    completions: Series | None,
    alert_depth: int = DEFAULT_ALERT_DEPTH,
    window_s: int = 300,
) -> QueueReport:
    """Judge a queue from the series of its depth and of jobs finished per interval.

    ARQ counts what leaves, not what arrives: arrivals = completions + growth of the backlog.
    """
    now_depth = depth.newest() if depth else None
    finished = completions.total(window_s) if completions else None
    completions_per_s = None if finished is None else finished / window_s
    growth_per_s = _growth_per_s(depth, window_s)
    arrivals_per_s = (
        None if completions_per_s is None or growth_per_s is None else max(0.0, completions_per_s + growth_per_s)
    )
    return QueueReport(
        name,
        now_depth,
        oldest_age_s,
        arrivals_per_s,
        completions_per_s,
        _drain_eta_s(now_depth, growth_per_s),
        alert_depth,
        _status(now_depth, alert_depth),
        depth,
    )


def _growth_per_s(depth: Series | None, window_s: int) -> float | None:
    if depth is None:
        return None
    steps = window_s // depth.period_s
    if len(depth.values) <= steps:
        return None
    newest, before = depth.values[-1], depth.values[-1 - steps]
    return None if newest is None or before is None else (newest - before) / window_s


def _drain_eta_s(depth: float | None, growth_per_s: float | None) -> float | None:
    if depth is None:
        return None
    if depth == 0:
        return 0.0
    if growth_per_s is None or growth_per_s >= 0:
        return None
    return depth / -growth_per_s


def _status(depth: float | None, alert_depth: int) -> QueueStatus:
    if depth is None:
        return QueueStatus.UNKNOWN
    if depth > alert_depth:
        return QueueStatus.CRITICAL
    return QueueStatus.WARN if depth > alert_depth * WARN_SHARE else QueueStatus.OK
