"""Service Monitoring as the console reads it, from a plain server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from google.cloud import monitoring_v3

from brconsole.domain.slo import Objective

SERVICES = "/google.monitoring.v3.ServiceMonitoringService/ListServices"
OBJECTIVES = "/google.monitoring.v3.ServiceMonitoringService/ListServiceLevelObjectives"
SERIES = "/google.monitoring.v3.MetricService/ListTimeSeries"
NUMBERED = "projects/123456/services"
AVAILABILITY = Objective("api", "availability", f"{NUMBERED}/s-api/serviceLevelObjectives/availability", 0.999, 30)


def point(end: datetime, minutes: int, **value: Any) -> dict[str, Any]:
    at = end - timedelta(minutes=minutes)
    return {"interval": {"start_time": at - timedelta(minutes=1), "end_time": at}, "value": value}


async def test_objectives_are_told_by_the_cloud_run_service_they_speak_of(google: Any, connect: Any) -> None:
    services = [
        {"name": f"{NUMBERED}/s-api", "cloud_run": {"service_name": "api", "location": "us-central1"}},
        {
            "name": f"{NUMBERED}/s-web",
            "basic_service": {
                "service_type": "CLOUD_RUN",
                "service_labels": {"service_name": "web", "location": "us-central1"},
            },
        },
        {"name": f"{NUMBERED}/s-far", "cloud_run": {"service_name": "far", "location": "europe-west1"}},
        {"name": f"{NUMBERED}/s-own", "custom": {}},
    ]
    latencies = 'metric.type="run.googleapis.com/request_latencies"'
    objectives = [
        {
            "name": f"{NUMBERED}/s-api/serviceLevelObjectives/availability",
            "display_name": "99.9 % \x1b available",
            "goal": 0.999,
            "rolling_period": timedelta(days=28),
            "service_level_indicator": {"basic_sli": {"availability": {}}},
        },
        {
            "name": f"{NUMBERED}/s-api/serviceLevelObjectives/latency",
            "goal": 0.95,
            "calendar_period": "WEEK",
            "service_level_indicator": {"basic_sli": {"latency": {"threshold": timedelta(milliseconds=400)}}},
        },
        {
            "name": f"{NUMBERED}/s-web/serviceLevelObjectives/cut",
            "goal": 0.9,
            "rolling_period": timedelta(days=30),
            "service_level_indicator": {
                "request_based": {"distribution_cut": {"distribution_filter": latencies, "range_": {"max_": 800}}}
            },
        },
        {
            "name": f"{NUMBERED}/s-web/serviceLevelObjectives/other",
            "goal": 0.9,
            "rolling_period": timedelta(days=30),
            "service_level_indicator": {"windows_based": {"window_period": timedelta(minutes=5)}},
        },
        {"name": f"{NUMBERED}/s-far/serviceLevelObjectives/x", "goal": 0.9},
        {"name": f"{NUMBERED}/s-own/serviceLevelObjectives/x", "goal": 0.9},
    ]
    google.on(
        SERVICES, monitoring_v3.ListServicesRequest, lambda *_: monitoring_v3.ListServicesResponse(services=services)
    )
    google.on(
        OBJECTIVES,
        monitoring_v3.ListServiceLevelObjectivesRequest,
        lambda *_: monitoring_v3.ListServiceLevelObjectivesResponse(service_level_objectives=objectives),
    )
    cloud, _ = await connect()

    found = await cloud.slos.objectives()

    assert [(one.service, one.name, one.kind, one.goal, one.period_days, one.threshold_ms) for one in found] == [
        ("api", "availability", "availability", 0.999, 28, None),
        ("api", "latency", "latency", 0.95, 7, 400),
        ("web", "cut", "latency", 0.9, 30, 800),
        ("web", "other", "other", 0.9, 30, None),
    ]
    assert found[0].display_name == "99.9 % \ufffd available"
    assert found[0].resource == f"{NUMBERED}/s-api/serviceLevelObjectives/availability"
    assert [request.parent for request in google.requests("ListServiceLevelObjectives")] == [
        "workspaces/bytereview-prod/services/-"
    ]


async def test_the_budget_left_is_the_newest_point_and_none_without_points(
    google: Any, connect: Any, end: datetime
) -> None:
    rows: list[dict[str, Any]] = [
        {"points": [point(end, 3, double_value=0.71), point(end, 4, double_value=0.9)], "value_type": "DOUBLE"}
    ]
    google.on(
        SERIES,
        monitoring_v3.ListTimeSeriesRequest,
        lambda *_: monitoring_v3.ListTimeSeriesResponse(time_series=rows),
    )
    cloud, _ = await connect()

    assert await cloud.slos.budget_remaining(AVAILABILITY, end) == 0.71
    rows.clear()
    assert await cloud.slos.budget_remaining(AVAILABILITY, end) is None

    filter_ = google.requests("ListTimeSeries")[0].filter
    assert filter_ == f'select_slo_budget_fraction("{AVAILABILITY.resource}")'


async def test_good_and_bad_events_are_counted_by_interval(google: Any, connect: Any, end: datetime) -> None:
    rows = [
        {
            "metric": {"labels": {"event_type": "good"}},
            "value_type": "DOUBLE",
            "points": [point(end, 1, double_value=99), point(end, 2, double_value=100)],
        },
        {
            "metric": {"labels": {"event_type": "bad"}},
            "value_type": "DOUBLE",
            "points": [point(end, 1, double_value=1)],
        },
    ]
    google.on(
        SERIES,
        monitoring_v3.ListTimeSeriesRequest,
        lambda *_: monitoring_v3.ListTimeSeriesResponse(time_series=rows),
    )
    cloud, _ = await connect()

    good, bad = await cloud.slos.good_and_bad(AVAILABILITY, end, 180, 60)

    assert (good.values, bad.values) == ((100, 99, None), (0, 1, None))
