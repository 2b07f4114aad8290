"""ARQ queues: depth, age, arrivals and when a backlog is drained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from brconsole.domain.series import Series

DEFAULT_ALERT_DEPTH = 10_000
WARN_SHARE = 0.5
"""A queue at half of its alert depth is worth a look."""
PRESENT_S = 300
"""A gauge whose newest point is as old as this does not tell the present: its exporter is silent."""
KEEPS_UP_S = 60.0
"""Less than a minute's work is no backlog: how such a queue wavers says nothing of when it will be empty."""


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
    """Seconds until empty at the present rates, 0 where it is; None where that is unknown, where it does not shrink,
    and where it is no backlog (see `KEEPS_UP_S`).
    """
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
    at: datetime | None = None,
) -> QueueReport:
    """Judge a queue from the series of its depth and of jobs finished per interval.

    ARQ counts what leaves, not what arrives: arrivals = completions + growth of the backlog. A depth that is no longer
    reported at `at` (default: the end of its series) is unknown, not the last one seen.
    """
    now_depth = depth.recent(PRESENT_S, at) if depth else None
    completions_per_s = _completions_per_s(completions, window_s, at)
    growth_per_s = _growth_per_s(depth, window_s) if depth and now_depth is not None else None
    arrivals_per_s = (
        None if completions_per_s is None or growth_per_s is None else max(0.0, completions_per_s + growth_per_s)
    )
    return QueueReport(
        name,
        now_depth,
        oldest_age_s,
        arrivals_per_s,
        completions_per_s,
        _drain_eta_s(now_depth, growth_per_s, completions_per_s),
        alert_depth,
        _status(now_depth, alert_depth),
        depth,
    )


def _completions_per_s(completions: Series | None, window_s: int, at: datetime | None) -> float | None:
    """The mean over the known intervals of the window that ends with the newest: a gap is unknown, not idle."""
    if completions is None or completions.recent(PRESENT_S, at) is None:
        return None
    newest_end = completions.newest_end()
    known = completions.known_until(newest_end, window_s) if newest_end else ()
    return sum(known) / (len(known) * completions.period_s) if known else None


def _growth_per_s(depth: Series, window_s: int) -> float | None:
    """From the newest point and the one a window before it; where that is missing, from the next, if half the window is
    left.
    """
    newest_end = depth.newest_end()
    if newest_end is None:
        return None
    after = round((depth.end - newest_end).total_seconds() / depth.period_s)
    newest = len(depth.values) - 1 - after
    steps = window_s // depth.period_s
    for before in range(max(0, newest - steps), newest):
        old, new = depth.values[before], depth.values[newest]
        if old is None or new is None:
            continue
        span = newest - before
        return (new - old) / (span * depth.period_s) if span * 2 >= steps else None
    return None


def _drain_eta_s(depth: float | None, growth_per_s: float | None, completions_per_s: float | None) -> float | None:
    if depth is None:
        return None
    if depth == 0:
        return 0.0
    if growth_per_s is None or growth_per_s >= 0:
        return None
    if completions_per_s is not None and depth <= completions_per_s * KEEPS_UP_S:
        return None
    return depth / -growth_per_s


def _status(depth: float | None, alert_depth: int) -> QueueStatus:
    if depth is None:
        return QueueStatus.UNKNOWN
    if depth > alert_depth:
        return QueueStatus.CRITICAL
    return QueueStatus.WARN if depth > alert_depth * WARN_SHARE else QueueStatus.OK
