"""Draws repeat, are independent of order, and counts keep their sums."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from brconsole.simulation import histogram as law
from brconsole.simulation.noise import normals, poisson, stream, uniform, uniforms

FRACTION = st.floats(min_value=0.0, max_value=1.0, exclude_max=True, allow_nan=False)


def test_a_draw_depends_on_its_stream_and_counter_only() -> None:
    key = stream("a", 1)
    forwards = [uniform(key, minute) for minute in range(50)]
    backwards = [uniform(key, minute) for minute in reversed(range(50))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 50
    assert uniform(stream("a", 2), 0) != forwards[0]
    assert uniforms(key, 3, 8)[:4] == uniforms(key, 3, 4)
    assert normals(key, 3, 8)[:4] == normals(key, 3, 4)


def test_streams_are_told_apart_by_their_parts_and_not_by_their_text() -> None:
    assert stream("ab", "c") != stream("a", "bc")


def test_poisson_counts_have_the_mean_and_the_variance_of_their_law() -> None:
    for mean in (0.3, 4.0, 23.0, 25.0, 400.0):
        counts = [poisson(mean, u) for u in uniforms(stream("poisson", str(mean)), 0, 6000)]
        average = sum(counts) / len(counts)
        variance = sum((count - average) ** 2 for count in counts) / len(counts)
        assert abs(average - mean) < 5 * (mean / len(counts)) ** 0.5
        assert 0.9 < variance / mean < 1.1


@given(u=FRACTION.filter(lambda u: u > 0), mean=st.floats(min_value=-1, max_value=1e6, allow_nan=False))
def test_a_poisson_count_is_never_negative_and_zero_where_nothing_is_expected(u: float, mean: float) -> None:
    count = poisson(mean, u)
    assert count >= 0
    if mean <= 0:
        assert count == 0


@given(
    n=st.integers(0, 2_000_000),
    median=st.floats(min_value=0.5, max_value=100_000),
    sigma=st.floats(min_value=0.05, max_value=2),
    offset=FRACTION,
)
def test_a_count_apportioned_to_buckets_keeps_its_sum_and_agrees_with_its_threshold(
    n: int, median: float, sigma: float, offset: float
) -> None:
    cdf = law.log_normal_cdf(median, sigma)
    buckets = law.apportion(n, cdf, min(offset, 1 - 2**-32))
    assert sum(buckets) == n
    assert min(buckets) >= 0
    bound = law.BOUNDS.index(500.0)
    assert law.at_most(n, cdf, min(offset, 1 - 2**-32), bound) == sum(buckets[: bound + 1])


@settings(max_examples=60)
@given(
    remaining=st.lists(st.integers(0, 5000), min_size=1, max_size=44),
    offsets=st.lists(FRACTION, min_size=12, max_size=12),
)
def test_dealing_buckets_to_minutes_takes_what_is_there_and_never_more(
    remaining: list[int], offsets: list[float]
) -> None:
    total = sum(remaining)
    left = list(remaining)
    for minute, offset in enumerate(offsets):
        have = sum(left)
        n = have if minute == 11 else have // 3
        if not have:
            break
        dealt = law.take(left, have, n, offset)
        assert sum(dealt) == n
        assert all(0 <= gone <= there for gone, there in zip(dealt, left, strict=True))
        left = [there - gone for there, gone in zip(left, dealt, strict=True)]
    assert sum(left) == 0 or total == 0


def test_the_mean_of_a_histogram_lies_near_that_of_its_law() -> None:
    histogram = law.histogram(tuple(law.apportion(100_000, law.log_normal_cdf(100.0, 0.4), 0.5)))
    assert histogram.count == 100_000
    assert 100 < histogram.mean < 118
    assert histogram.sum_of_squared_deviation > 0
    assert len(histogram.counts) == len(histogram.bounds) + 1


def test_an_empty_histogram_has_no_mean_to_speak_of() -> None:
    assert law.histogram((0,) * law.BUCKETS).count == 0
