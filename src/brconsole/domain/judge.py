"""Is the canary worse than stable? Tests that may be looked at every minute without losing their error rate.

Two e-processes watch a step: one relative (canary against stable, minute by minute, so that an incident which both arms
share cancels out) and one absolute (canary against a fixed ratio). Under "the canary is not worse" each is a
non-negative supermartingale that starts at 1, so by Ville's inequality it ever reaches 1/α with probability at most α,
whenever and however often somebody looks. Promotion needs more than the absence of a conviction: an upper confidence
bound of the canary's ratio below the limit. Method and figures: docs/gate.md.

Lindon & Malek, Anytime-Valid Inference for Multinomial Count Data, arXiv 2011.03567; Clopper & Pearson 1934.
Everything is computed from the closed minutes of a step, nothing is stored: every console finds the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from brconsole.domain.fleet import RequestSeries
from brconsole.domain.series import Series


class Verdict(StrEnum):
    """What a gate says. Hold is also the word for "not known" and "not enough evidence"."""

    PASS = "pass"  # nosec B105 - a verdict, no password
    HOLD = "hold"
    FAIL = "fail"


METRIC_LAG_S = 180
"""Cloud Monitoring may still change a younger minute (points arrive up to 3 min late)."""
GRID = 24
"""Alternatives that each test averages over."""
LARGEST_RATIO = 64.0
"""The relative test looks for canaries up to this many times worse than stable."""
CERTAIN = 0.999
"""The worst ratio that the absolute test looks for."""
ALPHA = 0.005
"""Error of each of the two tests; both thresholds are 1/ALPHA = 200."""
CONVICTED = 1 / ALPHA
PROMOTE_BELOW = 20.0
"""With a relative e-value from here on nothing is promoted, although nothing is proved."""
BOUND_ERROR = 0.05
"""Error of the upper bound over all looks; look k spends BOUND_ERROR / 2**(k + 1)."""


class Minute(NamedTuple):
    """Requests and errors (or other bad events) of both arms in one closed minute."""

    canary_requests: int
    canary_errors: int
    stable_requests: int
    stable_errors: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What is compared with what; ratios are 0…1."""

    tolerance: float = 1.0
    """The canary's ratio may be this many times stable's (r); 1.5 to 2 is tolerant."""
    ratio: float = 0.02
    """p0: a canary above this ratio is bad whatever stable does."""
    bound: float | None = 0.02
    """p_max: what the upper bound must reach for a promotion; None asks for no bound (latency)."""
    distinct_minutes: int = 1
    """A conviction needs bad events of the canary in so many different minutes."""
    warm_up_minutes: int = 0
    """The first minutes of a step that do not count: a new revision's cold starts are slow by nature."""
    word: str = "5xx"
    """What the bad events are called in sentences."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Both tests and the bound over a step's closed minutes."""

    verdict: Verdict
    evidence: str
    relative: tuple[float, ...]
    """E_rel after each minute, for the chart."""
    absolute: tuple[float, ...]
    """E_abs of the canary after each minute."""
    requests: int
    errors: int
    upper_bound: float | None
    """One-sided upper bound of the canary's ratio, None without requests or where none is asked for."""
    bound_error: float
    """The error that this look spends on the bound."""
    missing: int
    """Canary requests still needed for the bound, if none of them fails."""
    convicted: bool
    """Whether a test has reached its threshold at some minute of the step."""
    shared: bool
    """Whether stable fails the absolute test too: rolling back may not fix it."""
    page: bool
    """Whether a person must look now."""

    @property
    def needs_evidence(self) -> bool:
        """Whether nothing but the missing samples stands against a promotion."""
        return self.verdict is Verdict.HOLD and not self.page and self.missing > 0


