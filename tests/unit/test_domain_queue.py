"""Queues: arrivals, growth and when a backlog is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import CLOSED, flat, series
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.queue import QueueStatus, report

DEPTHS = st.lists(st.integers(0, 50_000), min_size=6, max_size=30)
FINISHED = st.lists(st.integers(0, 5_000), min_size=5, max_size=10)


@given(DEPTHS, FINISHED)
def test_what_arrives_is_what_left_and_what_stayed(depths: list[int], finished: list[int]) -> None:
    queue = report("extract", series(*depths), None, series(*finished))
    growth = (depths[-1] - depths[-6]) / 300
    assert queue.completions_per_s == pytest.approx(sum(finished[-5:]) / 300)
    assert queue.arrivals_per_s is not None
    assert queue.completions_per_s is not None
    assert queue.arrivals_per_s == pytest.approx(max(0.0, queue.completions_per_s + growth))


@given(DEPTHS)
def test_a_backlog_drains_at_the_pace_it_shrinks_or_not_at_all(depths: list[int]) -> None:
    queue = report("extract", series(*depths), None, None)
    shrinks_per_s = (depths[-6] - depths[-1]) / 300
    if depths[-1] == 0:
        assert queue.drain_eta_s == 0
    elif shrinks_per_s <= 0:
        assert queue.drain_eta_s is None
    else:
        assert queue.drain_eta_s == pytest.approx(depths[-1] / shrinks_per_s)


def test_a_queue_that_keeps_up_has_no_time_at_which_it_is_drained() -> None:
    finished = flat(600, CLOSED, 600, 60)
    wavers = series(*[40] * 5, 39, 38, 38, 37, 37)
    assert report("extract", wavers, 4.0, finished).drain_eta_s is None
    backlog = series(*[4000] * 5, 3900, 3800, 3700, 3600, 3500)
    assert report("extract", backlog, 300.0, finished).drain_eta_s == pytest.approx(3500 / (500 / 300))


@given(st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=12))
def test_gaps_never_break_a_report_nor_turn_into_zero(depths: list[int | None]) -> None:
    queue = report("extract", series(*depths), None, series(*depths))
    if all(value is None for value in depths[-5:]):
        assert queue.depth is None
        assert queue.status is QueueStatus.UNKNOWN
        assert queue.completions_per_s is None
    else:
        assert queue.depth == next(value for value in reversed(depths) if value is not None)


def test_the_newest_point_counts_though_the_window_reaches_further() -> None:
    queue = report("extract", series(100, 200, 300, 400, 500, 600, 700, None, None, None), None, None)
    assert queue.depth == 700
    assert queue.drain_eta_s is None


def test_a_silent_exporter_makes_the_depth_unknown() -> None:
    depth = series(*[500] * 10)
    assert report("extract", depth, None, None, at=CLOSED + timedelta(minutes=4)).depth == 500
    silent = report("extract", depth, None, None, at=CLOSED + timedelta(minutes=5))
    assert silent.depth is None
    assert silent.status is QueueStatus.UNKNOWN
    assert silent.drain_eta_s is None


def test_a_queue_without_its_count_of_jobs_has_no_arrivals() -> None:
    queue = report("extract", flat(10, CLOSED, 600, 60), 3.0, None)
    assert queue.arrivals_per_s is None
    assert queue.oldest_age_s == 3.0


@pytest.mark.parametrize(
    ("depth", "status"),
    [(0, QueueStatus.OK), (5000, QueueStatus.OK), (5001, QueueStatus.WARN), (10_001, QueueStatus.CRITICAL)],
)
def test_a_queue_is_judged_by_its_alert_depth(depth: int, status: QueueStatus) -> None:
    assert report("extract", series(*[depth] * 10), None, None).status is status
