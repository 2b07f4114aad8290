"""Alerts: when a condition holds, for whom, and what a policy makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fakes import CLOSED, environment, series
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.alert import (
    AlertState,
    Condition,
    ConditionReport,
    Policy,
    combine,
    evaluate,
    evaluate_series,
    judge,
)
from brconsole.domain.environment import QueueSettings
from brconsole.domain.specification import expected_subjects, policies

OK, PENDING, FIRING, UNKNOWN = AlertState.OK, AlertState.PENDING, AlertState.FIRING, AlertState.UNKNOWN


def depth(duration_s: int = 600, **changes: Any) -> Condition:
    """A gauge over 100 for some minutes."""
    return Condition("threshold", 100, duration_s, aligner="ALIGN_MAX", **changes)


def errors(duration_s: int = 300) -> Condition:
    """A ratio of counts over 2 %."""
    return Condition("threshold", 0.02, duration_s, denominator_filter="x", aligner="ALIGN_DELTA")


def absent(duration_s: int = 600) -> Condition:
    return Condition("absence", 0, duration_s, aligner="ALIGN_MAX")


@given(st.integers(0, 20), st.integers(0, 20))
def test_an_alert_fires_exactly_when_it_has_held_for_its_duration(minutes_over: int, duration: int) -> None:
    report = evaluate_series(depth(duration * 60), series(*[50] * 3, *[500] * minutes_over))
    if minutes_over == 0:
        assert report.state is OK
    else:
        assert report.state is (FIRING if minutes_over >= duration else PENDING)
        assert report.since == CLOSED - timedelta(minutes=minutes_over)


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_gap_ends_the_run(before: int, after: int) -> None:
    report = evaluate_series(depth(600), series(*[500] * before, None, *[500] * after))
    assert report.since == CLOSED - timedelta(minutes=after)
    assert report.state is (FIRING if after >= 10 else PENDING)


def test_the_threshold_itself_is_not_over_it() -> None:
    assert evaluate_series(depth(), series(100, 100)).state is OK


def test_a_gauge_that_nobody_reports_is_unknown_and_never_ok() -> None:
    assert evaluate_series(depth(), series(None, None)).state is UNKNOWN
    assert evaluate_series(depth(), series(50, 50, None, None, None)).state is UNKNOWN
    assert evaluate_series(depth(), series(50, 50, None, None)).state is OK, "two late points are ordinary"
    assert judge(Policy("p", (depth(),)), [evaluate(depth(), (), CLOSED)]).state is UNKNOWN


def test_a_gauge_whose_silence_is_fine_is_ok_without_points_and_fires_with_them() -> None:
    overdue = depth(60, silence_is_fine=True)
    assert [report.state for report in evaluate(overdue, (), CLOSED)] == [OK]
    assert evaluate_series(overdue, series(500, 500, None, None, None)).state is OK
    assert evaluate_series(overdue, series(500, 500)).state is FIRING


def test_a_ratio_without_requests_is_not_over() -> None:
    assert evaluate_series(errors(), series(0.5, 0.5, None)).state is OK
    assert judge(Policy("p", (errors(),)), [evaluate(errors(), (), CLOSED)]).state is OK


def test_a_series_that_stopped_before_the_evaluated_minute_does_not_speak_for_it() -> None:
    old = series(*[500] * 20, end=CLOSED - timedelta(minutes=30))
    assert evaluate(depth(), [old], CLOSED)[0].state is UNKNOWN


@pytest.mark.parametrize(
    ("silent", "state"), [(0, OK), (4, OK), (5, PENDING), (9, PENDING), (10, FIRING), (40, FIRING)]
)
def test_an_absence_fires_after_its_duration_of_silence(silent: int, state: AlertState) -> None:
    row = series(1, 1, end=CLOSED - timedelta(minutes=silent), queue="extract")
    (report,) = evaluate(absent(), [row], CLOSED)
    assert report.state is state
    assert report.since == (None if state is OK else row.end)


def test_an_absence_looks_at_those_who_should_report_and_do_not() -> None:
    row = series(1, 1, queue="extract")
    seen = {"extract": None, "import": CLOSED - timedelta(minutes=7), "cron": None}
    reports = {report.subject: report for report in evaluate(absent(), [row], CLOSED, seen)}
    assert [reports[name].state for name in ("extract", "import", "cron")] == [OK, PENDING, FIRING]
    assert reports["cron"].since is None


def test_a_subject_may_have_a_limit_of_its_own() -> None:
    condition = depth(0, thresholds={"extract": 1000.0})
    policy = Policy("depth", (condition,))
    rows = [series(500, queue="extract"), series(500, queue="import")]
    assert judge(policy, [evaluate(condition, rows[:1], CLOSED)]).state is OK
    alert = judge(policy, [evaluate(condition, rows, CLOSED)])
    assert (alert.state, alert.subject, alert.threshold) == (FIRING, "import", 100)


def test_the_worst_series_speaks_for_the_condition() -> None:
    rows = [series(10, queue="a"), series(900, queue="b"), series(500, queue="c"), series(None, queue="d")]
    alert = judge(Policy("depth", (depth(0),)), [evaluate(depth(0), rows, CLOSED)])
    assert (alert.state, alert.subject, alert.value) == (FIRING, "b", 900)


def test_a_comparison_downwards_takes_the_lowest() -> None:
    condition = Condition("threshold", 5, 0, "<", aligner="ALIGN_MEAN")
    alert = judge(Policy("low", (condition,)), [evaluate(condition, [series(4, n="a"), series(1, n="b")], CLOSED)])
    assert (alert.state, alert.subject) == (FIRING, "b")


STATES = st.sampled_from(list(AlertState))
SEVERITY = {OK: 0, UNKNOWN: 1, PENDING: 2, FIRING: 3}


@given(st.lists(STATES, min_size=1, max_size=4))
def test_or_takes_the_worst_and_and_the_mildest(states: list[AlertState]) -> None:
    conditions = tuple(depth() for _ in states)
    reports = tuple(ConditionReport(state, None, None) for state in states)
    assert combine(Policy("p", conditions, "OR"), reports).state is max(states, key=SEVERITY.__getitem__)
    assert combine(Policy("p", conditions, "AND"), reports).state is min(states, key=SEVERITY.__getitem__)


def test_an_and_holds_since_the_last_of_its_conditions_did() -> None:
    reports = (
        ConditionReport(FIRING, CLOSED - timedelta(minutes=30), 1.0),
        ConditionReport(FIRING, CLOSED - timedelta(minutes=5), 1.0),
    )
    assert combine(Policy("p", (depth(), depth()), "AND"), reports).since == CLOSED - timedelta(minutes=5)


def test_and_may_hold_on_different_resources_unless_it_must_be_one() -> None:
    conditions = (depth(0), depth(0))
    bad_a = [ConditionReport(FIRING, CLOSED, 9.0, "a"), ConditionReport(OK, None, 1.0, "b")]
    busy_b = [ConditionReport(OK, None, 1.0, "a"), ConditionReport(FIRING, CLOSED, 9.0, "b")]
    assert judge(Policy("p", conditions, "AND"), [bad_a, busy_b]).state is FIRING
    assert judge(Policy("p", conditions, "AND_WITH_MATCHING_RESOURCE"), [bad_a, busy_b]).state is OK
    both = judge(Policy("p", conditions, "AND_WITH_MATCHING_RESOURCE"), [bad_a, bad_a])
    assert (both.state, both.subject) == (FIRING, "a")


def test_a_condition_that_cannot_be_read_makes_the_resource_unknown() -> None:
    policy = Policy("p", (depth(0), depth(0)), "AND_WITH_MATCHING_RESOURCE")
    unread = [ConditionReport(UNKNOWN, None, None)]
    assert judge(policy, [[ConditionReport(FIRING, CLOSED, 9.0, "a")], unread]).state is UNKNOWN
    assert judge(policy, [unread, unread]).state is UNKNOWN


def test_the_specification_asks_for_its_alerts_and_a_dead_exporter_pages() -> None:
    by_name = {policy.name: policy for policy in policies(environment())}
    assert {name for name, policy in by_name.items() if policy.pages} == {
        "API error rate",
        "Worker queue depth is not reported",
    }
    assert by_name["Worker queue depth"].conditions[0].threshold == 10_000
    assert by_name["Worker queue depth"].conditions[0].duration_s == 600
    assert by_name["API error rate"].conditions[0].threshold == 0.02
    assert by_name["Cloud Run cold-start latency"].conditions[0].threshold == 5000


def test_configuration_gives_queues_their_limits_and_says_which_exist() -> None:
    configured = environment(queues={"extract": QueueSettings(alert_depth=200)})
    by_name = {policy.name: policy for policy in policies(configured)}
    assert by_name["Worker queue depth"].conditions[0].limit("extract") == 200
    assert by_name["Worker queue depth"].conditions[0].limit("import") == 10_000
    (silence,) = by_name["Worker queue depth is not reported"].conditions
    assert expected_subjects(configured, silence) == {"extract"}
    assert not expected_subjects(configured, depth(filter='metric.type = "other"'))
