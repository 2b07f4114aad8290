"""What the `select_slo_*` selectors say, from the true counts of good and bad events. Pure arithmetic.

Budgets are over the objective's rolling period that ends at each point; `burn = error ratio / (1 - goal)`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from brconsole.simulation.model import RawSeries, Slo

RESOLUTION_S = 60
"""SLO series have a point a minute."""

Counts = Iterable[tuple[float, int, int]]
"""(interval end, good, bad), oldest first."""


class InvalidSelectorError(ValueError):
    """A selector that Cloud Monitoring refuses."""


@dataclass(frozen=True, slots=True)
class SloSelector:
    """A selector understood: its name, the objective's resource name and, of a burn rate, the lookback."""

    name: str
    objective: str
    lookback_s: float = 0.0


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BURN_RATE = "select_slo_burn_rate"
_COUNTS = "select_slo_counts"


def parse_selector(name: str, arguments: tuple[str, ...]) -> SloSelector:
    """A selector from its name and arguments; raises InvalidSelectorError."""
    if name not in SELECTORS:
        raise InvalidSelectorError(f"{name} is not a time-series selector; there are {', '.join(sorted(SELECTORS))}.")
    expected = 2 if name == _BURN_RATE else 1
    if len(arguments) != expected:
        raise InvalidSelectorError(f"{name} takes {expected} argument(s), found {len(arguments)}.")
    if expected == 1:
        return SloSelector(name, arguments[0])
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", arguments[1])
    lookback_s = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if lookback_s < RESOLUTION_S:
        raise InvalidSelectorError(
            f'The lookback period "{arguments[1]}" is not valid: it must be a number with a unit '
            f"(ns, us, ms, s, m, h), at least {RESOLUTION_S} seconds."
        )
    return SloSelector(name, arguments[0], lookback_s)


class CountIndex:
    """Cumulative good and bad events, so that any window is two look-ups.

    Exact at the ends of the intervals given; between them events are taken to have come evenly.
    """

    def __init__(self, start: float, counts: Counts) -> None:
        self._times = [start]
        self._good = [0.0]
        self._bad = [0.0]
        for end, good, bad in counts:
            self._times.append(end)
            self._good.append(self._good[-1] + good)
            self._bad.append(self._bad[-1] + bad)

    def between(self, start: float, end: float) -> tuple[float, float]:
        """Good and bad events in (start, end]."""
        good_start, bad_start = self._until(start)
        good_end, bad_end = self._until(end)
        return good_end - good_start, bad_end - bad_start

    def _until(self, at: float) -> tuple[float, float]:
        index = bisect_right(self._times, at) - 1
        if index < 0:
            return 0.0, 0.0
        if index + 1 == len(self._times):
            return self._good[-1], self._bad[-1]
        share = (at - self._times[index]) / (self._times[index + 1] - self._times[index])
        return (
            self._good[index] + share * (self._good[index + 1] - self._good[index]),
            self._bad[index] + share * (self._bad[index + 1] - self._bad[index]),
        )


@dataclass(frozen=True, slots=True)
class _Budget:
    """An objective's account over its rolling period at one moment."""

    good: float
    bad: float
    goal: float

    @property
    def total(self) -> float:
        """How many bad events the period allows."""
        return (1 - self.goal) * (self.good + self.bad)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _health(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    good, bad = index.between(at - RESOLUTION_S, at)
    return _ratio(good, good + bad)


def _period(index: CountIndex, slo: Slo, at: float) -> _Budget:
    return _Budget(*index.between(at - slo.period_days * 86_400, at), slo.goal)


def _compliance(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    period = _period(index, slo, at)
    return _ratio(period.good, period.good + period.bad)


def _budget(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    period = _period(index, slo, at)
    return period.total - period.bad


def _budget_fraction(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    period = _period(index, slo, at)
    return _ratio(period.total - period.bad, period.total)


def _budget_total(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    return _period(index, slo, at).total


def _burn_rate(index: CountIndex, slo: Slo, selector: SloSelector, at: float) -> float | None:
    good, bad = index.between(at - selector.lookback_s, at)
    errors = _ratio(bad, good + bad)
    return None if errors is None else errors / (1 - slo.goal)


_GAUGES: Mapping[str, Callable[[CountIndex, Slo, SloSelector, float], float | None]] = {
    "select_slo_health": _health,
    "select_slo_compliance": _compliance,
    "select_slo_budget": _budget,
    "select_slo_budget_fraction": _budget_fraction,
    "select_slo_budget_total": _budget_total,
    _BURN_RATE: _burn_rate,
}
SELECTORS = frozenset({*_GAUGES, _COUNTS})
"""The selectors there are."""


def reach_s(selector: SloSelector, slo: Slo) -> float:
    """How far before a point the events lie that it speaks of, in seconds."""
    if selector.name == _BURN_RATE:
        return selector.lookback_s
    if selector.name in {_COUNTS, "select_slo_health"}:
        return RESOLUTION_S
    return slo.period_days * 86_400.0


def select(
    selector: SloSelector, slo: Slo, index: CountIndex, resource_labels: Mapping[str, str], start: float, end: float
) -> list[RawSeries]:
    """The series of a selector with points in (start, end], one a minute; a moment without events has no ratio."""
    moments = [
        float(minute * RESOLUTION_S)
        for minute in range(math.floor(start / RESOLUTION_S) + 1, math.floor(end / RESOLUTION_S) + 1)
    ]
    metric = f'{selector.name}("{selector.objective}")'
    resource = ("cloud_run_revision", resource_labels)
    if selector.name == _COUNTS:
        events = [(at, *index.between(at - RESOLUTION_S, at)) for at in moments]
        good = tuple((at - RESOLUTION_S, at, good) for at, good, _ in events)
        bad = tuple((at - RESOLUTION_S, at, bad) for at, _, bad in events)
        return [
            RawSeries(metric, {"event_type": "bad"}, *resource, "DELTA", "DOUBLE", bad),
            RawSeries(metric, {"event_type": "good"}, *resource, "DELTA", "DOUBLE", good),
        ]
    value_at = _GAUGES[selector.name]
    values = ((at, value_at(index, slo, selector, at)) for at in moments)
    points = tuple((at, at, value) for at, value in values if value is not None)
    return [RawSeries(metric, {}, *resource, "GAUGE", "DOUBLE", points)]