class RelativeTest:
    """E_rel minute by minute. H0: the canary's ratio is at most `tolerance` times stable's.

    A minute without requests in one arm, or without an error in both, changes nothing. A minute's factor at alternative
    L is [ρ(L)/ρ(r)]^x_c · [(1-ρ(L))/(1-ρ(r))]^x_s with ρ(L) = L·n_c / (L·n_c + n_s), written here without the ρ.
    """

    __slots__ = ("_log_likelihood", "_log_step", "_ratios", "_tolerance")

    def __init__(self, tolerance: float = 1.0) -> None:
        self._tolerance = tolerance
        self._log_step = [index / GRID * math.log(LARGEST_RATIO) for index in range(1, GRID + 1)]
        self._ratios = [tolerance * math.exp(step) for step in self._log_step]
        self._log_likelihood = [0.0] * GRID

    def observe(self, minute: Minute) -> float:
        """Add a minute; returns log E."""
        canary, canary_errors, stable, stable_errors = minute
        errors = canary_errors + stable_errors
        if canary > 0 and stable > 0 and errors > 0:
            null = math.log(self._tolerance * canary + stable)
            self._log_likelihood = [
                total + canary_errors * step + errors * (null - math.log(ratio * canary + stable))
                for total, step, ratio in zip(self._log_likelihood, self._log_step, self._ratios, strict=True)
            ]
        return self.log_e

    @property
    def log_e(self) -> float:
        """log of the e-value so far."""
        return log_mean_exp(self._log_likelihood)


class AbsoluteTest:
    """E_abs of one arm minute by minute. H0: the arm's ratio is at most `ratio`. It depends on the totals only."""

    __slots__ = ("_bad", "_good", "_weights")

    def __init__(self, ratio: float) -> None:
        alternatives = [ratio + (CERTAIN - ratio) * (index / GRID) ** 2 for index in range(1, GRID + 1)]
        self._weights = [(math.log(p / ratio), math.log((1 - p) / (1 - ratio))) for p in alternatives]
        self._bad = 0
        self._good = 0

    def observe(self, requests: int, errors: int) -> float:
        """Add an arm's minute; returns log E."""
        self._bad += errors
        self._good += requests - errors
        return self.log_e

    @property
    def log_e(self) -> float:
        """log of the e-value so far."""
        return log_mean_exp([self._bad * bad + self._good * good for bad, good in self._weights])


def log_mean_exp(values: Sequence[float]) -> float:
    """log of the mean of exp(values), without overflow."""
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values) / len(values))


def closed_minutes(
    canary: RequestSeries | None,
    stable: RequestSeries | None,
    since: datetime,
    read_until: datetime,
    now: datetime,
) -> tuple[Minute, ...]:
    """The minutes that a judgement may use: begun after `since`, ended METRIC_LAG_S before `now`, covered by the read.

    Cloud Run writes no point for a minute without requests, so within what was read a gap is zero. The series' period
    is one minute. Where a late point makes errors exceed requests, the requests are at least the errors.
    """
    end = _floor_minute(min(read_until, now - timedelta(seconds=METRIC_LAG_S)))
    start = _floor_minute(since + timedelta(seconds=59, microseconds=999_999))
    count = max(0, round((end - start).total_seconds() / 60))
    columns = [
        _counts(series, end, count)
        for arm in (canary, stable)
        for series in ((None, None) if arm is None else (arm.requests, arm.errors))
    ]
    return tuple(
        Minute(max(canary_all, canary_bad), canary_bad, max(stable_all, stable_bad), stable_bad)
        for canary_all, canary_bad, stable_all, stable_bad in zip(*columns, strict=True)
    )


def judge(
    minutes: Iterable[Minute], limits: Limits | None = None, look: int = 0, session_affinity: bool = False
) -> Judgement:
    """Judge a step from its closed minutes, oldest first.

    `look` counts the extensions of the dwell: each promotion look spends its own share of the bound's error. A test
    that ever reached its threshold stays convicted, so a console that was away finds what the others saw. With session
    affinity one client's retries are no independent requests: a conviction then holds and pages instead of failing.
    """
    rules = limits or Limits()
    relative, canary, stable = RelativeTest(rules.tolerance), AbsoluteTest(rules.ratio), AbsoluteTest(rules.ratio)
    relative_path: list[float] = []
    absolute_path: list[float] = []
    requests = errors = minutes_with_errors = 0
    convicted = shared = False
    threshold = math.log(CONVICTED)
    for index, minute in enumerate(minutes):
        if index < rules.warm_up_minutes:
            relative_path.append(1.0)
            absolute_path.append(1.0)
            continue
        requests += minute.canary_requests
        errors += minute.canary_errors
        minutes_with_errors += minute.canary_errors > 0
        log_relative = relative.observe(minute)
        log_absolute = canary.observe(minute.canary_requests, minute.canary_errors)
        shared |= stable.observe(minute.stable_requests, minute.stable_errors) >= threshold
        convicted |= max(log_relative, log_absolute) >= threshold and minutes_with_errors >= rules.distinct_minutes
        relative_path.append(_exp(log_relative))
        absolute_path.append(_exp(log_absolute))
    error = look_error(look)
    bound = None if rules.bound is None or not requests else upper_bound(requests, errors, error)
    missing = 0 if rules.bound is None else max(0, required_requests(errors, rules.bound, error) - requests)
    verdict, why = _decide(rules, requests, bound, relative_path, convicted, shared, session_affinity)
    peak = max((*relative_path, *absolute_path), default=1.0)
    return Judgement(
        verdict,
        _sentence(rules, peak, requests, errors, bound, missing, why),
        tuple(relative_path),
        tuple(absolute_path),
        requests,
        errors,
        bound,
        error,
        missing,
        convicted,
        shared,
        convicted or shared,
    )


