"""Service level objectives: burn rates, budget left and when it runs out.

`burn = error ratio / (1 - goal)`; the budget spent in a window w is `burn * w / period` (SRE Workbook, chapter 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

BurnWindow = Literal["5m", "30m", "1h", "6h", "3d"]
BURN_WINDOWS: Mapping[BurnWindow, int] = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600, "3d": 259_200}
"""The windows of SRE Workbook table 5-8, in seconds."""

FAST_BURN: tuple[tuple[BurnWindow, BurnWindow, float], ...] = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
"""Paging pairs: long window, short window, burn rate that both must reach."""
SLOW_BURN: tuple[tuple[BurnWindow, BurnWindow, float], ...] = (("3d", "6h", 1.0),)
"""Ticket pairs."""
ENOUGH_BAD_EVENTS = 5
"""Below this many bad events in the long window a burn rate is not evidence: one failure in 100 requests an hour is 10x
at 99.9 %.
"""


class SloStatus(StrEnum):
    """How an objective stands."""

    OK = "ok"
    SLOW_BURN = "slow_burn"
    FAST_BURN = "fast_burn"
    EXHAUSTED = "exhausted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Objective:
    """An SLO as defined in Service Monitoring."""

    service: str
    """The Cloud Run service it speaks of."""
    name: str
    """Its short id, such as `availability`."""
    resource: str
    """Its full resource name, for the SLO selectors."""
    goal: float
    period_days: int
    kind: Literal["availability", "latency", "other"] = "availability"
    display_name: str = ""
    threshold_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """Good and bad events in a window; None where the window could not be read."""

    good: float
    bad: float

    @property
    def error_ratio(self) -> float | None:
        """Bad over all, None without events."""
        total = self.good + self.bad
        return self.bad / total if total else None


@dataclass(frozen=True, slots=True)
class SloReport:
    """An objective with its burn by window (None where unknown), the share of budget left and when it is spent at the
    present burn.
    """

    objective: Objective
    budget_remaining_ratio: float | None
    burn: Mapping[BurnWindow, float | None]
    status: SloStatus
    exhausts_at: datetime | None


def burn_rate(events: Events | None, goal: float) -> float | None:
    """How many times faster than allowed the budget is spent.

    None where the window is unknown or the goal allows nothing (Google refuses more than 0.9999); 0 for a known window
    without events.
    """
    if events is None or goal >= 1:
        return None
    ratio = events.error_ratio
    return 0.0 if ratio is None else ratio / (1 - goal)


def report(
    objective: Objective,
    budget_remaining_ratio: float | None,
    events: Mapping[BurnWindow, Events | None],
    now: datetime | None,
) -> SloReport:
    """Judge an objective from its events by window and the share of its budget that is left.

    Exhaustion is projected from the 1 h burn and only within the objective's period: beyond it the budget renews.
    """
    burn: dict[BurnWindow, float | None] = {
        window: burn_rate(events.get(window), objective.goal) for window in BURN_WINDOWS
    }
    return SloReport(
        objective,
        budget_remaining_ratio,
        burn,
        _status(budget_remaining_ratio, burn, events),
        _exhausts_at(objective, budget_remaining_ratio, burn["1h"], now),
    )


def _status(
    remaining: float | None, burn: Mapping[BurnWindow, float | None], events: Mapping[BurnWindow, Events | None]
) -> SloStatus:
    """The worst that is proved; `ok` only where nothing unknown could say otherwise."""

    def fires(pairs: tuple[tuple[BurnWindow, BurnWindow, float], ...]) -> bool | None:
        verdicts = [_pair_fires(events.get(long), burn[long], burn[short], limit) for long, short, limit in pairs]
        if True in verdicts:
            return True
        return None if None in verdicts else False

    fast, slow = fires(FAST_BURN), fires(SLOW_BURN)
    if remaining is not None and remaining <= 0:
        return SloStatus.EXHAUSTED
    if fast:
        return SloStatus.FAST_BURN
    if slow:
        return SloStatus.SLOW_BURN
    return SloStatus.UNKNOWN if remaining is None or fast is None or slow is None else SloStatus.OK


def _pair_fires(seen: Events | None, long_burn: float | None, short_burn: float | None, limit: float) -> bool | None:
    """Whether both windows burn at the limit; None where what is unknown decides. One window below the limit settles
    it.
    """
    if seen is not None and seen.bad < ENOUGH_BAD_EVENTS:
        return False
    if any(known is not None and known < limit for known in (long_burn, short_burn)):
        return False
    return None if long_burn is None or short_burn is None else True


def _exhausts_at(
    objective: Objective, remaining: float | None, burn_1h: float | None, now: datetime | None
) -> datetime | None:
    if remaining is None or now is None:
        return None
    if remaining <= 0:
        return now
    if burn_1h is None or burn_1h < remaining:  # at this pace the budget outlives its period
        return None
    return now + timedelta(days=objective.period_days) * (remaining / burn_1h)
