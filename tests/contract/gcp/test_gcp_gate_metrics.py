"""What the gates read of Cloud Monitoring: from a plain server that knows no emulator, and from the embedded one."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import monitoring_v3

from brconsole.domain.environment import Environment
from brconsole.domain.fleet import RevisionKey
from brconsole.gcp.gate_metrics import THRESHOLD_LABEL
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Clock, Cloud, GateMetrics
from brconsole.wiring import ConnectionOptions, open_cloud

SERIES = "/google.monitoring.v3.MetricService/ListTimeSeries"
EXPLICIT = {"explicit_buckets": {"bounds": [100, 300, 500]}}


def interval(end: datetime, back: int) -> dict[str, datetime]:
    return {"start_time": end - timedelta(minutes=back + 1), "end_time": end - timedelta(minutes=back)}


def answers(google: Any, *messages: dict[str, Any]) -> None:
    reply = monitoring_v3.ListTimeSeriesResponse(time_series=list(messages))
    google.on(SERIES, monitoring_v3.ListTimeSeriesRequest, lambda *_: reply)


def counted(end: datetime, revision: str, kind: str, points: dict[int, int]) -> dict[str, Any]:
    return {
        "metric": {"labels": {"response_code_class": kind}},
        "resource": {"type": "cloud_run_revision", "labels": {"revision_name": revision}},
        "value_type": "INT64",
        "points": [
            {"interval": interval(end, back), "value": {"int64_value": value}} for back, value in points.items()
        ],
    }


def timed(end: datetime, revision: str, points: dict[int, list[int]], options: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": {"type": "cloud_run_revision", "labels": {"revision_name": revision}},
        "value_type": "DISTRIBUTION",
        "points": [
            {
                "interval": interval(end, back),
                "value": {
                    "distribution_value": {
                        "count": sum(buckets),
                        "bucket_counts": buckets,
                        "bucket_options": options,
                    }
                },
            }
            for back, buckets in points.items()
        ],
    }


def gates(cloud: Cloud) -> GateMetrics:
    assert cloud.gate_metrics is not None
    return cloud.gate_metrics


async def test_both_arms_come_in_one_call_by_revision_and_class(google: Any, connect: Any, end: datetime) -> None:
    answers(
        google,
        counted(end, "a1", "2xx", {2: 90, 3: 95}),
        counted(end, "a1", "5xx", {3: 5}),
        counted(end, "a2", "4xx", {2: 3}),
        counted(end, "a2", "5xx", {2: 2}),
    )
    cloud, _ = await connect()

    found = await gates(cloud).gate_requests('a"pi', end, 300, 60)

    assert found["a1"].requests.values == (0, 100, 90, None, None)
    assert found["a1"].errors.values == (0, 5, 0, None, None)
    assert found["a2"].requests.values == (0, 0, 5, None, None)
    assert found["a2"].errors.values == (0, 0, 2, None, None)
    (request,) = google.requests("ListTimeSeries")
    assert request.filter == (
        '(metric.type = "run.googleapis.com/request_count") AND (resource.type = "cloud_run_revision")'
        ' AND (resource.labels.service_name = "a\\"pi") AND (resource.labels.location = "us-central1")'
    )
    assert request.aggregation.per_series_aligner.name == "ALIGN_DELTA"
    assert request.aggregation.cross_series_reducer.name == "REDUCE_SUM"
    assert list(request.aggregation.group_by_fields) == [
        "resource.labels.revision_name",
        "metric.labels.response_code_class",
    ]


@pytest.mark.parametrize(
    ("threshold", "bound", "slow"),
    [(300, "300", 6), (299, "300", 6), (301, "500", 4), (100, "100", 10), (1, "100", 10), (9000, "500", 4)],
)
async def test_slow_requests_are_counted_from_the_next_bound_which_is_told(
    google: Any, connect: Any, end: datetime, threshold: float, bound: str, slow: int
) -> None:
    # Trailing empty buckets are left out, as Google does.
    answers(google, timed(end, "a1", {1: [7, 4, 2, 4], 2: [9], 3: []}, EXPLICIT))
    cloud, _ = await connect()

    found = (await gates(cloud).slow_requests("api", threshold, end, 240, 60))["a1"]

    assert found.requests.values == (0, 9, 17, None)
    assert found.errors.values == (0, 0, slow, None)
    assert found.errors.labels == found.requests.labels == {THRESHOLD_LABEL: bound}


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"linear_buckets": {"num_finite_buckets": 3, "width": 100, "offset": 50}}, "350"),
        ({"exponential_buckets": {"num_finite_buckets": 3, "growth_factor": 2, "scale": 50}}, "400"),
    ],
)
async def test_every_form_of_buckets_is_understood(
    google: Any, connect: Any, end: datetime, options: dict[str, Any], bound: str
) -> None:
    answers(google, timed(end, "a1", {0: [1, 1, 1, 1, 8]}, options))
    cloud, _ = await connect()

    found = (await gates(cloud).slow_requests("api", 300, end, 60, 60))["a1"]

    assert found.errors.values == (8,)
    assert found.errors.labels == {THRESHOLD_LABEL: bound}


async def test_a_distribution_without_its_buckets_is_unreadable_not_fast(
    google: Any, connect: Any, end: datetime
) -> None:
    message = timed(end, "a1", {0: [5]}, EXPLICIT)
    message["points"][0]["value"]["distribution_value"]["bucket_counts"] = []
    answers(google, message)
    cloud, _ = await connect()

    with pytest.raises(SourceFailure) as raised:
        await gates(cloud).slow_requests("api", 300, end, 60, 60)

    assert raised.value.kind is FailureKind.UNREADABLE


async def test_no_data_is_no_series_and_never_zero(google: Any, connect: Any, end: datetime) -> None:
    answers(google)
    cloud, _ = await connect()

    assert await gates(cloud).gate_requests("api", end, 300, 60) == {}
    assert await gates(cloud).slow_requests("api", 300, end, 300, 60) == {}
    assert await gates(cloud).job_outcomes("worker-extract", end, 300, 60) == {}


async def test_the_embedded_cloud_agrees_with_the_other_metrics(emulator: Any, tmp_path: Path) -> None:
    embedded = await emulator(scenario="demo")
    options = ConnectionOptions(
        f"127.0.0.1:{embedded.grpc_port}", f"127.0.0.1:{embedded.http_port}", state_folder=tmp_path
    )
    async with contextlib.AsyncExitStack() as stack:
        environment = Environment("prod", "bytereview-prod", "us-central1")
        opened: tuple[Cloud, Clock] = await stack.enter_async_context(open_cloud(environment, options))
        cloud, clock = opened
        await clock.synchronise()
        now = clock.now()
        assert now is not None
        end = now.replace(second=0, microsecond=0) - timedelta(minutes=5)

        arms = await gates(cloud).gate_requests("api", end, 600, 60)
        slow = await gates(cloud).slow_requests("api", 290, end, 600, 60)
        every = await cloud.metrics.requests(end, 600, 60)
        outcomes = await gates(cloud).job_outcomes("worker-extract", end, 600, 60)
        finished = await cloud.metrics.jobs_finished(end, 600, 60)

    assert len(arms) == 2
    for revision, series in arms.items():
        assert series.requests.values == every[RevisionKey("api", revision)].requests.values
        assert series.errors.values == every[RevisionKey("api", revision)].errors.values
        assert slow[revision].requests.values == series.requests.values
        assert 0 < (slow[revision].errors.total(600) or 0) < (series.requests.total(600) or 0)
        assert slow[revision].errors.labels == {THRESHOLD_LABEL: "300"}
    assert set(outcomes) == {"complete", "failed", "retried"}
    total = sum(series.total(600) or 0 for series in outcomes.values())
    assert total == finished["extract"].total(600)
