"""How often a healthy canary is rolled back, and how soon a broken one is (release-engine reference §6.5).

4,000 simulated releases a row, 45 looks of a minute each. The requests of a minute are Poisson, split to the canary by
its share, each failing by itself: so good and bad requests of both arms are four independent Poisson counts. The
verdict is `judge.judge`'s conviction, found minute by minute with the same two tests (a test proves the two equal). For
comparison the rule that most systems have: more than 2 % errors of the canary in the trailing five minutes.
"""

from __future__ import annotations

import math
import random
import statistics
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from bench.report import Result
from brconsole.domain.judge import CONVICTED, AbsoluteTest, Limits, Minute, RelativeTest

RUNS = 4000
LOOKS = 45
SEED = 7
NAIVE_RATIO = 0.02
NAIVE_MINUTES = 5
MOST_FALSE = 0.01
SLOWEST_MEDIAN_LOOKS = 4.0

Draw = Callable[[], int]


@dataclass(frozen=True)
class Scenario:
    """A service at a request rate, the canary's share and both arms' error ratios (0…1)."""

    name: str
    requests_per_s: float
    share: float
    stable_ratio: float
    canary_ratio: float
    looks: int = LOOKS
    most_convicted: float | None = None
    slowest_median: float | None = None


SCENARIOS = (
    Scenario("healthy, 1 rps, 5 % share, 0.5 % errors", 1, 0.05, 0.005, 0.005, most_convicted=MOST_FALSE),
    Scenario("healthy, 10 rps, 5 % share, 0.5 % errors", 10, 0.05, 0.005, 0.005, most_convicted=MOST_FALSE),
    Scenario("healthy, 50 rps, 5 % share, 0.5 % errors", 50, 0.05, 0.005, 0.005),
    Scenario("healthy, 10 rps, 5 % share, 1.5 % errors", 10, 0.05, 0.015, 0.015),
    Scenario("broken 0.2 → 5 %, 1 rps, 5 % share", 1, 0.05, 0.002, 0.05),
    Scenario("broken 0.2 → 5 %, 10 rps, 5 % share", 10, 0.05, 0.002, 0.05, slowest_median=SLOWEST_MEDIAN_LOOKS),
    Scenario("broken 0.2 → 5 %, 50 rps, 5 % share", 50, 0.05, 0.002, 0.05),
    Scenario("broken 0.2 → 50 %, 1 rps, 5 % share", 1, 0.05, 0.002, 0.5),
    Scenario("5× worse, 0.2 → 1 %, 10 rps, 10 % share", 10, 0.1, 0.002, 0.01),
    Scenario("2× worse, 0.2 → 0.4 %, 50 rps, 50 % share, 15 looks", 50, 0.5, 0.002, 0.004, looks=15),
)


@dataclass(frozen=True)
class Outcome:
    """Of all runs: the share that was convicted, the median look (infinite where most never are), and the share that
    the trailing ratio rolls back.
    """

    convicted: float
    median_look: float
    naive: float


def poisson(mean: float, source: random.Random) -> Draw:
    """Draws from a Poisson distribution by inversion of its table, cut where less than 1e-15 is left."""
    cut = round(mean + 12 * math.sqrt(mean) + 20)
    table = list(accumulate(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(cut)))
    uniform = source.random
    return lambda: bisect_right(table, uniform())


def minutes(scenario: Scenario, source: random.Random) -> Iterator[Minute]:
    """Minute after minute of one release."""
    each = 60 * scenario.requests_per_s
    canary, stable = each * scenario.share, each * (1 - scenario.share)
    good, bad = poisson(canary * (1 - scenario.canary_ratio), source), poisson(canary * scenario.canary_ratio, source)
    stable_good = poisson(stable * (1 - scenario.stable_ratio), source)
    stable_bad = poisson(stable * scenario.stable_ratio, source)
    while True:
        errors, stable_errors = bad(), stable_bad()
        yield Minute(good() + errors, errors, stable_good() + stable_errors, stable_errors)


def look_of_conviction(observed: Iterable[Minute], limits: Limits) -> int | None:
    """The first look, from 1, at which `judge` convicts, None where it never does."""
    relative, absolute, threshold = RelativeTest(limits.tolerance), AbsoluteTest(limits.ratio), math.log(CONVICTED)
    for look, minute in enumerate(observed, 1):
        if minute.canary_errors or minute.stable_errors:  # else neither test can rise
            log_relative = relative.observe(minute)
            log_absolute = absolute.observe(minute.canary_requests, minute.canary_errors)
            if max(log_relative, log_absolute) >= threshold:
                return look
        else:
            absolute.observe(minute.canary_requests, 0)
    return None


def trailing_ratio_fires(observed: Iterable[Minute]) -> bool:
    """Whether the canary ever has more than 2 % errors over the trailing five minutes, without any floor."""
    window: deque[Minute] = deque(maxlen=NAIVE_MINUTES)
    for minute in observed:
        window.append(minute)
        requests = sum(entry.canary_requests for entry in window)
        if requests and sum(entry.canary_errors for entry in window) / requests > NAIVE_RATIO:
            return True
    return False


def simulate(scenario: Scenario, runs: int = RUNS, seed: int = SEED) -> Outcome:
    """Run a scenario; the same seed gives the same outcome."""
    stream = minutes(scenario, random.Random(f"{seed}/{scenario.name}"))
    limits = Limits()
    looks: list[float] = []
    naive = 0
    for _ in range(runs):
        observed = [next(stream) for _ in range(scenario.looks)]
        look = look_of_conviction(observed, limits)
        looks.append(math.inf if look is None else look)
        naive += trailing_ratio_fires(observed)
    convicted = sum(look < math.inf for look in looks)
    return Outcome(convicted / runs, statistics.median(looks), naive / runs)


def measure() -> list[Result]:
    """A line a scenario; where the specification gives a limit, with that limit."""
    results: list[Result] = []
    for scenario in SCENARIOS:
        outcome = simulate(scenario)
        median = "mostly never" if outcome.median_look == math.inf else f"median look {outcome.median_look:g}"
        note = f"{median}; trailing 5 min > 2 %: {100 * outcome.naive:.1f} %"
        goal = None if scenario.most_convicted is None else 100 * scenario.most_convicted
        results.append(Result(f"rolled back: {scenario.name}", 100 * outcome.convicted, goal, note, " %"))
        if scenario.slowest_median is not None:
            name = f"median look: {scenario.name}"
            results.append(Result(name, outcome.median_look, scenario.slowest_median, "", ""))
    return results
