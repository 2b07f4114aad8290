"""The arithmetic of distribution values: merging, percentiles, moments. Plain floats, no wire.

Percentiles are estimated as Cloud Monitoring documents it: the bucket that holds the rank is found, and the values are
taken to lie evenly between its bounds. A rank in a bucket without an upper (or lower) bound gives its one bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from brconsole.simulation.model import Histogram


class DifferentBucketsError(ValueError):
    """Distributions with different bucket bounds do not add up."""


def merge(parts: Sequence[Histogram]) -> Histogram:
    """The distribution of all values of `parts` together; raises DifferentBucketsError where bounds differ."""
    if len(parts) == 1:
        return parts[0]
    bounds = parts[0].bounds
    counts = list(parts[0].counts)
    for part in parts[1:]:
        if part.bounds != bounds:
            raise DifferentBucketsError("distributions with different bucket bounds cannot be added")
        counts = [left + right for left, right in zip(counts, part.counts, strict=True)]
    total = sum(part.count for part in parts)
    mean = sum(part.count * part.mean for part in parts) / total if total else 0.0
    # Chan's formula: the squares within the parts plus those of the parts' means around the common one.
    squares = sum(part.sum_of_squared_deviation + part.count * (part.mean - mean) ** 2 for part in parts)
    return Histogram(total, mean, bounds, tuple(counts), squares)


def percentile(value: Histogram, rank: float) -> float | None:
    """The value below which `rank` (0…1) of the distribution lies, None where it holds nothing."""
    total = sum(value.counts)
    if not total:
        return None
    bounds = value.bounds
    if not bounds:
        return value.mean
    target = rank * total
    below = 0
    for index, count in enumerate(value.counts):
        if count and below + count >= target:
            if index == 0:
                return bounds[0]
            if index == len(bounds):
                return bounds[-1]
            low, high = bounds[index - 1], bounds[index]
            return low + (high - low) * (target - below) / count
        below += count
    return bounds[-1]


def standard_deviation(value: Histogram) -> float:
    """The population standard deviation of a distribution, 0 where it holds fewer than two values."""
    return math.sqrt(value.sum_of_squared_deviation / value.count) if value.count > 1 else 0.0


def portion(value: Histogram, start: float, end: float) -> Histogram:
    """The share of a distribution between two fractions (0…1) of its interval, as if its values had come evenly.

    Counts are rounded at the fractions, so the portions of adjacent fractions add up to the whole.
    """
    counts = tuple(round(count * end) - round(count * start) for count in value.counts)
    return Histogram(sum(counts), value.mean, value.bounds, counts, value.sum_of_squared_deviation * (end - start))
