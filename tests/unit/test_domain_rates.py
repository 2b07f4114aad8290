"""Rates: one window for all, and unknown is not zero."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import CLOSED, START, environment, series, service

from brconsole.domain.fleet import ColdStarts, Fleet, RequestSeries, RevisionKey
from brconsole.domain.freshness import Reading
from brconsole.domain.rates import error_ratio_series, revision_rates, service_rates, service_requests
from brconsole.domain.requests import RequestTable
from brconsole.domain.series import Series

A, B = RevisionKey("api", "api-1"), RevisionKey("api", "api-2")


def fleet(rows: dict[RevisionKey, RequestSeries], **readings: object) -> Fleet:
    services = (service("api"), service("idle"), service("worker-extract"))
    return Fleet(
        environment(),
        START,
        services=Reading(services, START),
        requests=Reading(RequestTable(rows, CLOSED), CLOSED),
        **readings,  # type: ignore[arg-type]
    )


def row(requests: Series, errors: Series | None = None) -> RequestSeries:
    return RequestSeries(requests, errors or Series(requests.end, 60, (0.0,) * len(requests.values)))


ROWS = {A: row(series(*[95] * 10)), B: row(series(*[5] * 10), series(*[1] * 10))}


def test_a_service_is_the_sum_of_its_revisions() -> None:
    rates = service_rates(fleet(ROWS), "api")
    assert rates.requests_per_s == pytest.approx(100 / 60)
    assert rates.error_ratio == pytest.approx(0.01)
    assert revision_rates(fleet(ROWS), B) == (pytest.approx(5 / 60), pytest.approx(0.2))


def test_a_plain_mapping_gives_the_same_answer_as_a_table() -> None:
    plain = Fleet(environment(), START, requests=Reading(ROWS, CLOSED))
    assert service_requests(plain, "api") == service_requests(fleet(ROWS), "api")
    assert service_requests(plain, "other") is None


def test_a_revision_that_stopped_serving_has_no_requests_in_the_window_of_the_others() -> None:
    stopped = {A: row(series(*[95] * 10)), B: row(series(*[5] * 10, end=CLOSED - timedelta(minutes=10)))}
    assert revision_rates(fleet(stopped), B) == (0, None)
    assert service_rates(fleet(stopped), "api").requests_per_s == pytest.approx(95 / 60)


def test_a_service_without_requests_has_none_and_a_worker_has_no_column() -> None:
    assert service_rates(fleet(ROWS), "idle").requests_per_s == 0
    assert service_rates(fleet(ROWS), "idle").error_ratio is None
    worker = service_rates(fleet(ROWS), "worker-extract")
    assert (worker.requests_per_s, worker.error_ratio, worker.latency_p95_ms) == (None, None, None)


def test_what_was_not_read_is_unknown() -> None:
    blank = Fleet(environment(), START)
    assert service_rates(blank, "api").requests_per_s is None
    assert revision_rates(blank, A) == (None, None)


def test_an_old_percentile_is_not_the_present() -> None:
    latency = {
        "api": series(180.0, None, period_s=300),
        "idle": series(180.0, 190.0, period_s=300),
    }
    of = fleet(ROWS, latency=Reading(latency, CLOSED), cold_starts=Reading({"api": ColdStarts(900.0)}, CLOSED))
    assert service_rates(of, "api").latency_p95_ms is None
    assert service_rates(of, "idle").latency_p95_ms == 190
    assert service_rates(of, "api").cold_start_p95_ms == 900


def test_the_error_ratio_is_a_gap_without_requests_and_zero_without_errors() -> None:
    requests = RequestSeries(series(None, 0, 10, 10), series(None, 5))
    assert error_ratio_series(requests).values == (None, None, 0.0, 0.5)
