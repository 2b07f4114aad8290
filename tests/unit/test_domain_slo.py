"""Burn rates, budgets and when they run out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import START, objective
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.slo import BURN_WINDOWS, BurnWindow, Events, SloStatus, burn_rate, report

GOALS = st.floats(0.5, 0.9999)
COUNTS = st.integers(0, 10**9)


def windows(bad_share: float | None, total: float = 100_000) -> dict[BurnWindow, Events | None]:
    if bad_share is None:
        return dict.fromkeys(BURN_WINDOWS)
    return {window: Events(total * (1 - bad_share), total * bad_share) for window in BURN_WINDOWS}


@given(COUNTS, COUNTS, GOALS)
def test_burning_at_the_rate_r_spends_r_times_what_the_goal_allows(good: int, bad: int, goal: float) -> None:
    burn = burn_rate(Events(good, bad), goal)
    assert burn is not None
    assert burn * (1 - goal) * (good + bad) == pytest.approx(bad)
    assert 0 <= burn <= 1 / (1 - goal) + 1e-6


def test_a_window_without_events_burns_nothing_and_an_unread_one_is_unknown() -> None:
    assert burn_rate(Events(0, 0), 0.999) == 0
    assert burn_rate(None, 0.999) is None


def test_a_goal_that_allows_nothing_has_no_burn_rate() -> None:
    assert burn_rate(Events(10, 1), 1.0) is None


@given(st.floats(0.001, 1), st.floats(0.0, 0.5), GOALS)
def test_a_budget_runs_out_when_what_is_left_has_burnt_and_never_beyond_its_period(
    remaining: float, share: float, goal: float
) -> None:
    slo = report(objective(goal=goal), remaining, windows(share), START)
    burn = slo.burn["1h"]
    assert burn is not None
    if slo.exhausts_at is None:
        assert burn < remaining or burn == 0
    else:
        left = (slo.exhausts_at - START) / timedelta(days=30)
        assert left * burn == pytest.approx(remaining, rel=1e-3, abs=1e-6)
        assert left <= 1


@given(st.floats(-5, 0))
def test_a_spent_budget_has_run_out_now_whatever_burns(remaining: float) -> None:
    for share in (None, 0.0, 0.5):
        slo = report(objective(), remaining, windows(share), START)
        assert slo.exhausts_at == START
        assert slo.status is SloStatus.EXHAUSTED


@pytest.mark.parametrize(
    ("share", "status"),
    [(0.0, SloStatus.OK), (0.0005, SloStatus.OK), (0.0012, SloStatus.SLOW_BURN), (0.02, SloStatus.FAST_BURN)],
)
def test_the_multi_window_rules_name_the_burn(share: float, status: SloStatus) -> None:
    assert report(objective(), 0.7, windows(share), START).status is status


def test_a_fast_burn_that_is_over_does_not_page() -> None:
    events = windows(0.02)
    events["5m"] = events["30m"] = Events(100_000, 0)
    assert report(objective(), 0.7, events, START).status is SloStatus.SLOW_BURN


def test_a_handful_of_failures_is_no_evidence() -> None:
    events: dict[BurnWindow, Events | None] = {window: Events(100, 4) for window in BURN_WINDOWS}
    assert report(objective(), 0.7, events, START).status is SloStatus.OK


def test_what_is_unknown_is_never_ok_unless_it_could_not_change_the_verdict() -> None:
    assert report(objective(), 0.7, windows(None), START).status is SloStatus.UNKNOWN
    assert report(objective(), None, windows(0.0), START).status is SloStatus.UNKNOWN
    without_long = {**windows(0.0), "1h": None, "3d": None}
    assert report(objective(), 0.7, without_long, START).status is SloStatus.OK, "the short windows do not burn"
    burning = {**windows(0.02), "1h": None, "6h": None, "3d": None}
    assert report(objective(), 0.7, burning, START).status is SloStatus.UNKNOWN


def test_an_unread_window_is_null_in_the_report() -> None:
    slo = report(objective(), 0.7, {**windows(0.01), "3d": None}, START)
    assert slo.burn["3d"] is None
    assert slo.burn["1h"] == pytest.approx(10)
