"""Cloud Monitoring as the console reads it, from a plain server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud import monitoring_v3

from brconsole.domain.alert import Condition
from brconsole.domain.fleet import RevisionKey
from brconsole.operations.failure import FailureKind, SourceFailure

SERIES = "/google.monitoring.v3.MetricService/ListTimeSeries"
POLICIES = "/google.monitoring.v3.AlertPolicyService/ListAlertPolicies"
REQUESTS = "run.googleapis.com/request_count"


def series(
    end: datetime,
    points: dict[int, float],
    resource: dict[str, str] | None = None,
    metric: dict[str, str] | None = None,
    value_type: str = "INT64",
) -> dict[str, Any]:
    """A TimeSeries whose points end so many minutes before `end`; newest first, as Google gives them."""
    field = "int64_value" if value_type == "INT64" else "double_value"
    return {
        "metric": {"type": REQUESTS, "labels": metric or {}},
        "resource": {"type": "cloud_run_revision", "labels": {"project_id": "bytereview-prod", **(resource or {})}},
        "value_type": value_type,
        "points": [
            {
                "interval": {
                    "start_time": end - timedelta(minutes=back + 1),
                    "end_time": end - timedelta(minutes=back),
                },
                "value": {field: value if value_type != "INT64" else int(value)},
            }
            for back, value in sorted(points.items())
        ],
    }


def answers(google: Any, *messages: dict[str, Any], **fields: Any) -> None:
    reply = monitoring_v3.ListTimeSeriesResponse(time_series=list(messages), **fields)
    google.on(SERIES, monitoring_v3.ListTimeSeriesRequest, lambda *_: reply)


async def test_requests_are_one_grouped_call_and_add_up_by_revision(google: Any, connect: Any, end: datetime) -> None:
    stable, canary = {"service_name": "api", "revision_name": "a1"}, {"service_name": "api", "revision_name": "a2"}
    answers(
        google,
        series(end, {2: 100, 3: 90}, stable, {"response_code_class": "2xx"}),
        series(end, {3: 10}, stable, {"response_code_class": "5xx"}),
        series(end, {2: 5}, canary, {"response_code_class": "2xx"}),
    )
    cloud, _ = await connect()

    requests = await cloud.metrics.requests(end, 300, 60)

    assert requests[RevisionKey("api", "a1")].requests.values == (0, 100, 100, None, None)
    assert requests[RevisionKey("api", "a1")].errors.values == (0, 10, 0, None, None)
    assert requests[RevisionKey("api", "a2")].requests.values == (0, 0, 5, None, None)
    assert requests[RevisionKey("api", "a2")].errors.values == (0, 0, 0, None, None)
    assert requests[RevisionKey("api", "a1")].requests.end == end
    (request,) = google.requests("ListTimeSeries")
    assert request.filter == (
        '(metric.type = "run.googleapis.com/request_count") AND (resource.type = "cloud_run_revision")'
        ' AND (resource.labels.location = "us-central1")'
    )
    assert request.aggregation.per_series_aligner.name == "ALIGN_DELTA"
    assert request.aggregation.cross_series_reducer.name == "REDUCE_SUM"
    assert request.interval.end_time == end
    assert request.interval.start_time == end - timedelta(minutes=5)
    assert cloud.meter.series_returned() == 3


async def test_a_gauge_keeps_its_gaps(google: Any, connect: Any, end: datetime) -> None:
    answers(google, series(end, {0: 181.5, 2: 190}, {"service_name": "api"}, value_type="DOUBLE"))
    cloud, _ = await connect()

    latency = await cloud.metrics.latency_p95(end, 180, 60)

    assert latency["api"].values == (190, None, 181.5)
    (request,) = google.requests("ListTimeSeries")
    assert request.aggregation.cross_series_reducer.name == "REDUCE_PERCENTILE_95"
    assert request.aggregation.per_series_aligner.name == "ALIGN_DELTA"


async def test_a_service_name_cannot_break_out_of_the_filter(google: Any, connect: Any, end: datetime) -> None:
    answers(google)
    cloud, _ = await connect()

    assert await cloud.metrics.latency_p95_by_revision('a" OR "b\\', end, 300, 60) == {}

    (request,) = google.requests("ListTimeSeries")
    assert '(resource.labels.service_name = "a\\" OR \\"b\\\\")' in request.filter


async def test_an_answer_that_says_it_is_incomplete_is_no_answer(google: Any, connect: Any, end: datetime) -> None:
    answers(
        google,
        series(end, {0: 1}, {"service_name": "api", "revision_name": "a1"}),
        execution_errors=[{"code": 14, "message": "a \x1b[1mshard was down"}],
    )
    cloud, _ = await connect()

    with pytest.raises(SourceFailure, match="the data is incomplete: a \ufffd") as raised:
        await cloud.metrics.requests(end, 300, 60)

    assert raised.value.kind is FailureKind.UNREADABLE


async def test_a_metric_that_nobody_wrote_has_no_queues(google: Any, connect: Any, end: datetime) -> None:
    import grpc

    async def unknown(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.NOT_FOUND, 'Cannot find metric(s) that match type = "custom…/arq/jobs".')

    google.on(SERIES, monitoring_v3.ListTimeSeriesRequest, unknown)
    cloud, _ = await connect()

    assert await cloud.metrics.jobs_finished(end, 300, 60) == {}


async def test_finished_jobs_count_minutes_without_points_as_none_finished(
    google: Any, connect: Any, end: datetime
) -> None:
    answers(
        google,
        series(end, {1: 7}, metric={"queue": "extract"}),
        series(end, {2: 3}, metric={"queue": "import"}),
        series(end, {2: 3}, metric={"queue": ""}),
    )
    cloud, _ = await connect()

    jobs = await cloud.metrics.jobs_finished(end, 180, 60)

    assert {queue: series.values for queue, series in jobs.items()} == {
        "extract": (0, 7, None),
        "import": (3, 0, None),
    }


async def test_a_ratio_is_divided_by_subject_and_has_no_value_without_traffic(
    google: Any, connect: Any, end: datetime
) -> None:
    def answer(request: monitoring_v3.ListTimeSeriesRequest, _: Any) -> monitoring_v3.ListTimeSeriesResponse:
        if "5xx" in request.filter:
            rows = [series(end, {0: 4}, {"service_name": "api"}), series(end, {0: 1}, {"service_name": "gone"})]
        else:
            rows = [
                series(end, {0: 100, 1: 50}, {"service_name": "api"}),
                series(end, {0: 10}, {"service_name": "web"}),
            ]
        return monitoring_v3.ListTimeSeriesResponse(time_series=rows)

    google.on(SERIES, monitoring_v3.ListTimeSeriesRequest, answer)
    cloud, _ = await connect()
    by_service = ("resource.labels.service_name",)
    condition = Condition(
        "threshold",
        0.02,
        filter='metric.labels.response_code_class = "5xx"',
        denominator_filter="everything",
        aligner="ALIGN_DELTA",
        reducer="REDUCE_SUM",
        group_by=by_service,
        denominator_aligner="ALIGN_DELTA",
        denominator_reducer="REDUCE_SUM",
        denominator_group_by=by_service,
    )

    found = await cloud.metrics.condition(condition, end, 180)

    assert [(dict(row.labels), row.values) for row in found] == [
        ({"service_name": "api"}, (None, 0, 0.04)),
        ({"service_name": "web"}, (None, None, 0)),
    ]


async def test_policies_keep_what_is_understood_and_never_drop_the_rest(google: Any, connect: Any) -> None:
    threshold = {
        "condition_threshold": {
            "filter": "f",
            "denominator_filter": "d",
            "comparison": "COMPARISON_GT",
            "threshold_value": 0.02,
            "duration": timedelta(minutes=5),
            "aggregations": [
                {
                    "alignment_period": timedelta(seconds=120),
                    "per_series_aligner": "ALIGN_RATE",
                    "cross_series_reducer": "REDUCE_SUM",
                    "group_by_fields": ["resource.labels.service_name"],
                }
            ],
        }
    }
    listed = [
        {
            "name": "projects/p/alertPolicies/1",
            "display_name": "5xx [red]\x1b",
            "combiner": "AND_WITH_MATCHING_RESOURCE",
            "severity": "CRITICAL",
            "conditions": [threshold, {"condition_absent": {"filter": "a", "duration": timedelta(minutes=10)}}],
        },
        {
            "name": "projects/p/alertPolicies/2",
            "display_name": "by promql",
            "combiner": "OR",
            "user_labels": {"severity": "info"},
            "enabled": False,
            "conditions": [
                threshold,
                {"condition_prometheus_query_language": {"query": "up == 0"}},
            ],
        },
    ]
    google.on(
        POLICIES,
        monitoring_v3.ListAlertPoliciesRequest,
        lambda *_: monitoring_v3.ListAlertPoliciesResponse(alert_policies=listed),
    )
    cloud, _ = await connect()

    ratio, foreign = await cloud.metrics.policies()

    assert ratio.name == "5xx [red]\ufffd"
    assert (ratio.combiner, ratio.severity, ratio.enabled) == ("AND_WITH_MATCHING_RESOURCE", "critical", True)
    over, absent = ratio.conditions
    assert (over.kind, over.threshold, over.duration_s, over.comparison) == ("threshold", 0.02, 300, ">")
    assert (over.alignment_period_s, over.aligner, over.reducer) == (120, "ALIGN_RATE", "REDUCE_SUM")
    assert over.group_by == ("resource.labels.service_name",)
    assert (absent.kind, absent.filter, absent.duration_s) == ("absence", "a", 600)
    assert (foreign.name, foreign.conditions, foreign.severity, foreign.enabled) == ("by promql", (), "info", False)


async def test_a_policy_says_what_silence_means(google: Any, connect: Any) -> None:
    def listed(missing: str) -> dict[str, Any]:
        above = {"filter": "f", "comparison": "COMPARISON_GT", "evaluation_missing_data": missing}
        return {"display_name": missing, "combiner": "OR", "conditions": [{"condition_threshold": above}]}

    words = [f"EVALUATION_MISSING_DATA_{word}" for word in ("INACTIVE", "NO_OP", "ACTIVE")]
    google.on(
        POLICIES,
        monitoring_v3.ListAlertPoliciesRequest,
        lambda *_: monitoring_v3.ListAlertPoliciesResponse(alert_policies=[listed(word) for word in words]),
    )
    cloud, _ = await connect()

    inactive, no_op, active = await cloud.metrics.policies()

    assert inactive.conditions[0].silence_is_fine
    assert not no_op.conditions[0].silence_is_fine
    assert active.conditions == (), "what fires on silence is not understood, and so unknown"


async def test_live_limits_need_to_know_the_time(connect: Any) -> None:
    cloud, clock = await connect(synchronise=False)
    assert clock.now() is None

    with pytest.raises(SourceFailure, match="the time of the simulation is not known yet"):
        await cloud.metrics.quota_limits()


async def test_live_limits_are_read_by_metric_and_shown_beside_the_calls(
    google: Any, connect: Any, end: datetime
) -> None:
    def limit(metric: str, name: str, value: int, location: str, at: datetime) -> dict[str, Any]:
        labels = {"quota_metric": metric, "limit_name": name}
        return series(at, {0: value}, {"location": location}, labels)

    def answer(request: monitoring_v3.ListTimeSeriesRequest, _: Any) -> monitoring_v3.ListTimeSeriesResponse:
        at = request.interval.end_time
        rows = [
            limit("run.googleapis.com/read_regional", "ReadPerMinutePerProjectRegion", 3000, "us-central1", at),
            limit("run.googleapis.com/read_regional", "ReadPerMinutePerProjectRegion", 60, "europe-west1", at),
            limit("monitoring.googleapis.com/time_series_queries", "QueriesPerMinutePerProject", 480, "global", at),
            limit("run.googleapis.com/jobs", "JobsPerDayPerProject", 9, "global", at),
        ]
        return monitoring_v3.ListTimeSeriesResponse(time_series=rows)

    google.on(SERIES, monitoring_v3.ListTimeSeriesRequest, answer)
    cloud, _ = await connect()

    limits = await cloud.metrics.quota_limits()

    assert limits == {
        "run.googleapis.com/read_regional": 3000,
        "monitoring.googleapis.com/time_series_queries": 480,
    }
    assert [(use.api, use.limit_per_minute) for use in cloud.meter.use()] == [("Cloud Monitoring", 480)]
