"""What the SLO selectors say, from counts of good and bad events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.emulator.slo_accounting import (
    CountIndex,
    InvalidSelectorError,
    SloSelector,
    parse_selector,
    select,
)
from brconsole.simulation.model import Slo

NAME = "projects/p/services/api/serviceLevelObjectives/availability"
SLO = Slo("p", "api", "availability", "Availability", 0.99, 30, "availability")
DAY = 86_400
NOW = 1_795_442_400.0


def index_of(days):
    """Counts a day, the newest last, that end NOW."""
    start = NOW - len(days) * DAY
    return CountIndex(start, [(start + (n + 1) * DAY, good, bad) for n, (good, bad) in enumerate(days)])


def newest(selector, index, lookback_s=0.0):
    found = select(SloSelector(selector, NAME, lookback_s), SLO, index, {}, NOW - 60, NOW)
    return {one.metric_labels.get("event_type", ""): one.points[-1][2] for one in found if one.points}


def test_the_budget_is_what_the_goal_allows_less_what_was_bad():
    # 30 days of 990 good and 10 bad would spend exactly all of it; one day spent twice its share.
    index = index_of([(1000, 0)] * 29 + [(980, 20)])
    assert newest("select_slo_budget_total", index)[""] == pytest.approx(300)
    assert newest("select_slo_budget", index)[""] == pytest.approx(280)
    assert newest("select_slo_budget_fraction", index)[""] == pytest.approx(280 / 300)
    assert newest("select_slo_compliance", index)[""] == pytest.approx(29_980 / 30_000)


def test_what_is_older_than_the_period_is_forgotten():
    assert newest("select_slo_budget_fraction", index_of([(0, 1000)] * 10 + [(1000, 0)] * 30))[""] == pytest.approx(1)


def test_an_overspent_budget_is_negative():
    assert newest("select_slo_budget_fraction", index_of([(950, 50)] * 30))[""] == pytest.approx(-4)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_burn_rate_is_the_error_ratio_over_what_is_allowed(good, bad):
    index = CountIndex(NOW - 3600, [(NOW, good, bad)])
    found = newest("select_slo_burn_rate", index, 3600.0)
    if good + bad:
        assert found[""] == pytest.approx(bad / (good + bad) / 0.01)
    else:
        assert found == {}


def test_a_moment_without_events_has_no_ratio_and_no_health():
    index = CountIndex(NOW - 3600, [(NOW, 0, 0)])
    assert newest("select_slo_health", index) == {}
    assert newest("select_slo_budget_fraction", index) == {}


def test_counts_are_told_apart_by_event_type():
    index = CountIndex(NOW - 120, [(NOW - 60, 5, 1), (NOW, 7, 2)])
    assert newest("select_slo_counts", index) == {"good": 7, "bad": 2}


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 50)), min_size=1, max_size=40), st.data())
def test_any_window_is_exact_at_the_ends_of_intervals(minutes, data):
    start = NOW - 60 * len(minutes)
    index = CountIndex(start, [(start + 60 * (n + 1), *pair) for n, pair in enumerate(minutes)])
    low = data.draw(st.integers(0, len(minutes)))
    high = data.draw(st.integers(low, len(minutes)))
    good, bad = index.between(start + 60 * low, start + 60 * high)
    assert good == pytest.approx(sum(pair[0] for pair in minutes[low:high]))
    assert bad == pytest.approx(sum(pair[1] for pair in minutes[low:high]))


@pytest.mark.parametrize(("text", "seconds"), [("3600s", 3600), ("60m", 3600), ("1h", 3600), ("90000ms", 90)])
def test_a_lookback_has_a_unit(text, seconds):
    assert parse_selector("select_slo_burn_rate", (NAME, text)).lookback_s == seconds


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("select_slo_burn_rate", (NAME,), "takes 2 argument"),
        ("select_slo_health", (NAME, "60s"), "takes 1 argument"),
        ("select_slo_burn_rate", (NAME, "3600"), "not valid"),
        ("select_slo_burn_rate", (NAME, "30s"), "at least 60 seconds"),
        ("select_slo_mood", (NAME,), "not a time-series selector"),
    ],
)
def test_a_selector_of_another_form_is_refused(name, arguments, reason):
    with pytest.raises(InvalidSelectorError, match=reason):
        parse_selector(name, arguments)
