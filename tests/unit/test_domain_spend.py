"""Spend: the month so far, its forecast and its alert."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.alert import AlertState
from brconsole.domain.specification import spend_alert
from brconsole.domain.spend import DailyCost, report

MONTH = date(2026, 11, 1)


def days(count: int, cost: float = 100.0, since: date = MONTH) -> list[DailyCost]:
    return [DailyCost(since + timedelta(days=day), "Cloud Run", cost) for day in range(count)]


def at(day: int, hour: int = 6, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


COSTS = st.lists(
    st.builds(
        DailyCost,
        st.dates(date(2026, 10, 25), date(2026, 11, 23)),
        st.sampled_from(["Cloud Run", "Vertex AI", "Cloud SQL", "Storage", "Redis", "Logging", "Monitoring"]),
        st.floats(-50, 500),
    ),
    max_size=60,
)


@given(COSTS)
def test_a_forecast_is_never_below_the_month_to_date(costs: list[DailyCost]) -> None:
    spend = report(costs, "USD", 10_000, at(23))
    assert spend.forecast is None or spend.forecast >= spend.month_to_date


@given(COSTS)
def test_the_days_of_the_month_add_up_to_it_and_the_days_before_do_not_count(costs: list[DailyCost]) -> None:
    spend = report(costs, "USD", 10_000, at(23))
    assert sum(cost for _, cost in spend.daily) == pytest.approx(spend.month_to_date)
    assert spend.month_to_date == pytest.approx(sum(cost.cost for cost in costs if cost.day >= MONTH))
    assert all(day >= MONTH for day, _ in spend.daily)
    assert len(spend.top) <= 5
    assert [cost for _, cost in spend.top] == sorted((cost for _, cost in spend.top), reverse=True)


def test_a_steady_month_is_forecast_as_thirty_such_days() -> None:
    spend = report(days(22), "USD", 10_000, at(23))
    assert spend.month_to_date == 2200
    assert spend.forecast == pytest.approx(3000)
    assert spend.share == pytest.approx(0.22)


def test_the_partial_day_is_spent_but_is_no_measure() -> None:
    spend = report([*days(22), DailyCost(date(2026, 11, 23), "Cloud Run", 1.0)], "USD", None, at(23))
    assert spend.month_to_date == 2201
    assert spend.forecast == pytest.approx(3000)
    assert spend.share is None


def test_a_new_month_starts_at_nothing_though_the_export_still_speaks_of_the_old_one() -> None:
    october = days(10, since=date(2026, 10, 22))
    spend = report(october, "USD", 10_000, at(31, 22, month=10), MONTH)
    assert spend.month_to_date == 0
    assert spend.forecast == pytest.approx(3000)
    assert report(october, "USD", 10_000, at(31, 22, month=10)).month_to_date == 1000


def test_finance_is_told_from_85_percent_on_and_since_which_day() -> None:
    assert spend_alert(None) is not None
    assert spend_alert(None).state is AlertState.UNKNOWN  # type: ignore[union-attr]
    assert spend_alert(report(days(5), "USD", None, at(6))) is None
    under = spend_alert(report(days(8), "USD", 1000, at(9)))
    assert under is not None
    assert (under.state, under.value, under.since) == (AlertState.OK, pytest.approx(0.8), None)
    over = spend_alert(report([*days(8), DailyCost(date(2026, 11, 9), "x", 50.0)], "USD", 1000, at(10)))
    assert over is not None
    assert (over.state, over.severity, over.value) == (AlertState.FIRING, "info", pytest.approx(0.85))
    assert over.since == datetime(2026, 11, 9, tzinfo=UTC)


def test_on_the_first_of_a_month_the_report_names_the_month_that_it_speaks_of() -> None:
    last = date(2026, 10, 31)
    as_of = datetime(2026, 10, 31, 18, tzinfo=UTC)
    costs = [DailyCost(last, "Cloud Run", 100.0)]
    assert report(costs, "USD", 1000.0, as_of, last).month == date(2026, 10, 1)
    begun = report(costs, "USD", 1000.0, as_of, date(2026, 11, 1))
    assert (begun.month, begun.month_to_date) == (date(2026, 11, 1), 0.0)
