"""The arithmetic of alignment, reduction and distributions in the embedded Cloud Monitoring."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.emulator.alignment import (
    ALIGNERS,
    REDUCERS,
    Aggregation,
    GroupField,
    InvalidAggregationError,
    aggregate,
    first_period_start,
    outcome,
    parse_group_field,
)
from brconsole.emulator.distributions import DifferentBucketsError, merge, percentile, portion, standard_deviation
from brconsole.simulation.model import Histogram, RawSeries

BOUNDS = (0.0, 10.0, 25.0, 50.0, 100.0, 250.0)
END = 1_795_442_400.0
BY_SERVICE = (GroupField("resource", "service_name"),)

samples = st.lists(st.floats(0.5, 249.0), min_size=1, max_size=60)


def histogram(values: list[float]) -> Histogram:
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        # Lower bounds belong to their bucket, as in google.api.Distribution.
        counts[bisect_left(BOUNDS, math.nextafter(value, math.inf))] += 1
    mean = statistics.fmean(values)
    squares = sum((value - mean) ** 2 for value in values)
    return Histogram(len(values), mean, BOUNDS, tuple(counts), squares)


def series(values, *, kind="DELTA", value_type="INT64", step_s=60, service="api", code="2xx"):
    """A series whose newest point ends at END; None leaves a gap."""
    points = []
    for back, value in enumerate(reversed(values)):
        if value is not None:
            end = END - back * step_s
            points.append((end if kind == "GAUGE" else end - step_s, end, value))
    return RawSeries(
        "m",
        {"response_code_class": code},
        "cloud_run_revision",
        {"project_id": "p", "service_name": service},
        kind,
        value_type,
        tuple(reversed(points)),
    )


def aligned(one, aligner, period_s=60, window_s=600):
    return aggregate([one], Aggregation(period_s, aligner), END - window_s, END)


def values_of(one):
    return [value for _, _, value in one.points]


# ------------------------------------------------------------------------------------------------------ distributions


@given(st.lists(samples, min_size=1, max_size=5))
def test_merged_distributions_have_the_moments_of_all_values_together(parts):
    merged = merge([histogram(part) for part in parts])
    everything = [value for part in parts for value in part]
    assert merged.count == len(everything)
    assert merged.mean == pytest.approx(statistics.fmean(everything))
    assert standard_deviation(merged) == pytest.approx(statistics.pstdev(everything), abs=1e-6)
    assert merged.counts == histogram(everything).counts


def test_distributions_with_other_buckets_are_not_added():
    with pytest.raises(DifferentBucketsError):
        merge([histogram([1.0]), Histogram(1, 1.0, (5.0,), (1, 0))])


@given(samples, st.floats(0.01, 0.99))
def test_a_percentile_lies_in_the_bucket_of_the_value_at_its_rank(values, rank):
    estimate = percentile(histogram(values), rank)
    exact = sorted(values)[max(0, math.ceil(rank * len(values)) - 1)]
    index = bisect_left(BOUNDS, math.nextafter(exact, math.inf))
    assert BOUNDS[index - 1] <= estimate <= BOUNDS[index]


@given(samples)
def test_percentiles_rise_with_their_rank(values):
    estimates = [percentile(histogram(values), rank) for rank in (0.05, 0.5, 0.95, 0.99)]
    assert estimates == sorted(estimates)


def test_a_percentile_is_interpolated_within_its_bucket():
    # Four values in (10, 25]: the median is half of the way up.
    assert percentile(Histogram(4, 17.0, (10.0, 25.0), (0, 4, 0)), 0.5) == 17.5


def test_a_percentile_beyond_the_last_bound_is_that_bound():
    assert percentile(Histogram(3, 900.0, (10.0, 25.0), (0, 0, 3)), 0.95) == 25.0


def test_an_empty_distribution_has_no_percentile():
    assert percentile(Histogram(0, 0.0, BOUNDS, (0,) * 7), 0.5) is None


@given(samples, st.floats(0.0, 1.0))
def test_the_portions_of_a_distribution_add_up_to_the_whole(values, cut):
    whole = histogram(values)
    parts = [portion(whole, 0.0, cut), portion(whole, cut, 1.0)]
    assert [sum(pair) for pair in zip(parts[0].counts, parts[1].counts, strict=True)] == list(whole.counts)
    assert parts[0].count + parts[1].count == whole.count


# ----------------------------------------------------------------------------------------------------------- alignment


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1, max_size=60),
    st.sampled_from([60, 120, 300, 420, 3600]),
)
def test_deltas_keep_their_sum_whatever_the_period(values, period_s):
    found = aligned(series(values), "ALIGN_DELTA", period_s, window_s=3600)
    total = sum(value for value in values if value is not None)
    assert sum(value for one in found for value in values_of(one)) == total


def test_periods_are_counted_back_from_the_end():
    (found,) = aligned(series([1, 2, 3, 4, 5]), "ALIGN_DELTA", 120, window_s=300)
    assert found.points == ((END - 360, END - 240, 1), (END - 240, END - 120, 5), (END - 120, END, 9))
    assert first_period_start(END - 300, END, 120) == END - 360


def test_a_period_without_a_point_has_none_afterwards():
    (found,) = aligned(series([4, None, None, 7]), "ALIGN_DELTA")
    assert [end for _, end, _ in found.points] == [END - 180, END]


def test_a_series_without_points_in_the_interval_is_left_out():
    assert aligned(series([4] + [None] * 30), "ALIGN_DELTA", window_s=600) == []


def test_a_zero_that_was_written_stays_a_zero():
    (found,) = aligned(series([0, 3]), "ALIGN_DELTA")
    assert values_of(found) == [0, 3]


def test_a_rate_is_per_second_and_a_gauge():
    (found,) = aligned(series([120, 180]), "ALIGN_RATE", 120)
    assert (found.kind, found.value_type, found.points) == ("GAUGE", "DOUBLE", ((END, END, 2.5),))


@pytest.mark.parametrize(
    ("aligner", "expected"),
    [
        ("ALIGN_MIN", 2),
        ("ALIGN_MAX", 9),
        ("ALIGN_MEAN", 5.0),
        ("ALIGN_COUNT", 3),
        ("ALIGN_SUM", 15),
        ("ALIGN_NEXT_OLDER", 4),
    ],
)
def test_a_gauge_is_aligned_over_the_samples_of_a_period(aligner, expected):
    (found,) = aligned(series([2, 9, 4], kind="GAUGE"), aligner, 300)
    assert found.points == ((END, END, expected),)


@pytest.mark.parametrize(
    ("aligner", "expected"), [("ALIGN_COUNT_TRUE", 3), ("ALIGN_COUNT_FALSE", 1), ("ALIGN_FRACTION_TRUE", 0.75)]
)
def test_truths_are_counted(aligner, expected):
    one = series([True, False, True, True], kind="GAUGE", value_type="BOOL")
    (found,) = aligned(one, aligner, 300)
    assert values_of(found) == [expected]


def test_a_percentile_aligner_merges_the_distributions_of_a_period_first():
    one = series([histogram([1.0] * 99), histogram([200.0] * 99)], value_type="DISTRIBUTION")
    (found,) = aligned(one, "ALIGN_PERCENTILE_50", 120)
    assert values_of(found) == [percentile(histogram([1.0] * 99 + [200.0] * 99), 0.5)]
    assert found.value_type == "DOUBLE"


def cumulative(points):
    return RawSeries("m", {}, "generic_task", {"project_id": "p"}, "CUMULATIVE", "INT64", tuple(points))


def test_a_cumulative_series_becomes_its_increments():
    reset = END - 10_000
    one = cumulative([(reset, END - 180, 100), (reset, END - 120, 103), (reset, END - 60, 103), (reset, END, 110)])
    (found,) = aligned(one, "ALIGN_DELTA", window_s=180)
    assert values_of(found) == [3, 0, 7]


def test_a_reset_of_a_cumulative_series_counts_from_its_new_start():
    one = cumulative([(0.0, END - 120, 100), (0.0, END - 60, 103), (END - 50, END, 4)])
    (found,) = aligned(one, "ALIGN_DELTA", window_s=120)
    assert values_of(found) == [3, 4]


def test_the_first_point_of_a_cumulative_series_has_no_increment_without_the_one_before():
    one = cumulative([(0.0, END - 60, 1_000_000), (0.0, END, 1_000_003)])
    (found,) = aligned(one, "ALIGN_DELTA", window_s=600)
    assert values_of(found) == [3]


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12), st.integers(0, 59))
def test_hourly_increments_are_shared_among_unaligned_periods_in_whole_counts(hours, minutes):
    shifted = series(hours, step_s=3600)
    end = END + minutes * 60
    (found,) = aggregate([shifted], Aggregation(3600, "ALIGN_DELTA"), end - 14 * 3600, end)
    assert sum(values_of(found)) == sum(hours)
    assert all(isinstance(value, int) for value in values_of(found))


# ----------------------------------------------------------------------------------------------------------- reduction


def reduced(many, reducer, group_by=(), aligner="ALIGN_DELTA"):
    return aggregate(many, Aggregation(60, aligner, reducer, group_by), END - 600, END)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 50), min_size=1, max_size=8)), min_size=1, max_size=9
    )
)
def test_the_sum_does_not_depend_on_the_grouping(rows):
    many = [series(values, service=name) for name, values in rows]
    together = sum(value for one in reduced(many, "REDUCE_SUM") for value in values_of(one))
    apart = sum(value for one in reduced(many, "REDUCE_SUM", BY_SERVICE) for value in values_of(one))
    assert together == apart == sum(value for _, values in rows for value in values)


def test_only_the_labels_grouped_by_and_the_project_are_kept():
    many = [series([1], service="api", code="2xx"), series([2], service="api", code="5xx"), series([4], service="web")]
    api, web = reduced(many, "REDUCE_SUM", BY_SERVICE)
    assert (api.resource_labels, api.metric_labels) == ({"service_name": "api", "project_id": "p"}, {})
    assert (values_of(api), values_of(web)) == ([3], [4])


def test_points_reduce_where_any_member_has_one():
    (found,) = reduced([series([1, None, 5]), series([None, 2, 7], service="web")], "REDUCE_SUM")
    assert values_of(found) == [1, 2, 12]


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("REDUCE_MEAN", 4.0),
        ("REDUCE_MIN", 1),
        ("REDUCE_MAX", 9),
        ("REDUCE_COUNT", 3),
        ("REDUCE_PERCENTILE_50", 2.0),
        ("REDUCE_STDDEV", statistics.pstdev([1, 2, 9])),
    ],
)
def test_numbers_reduce_across_series(reducer, expected):
    (found,) = reduced([series([value], service=str(value)) for value in (1, 2, 9)], reducer)
    assert values_of(found) == [pytest.approx(expected)]


def test_truths_reduce_to_their_fraction():
    many = [
        series([value], kind="GAUGE", value_type="BOOL", service=str(index))
        for index, value in enumerate([True, False, False, True])
    ]
    for reducer, expected in (("REDUCE_FRACTION_TRUE", 0.5), ("REDUCE_COUNT_TRUE", 2), ("REDUCE_COUNT_FALSE", 2)):
        (found,) = reduced(many, reducer, aligner="ALIGN_NEXT_OLDER")
        assert values_of(found) == [expected]


def test_a_percentile_across_distributions_is_that_of_their_union_and_a_number():
    slow, fast = [200.0] * 10, [5.0] * 190
    many = [
        series([histogram(values)], value_type="DISTRIBUTION", service=name)
        for name, values in (("a", slow), ("b", fast))
    ]
    (found,) = reduced(many, "REDUCE_PERCENTILE_95")
    assert values_of(found) == [percentile(histogram(slow + fast), 0.95)]
    assert (found.kind, found.value_type) == ("GAUGE", "DOUBLE")


def test_a_sum_of_distributions_is_a_distribution():
    many = [series([histogram([value])], value_type="DISTRIBUTION", service=str(value)) for value in (3.0, 30.0)]
    (found,) = reduced(many, "REDUCE_SUM")
    assert values_of(found)[0].counts == histogram([3.0, 30.0]).counts
    assert found.value_type == "DISTRIBUTION"


def test_a_second_aggregation_works_on_the_first():
    many = [series([1, 2, 3, 4], service="api"), series([10, 20, 30, 40], service="web")]
    once = reduced(many, "REDUCE_SUM", BY_SERVICE)
    (found,) = aggregate(once, Aggregation(120, "ALIGN_MAX", "REDUCE_MAX"), END - 240, END)
    assert values_of(found) == [20, 40]


# ---------------------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize(
    ("aligner", "kind", "value_type"),
    [
        ("ALIGN_RATE", "DELTA", "DISTRIBUTION"),
        ("ALIGN_RATE", "GAUGE", "INT64"),
        ("ALIGN_DELTA", "GAUGE", "INT64"),
        ("ALIGN_MAX", "DELTA", "DISTRIBUTION"),
        ("ALIGN_MEAN", "CUMULATIVE", "INT64"),
        ("ALIGN_COUNT", "CUMULATIVE", "INT64"),
        ("ALIGN_PERCENTILE_99", "DELTA", "INT64"),
        ("ALIGN_NEXT_OLDER", "DELTA", "INT64"),
        ("ALIGN_FRACTION_TRUE", "GAUGE", "INT64"),
    ],
)
def test_an_aligner_is_refused_where_it_makes_no_sense(aligner, kind, value_type):
    with pytest.raises(InvalidAggregationError) as refused:
        outcome(Aggregation(60, aligner), kind, value_type, "aggregation")
    assert str(refused.value) == (
        f'Field aggregation.perSeriesAligner had an invalid value of "{aligner}": '
        f"The aligner cannot be applied to metrics with kind {kind} and value type {value_type}."
    )


@pytest.mark.parametrize(
    ("aggregation", "field"),
    [
        (Aggregation(0, "ALIGN_DELTA"), "aggregation.alignmentPeriod"),
        (Aggregation(59, "ALIGN_DELTA"), "aggregation.alignmentPeriod"),
        (Aggregation(105 * 7 * 86_400, "ALIGN_DELTA"), "aggregation.alignmentPeriod"),
        (Aggregation(60, "ALIGN_NONE", "REDUCE_SUM"), "aggregation.perSeriesAligner"),
        (Aggregation(60, "ALIGN_INTERPOLATE"), "aggregation.perSeriesAligner"),
        (Aggregation(60, "ALIGN_DELTA", "REDUCE_FRACTION_TRUE"), "aggregation.crossSeriesReducer"),
    ],
)
def test_an_aggregation_that_google_refuses_is_refused_by_its_field(aggregation, field):
    with pytest.raises(InvalidAggregationError) as refused:
        outcome(aggregation, "DELTA", "INT64", "aggregation")
    assert refused.value.field == field


def test_every_aligner_and_reducer_says_what_comes_out():
    kinds, types = ("GAUGE", "DELTA"), ("INT64", "DOUBLE", "BOOL", "DISTRIBUTION")
    for operation in (*ALIGNERS.values(), *REDUCERS.values()):
        assert set(operation.kinds) <= {*kinds, "CUMULATIVE"}
        assert set(operation.types) <= set(types)
    assert outcome(Aggregation(60, "ALIGN_DELTA", "REDUCE_PERCENTILE_95"), "DELTA", "DISTRIBUTION", "aggregation") == (
        "GAUGE",
        "DOUBLE",
    )
    assert outcome(Aggregation(60, "ALIGN_DELTA", "REDUCE_SUM"), "CUMULATIVE", "INT64", "aggregation") == (
        "DELTA",
        "INT64",
    )


@pytest.mark.parametrize("text", ["resource.label.zone", "resource.labels.zone", 'resource.labels."zone"'])
def test_a_group_field_is_written_in_several_ways(text):
    assert parse_group_field(text, "aggregation") == GroupField("resource", "zone")


@pytest.mark.parametrize("text", ["", "zone", "resource", "resource.zone", "metric.labels.", "metadata.labels.x"])
def test_a_group_field_of_another_form_is_refused(text):
    with pytest.raises(InvalidAggregationError, match="improperly formatted"):
        parse_group_field(text, "aggregation")
