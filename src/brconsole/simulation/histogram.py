"""Distributions of latencies: Google-style exponential bounds, and bucket counts that sum to what was asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from brconsole.simulation.model import Histogram

_GROWTH = math.sqrt(5 / 3)
BOUNDS: tuple[float, ...] = tuple(round(300.0 * _GROWTH**k, 3) for k in range(-21, 22))
"""Milliseconds, 1.4 to 64,000, each 1.29 times the one before; the SLOs' 300 and 500 are among them."""
_MIDDLES: tuple[float, ...] = (
    BOUNDS[0] / 2,
    *(math.sqrt(low * high) for low, high in pairwise(BOUNDS)),
    BOUNDS[-1] * 1.1,
)
BUCKETS = len(BOUNDS) + 1
_NOTHING = (0,) * BUCKETS


@lru_cache(maxsize=4096)
def log_normal_cdf(median_ms: float, sigma: float) -> tuple[float, ...]:
    """The share of a log-normal law at or below each bound; the last entry is 1, for the overflow bucket."""
    mu = math.log(median_ms)
    scale = sigma * math.sqrt(2.0)
    return (*(0.5 * math.erfc((mu - math.log(bound)) / scale) for bound in BOUNDS), 1.0)


def apportion(n: int, cdf: Sequence[float], offset: float) -> list[int]:
    """Systematic sampling: n draws over the buckets, each bucket within one of its expectation, their sum exactly n."""
    counts = []
    before = 0
    for share in cdf:
        upto = math.floor(n * share + offset)
        counts.append(upto - before)
        before = upto
    return counts


def at_most(n: int, cdf: Sequence[float], offset: float, bound: int) -> int:
    """How many of `apportion(n, cdf, offset)` fall at or below BOUNDS[bound]."""
    return math.floor(n * cdf[bound] + offset)


def take(remaining: Sequence[int], total: int, n: int, offset: float) -> list[int]:
    """A fair share of n of the `total` in `remaining`, never more of a bucket than it holds.

    Integers only, so that it is exact.
    """
    shift = int(offset * total)
    counts = []
    before = cumulative = 0
    for count in remaining:
        cumulative += count
        upto = (n * cumulative + shift) // total
        counts.append(upto - before)
        before = upto
    return counts


def take_at_most(within: int, total: int, n: int, offset: float) -> int:
    """How many of `take(remaining, total, n, offset)` fall into its first buckets, which hold `within`."""
    return (n * within + int(offset * total)) // total


def add(parts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Bucket by bucket."""
    return tuple(map(sum, zip(_NOTHING, *parts, strict=True)))


def histogram(counts: tuple[int, ...]) -> Histogram:
    """The distribution of these counts, mean and deviation taken at the buckets' geometric middles."""
    count = sum(counts)
    if not count:
        return Histogram(0, 0.0, BOUNDS, counts)
    first = 0.0
    second = 0.0
    for bucket, middle in zip(counts, _MIDDLES, strict=True):
        if bucket:
            first += bucket * middle
            second += bucket * middle * middle
    mean = first / count
    return Histogram(count, mean, BOUNDS, counts, max(0.0, second - count * mean * mean))