def look_error(look: int) -> float:
    """The error that promotion look `look` (0 at the end of the dwell, then one an extension) spends on its bound."""
    return BOUND_ERROR / 2.0 ** (look + 1)


def upper_bound(requests: int, errors: int, error: float) -> float:
    """One-sided Clopper-Pearson upper bound: the ratio at which so few errors have probability `error`."""
    if errors >= requests:
        return 1.0
    low, high = errors / requests, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(errors, requests, middle) > error:
            low = middle
        else:
            high = middle
    return high


def required_requests(errors: int, bound: float, error: float) -> int:
    """The fewest requests with which `errors` errors keep the upper bound at or below `bound`."""
    low, high = errors, max(2 * errors, 64)
    while at_most(errors, high, bound) > error:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(errors, middle, bound) > error:
            low = middle
        else:
            high = middle
    return high


def at_most(errors: int, requests: int, ratio: float) -> float:
    """P(X ≤ errors) for X binomial (requests, ratio), through the incomplete beta function."""
    if errors >= requests:
        return 1.0
    return incomplete_beta(requests - errors, errors + 1, 1.0 - ratio)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly, and the mirrored one fast
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Modified Lentz; converges within a few times the square root of max(a, b)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d, tiny)
            c = _away_from_zero(1.0 + term / c, tiny)
            change = c * d
            value *= change
        if abs(change - 1.0) < 1e-14:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def _decide(
    rules: Limits,
    requests: int,
    bound: float | None,
    relative: Sequence[float],
    convicted: bool,
    shared: bool,
    session_affinity: bool,
) -> tuple[Verdict, str]:
    """The verdict, and what must be said beside the numbers."""
    if convicted:
        also = "stable fails too (SHARED): rolling back may not fix this" if shared else ""
        if session_affinity:
            alone = "session affinity: one client's retries may be all of it, so a person decides"
            return Verdict.HOLD, " · ".join(filter(None, (alone, also)))
        return Verdict.FAIL, also
    if shared:
        return Verdict.HOLD, f"stable is above {percent(rules.ratio)} by itself (SHARED)"
    if not requests:
        return Verdict.HOLD, "no canary request in a closed minute yet"
    if relative and relative[-1] >= PROMOTE_BELOW:
        return Verdict.HOLD, f"the canary looks worse than stable (from {PROMOTE_BELOW:g} on nothing is promoted)"
    if rules.bound is not None and (bound is None or bound > rules.bound):
        return Verdict.HOLD, ""
    return Verdict.PASS, ""


def _sentence(
    rules: Limits, peak: float, requests: int, errors: int, bound: float | None, missing: int, why: str
) -> str:
    parts = [f"e-value {e_value(peak)}, rolls back at {CONVICTED:g}"]
    if bound is not None and rules.bound is not None:
        parts.append(f"upper bound {percent(bound)} {'≤' if bound <= rules.bound else '>'} {percent(rules.bound)}")
    parts.append(f"n = {requests:,}, {errors:,} {rules.word}")
    if missing:
        parts.append(f"{missing:,} more requests without {rules.word} needed")
    if why:
        parts.append(why)
    return " · ".join(parts)


def percent(ratio: float) -> str:
    """A ratio as percent with the digits that matter."""
    return f"{100 * ratio:.2f}".rstrip("0").rstrip(".") + " %"


def e_value(value: float) -> str:
    """An e-value as a person reads it."""
    if value >= 10_000:
        return "over 10,000"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _counts(series: Series | None, end: datetime, count: int) -> list[int]:
    if series is None:
        return [0] * count
    last = len(series.values) - 1 - round((series.end - end).total_seconds() / series.period_s)
    return [
        round(series.values[index] or 0) if 0 <= index < len(series.values) else 0
        for index in range(last - count + 1, last + 1)
    ]


def _floor_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
