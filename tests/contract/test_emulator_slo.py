"""Services, objectives and the SLO selectors of the embedded Cloud Monitoring, through Google's own clients."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports.grpc_asyncio import MetricServiceGrpcAsyncIOTransport
from google.cloud.monitoring_v3.services.service_monitoring_service.transports.grpc_asyncio import (
    ServiceMonitoringServiceGrpcAsyncIOTransport,
)

PROJECT = "bytereview-prod"
DAY = 86_400


class Clients:
    def __init__(self, cloud, channel):
        self.world = cloud.cloud.world
        self.project = cloud.cloud.project(PROJECT)
        self.services = monitoring_v3.ServiceMonitoringServiceAsyncClient(
            transport=ServiceMonitoringServiceGrpcAsyncIOTransport(channel=channel)
        )
        self.metrics = monitoring_v3.MetricServiceAsyncClient(
            transport=MetricServiceGrpcAsyncIOTransport(channel=channel)
        )
        # Everything has arrived by then.
        self.end = int(cloud.cloud.now() // 60) * 60 - 600

    async def objectives(self, parent):
        return [one async for one in await self.services.list_service_level_objectives(parent=parent)]

    async def select(self, filter_, window_s=60, period_s=0, aligner="ALIGN_NONE"):
        request = {
            "name": f"projects/{PROJECT}",
            "filter": filter_,
            "interval": {"start_time": {"seconds": self.end - window_s}, "end_time": {"seconds": self.end}},
        }
        if period_s:
            request["aggregation"] = {"alignment_period": {"seconds": period_s}, "per_series_aligner": aligner}
        return [one async for one in await self.metrics.list_time_series(request, retry=None, timeout=10)]

    async def newest(self, filter_):
        (one,) = await self.select(filter_)
        return one.points[0].value.double_value

    def truth(self, slo, window_s):
        """Good and bad events of the window, minute by minute at its young end, from the world itself."""
        start = self.end - window_s
        hour = self.end // 3600 * 3600
        oldest = -(-start // 3600) * 3600
        if oldest >= hour:
            parts = self.world.slo_counts(slo, start, self.end, 60)
        else:
            parts = (
                *self.world.slo_counts(slo, start, oldest, 60),
                *self.world.slo_counts(slo, oldest, hour, 3600),
                *self.world.slo_counts(slo, hour, self.end, 60),
            )
        return sum(good for _, good, _ in parts), sum(bad for _, _, bad in parts)


@pytest.fixture
async def clients(emulator, channel):
    cloud = await emulator()
    return Clients(cloud, channel(cloud))


def name_of(slo):
    return f"projects/{slo.project}/services/{slo.service}/serviceLevelObjectives/{slo.name}"


# ---------------------------------------------------------------------------------------------- services and objectives


async def test_every_service_with_an_objective_is_a_cloud_run_service(clients):
    found = [one async for one in await clients.services.list_services(parent=f"projects/{PROJECT}")]
    expected = {slo.service for slo in clients.world.slos(PROJECT)}
    assert {one.cloud_run.service_name for one in found} == expected
    assert {one.cloud_run.location for one in found} == {clients.project.region}
    assert all(one.name.startswith(f"projects/{clients.project.number}/services/") for one in found)
    assert (await clients.services.get_service(name=found[0].name)).name == found[0].name


async def test_a_workspace_lists_the_objectives_of_all_services_in_one_call(clients):
    found = await clients.objectives(f"workspaces/{PROJECT}/services/-")
    assert found
    expected = {(slo.service, slo.name): slo for slo in clients.world.slos(PROJECT)}
    assert len(found) == len(expected)
    for one in found:
        parts = one.name.split("/")
        slo = expected[parts[3], parts[5]]
        assert (one.goal, one.rolling_period.total_seconds()) == (slo.goal, slo.period_days * DAY)
        assert one.display_name == slo.display_name
        basic = one.service_level_indicator.basic_sli
        if slo.kind == "latency":
            assert basic.latency.threshold.total_seconds() * 1000 == slo.threshold_ms
        else:
            assert "availability" in basic


async def test_a_service_lists_its_own_objectives_by_id_or_number(clients):
    for project in (PROJECT, str(clients.project.number)):
        found = await clients.objectives(f"projects/{project}/services/api")
        assert {one.name.split("/")[3] for one in found} == {"api"}
        assert len(found) == sum(slo.service == "api" for slo in clients.world.slos(PROJECT))


@pytest.mark.parametrize("parent", [f"projects/{PROJECT}/services/-", f"workspaces/{PROJECT}/services/api", PROJECT])
async def test_a_parent_of_another_form_is_refused(clients, parent):
    with pytest.raises((exceptions.InvalidArgument, exceptions.PermissionDenied)) as refused:
        await clients.objectives(parent)
    assert "workspaces/ID_OR_NUMBER/services/-" in refused.value.message


async def test_what_is_not_there_is_not_found(clients):
    with pytest.raises(exceptions.NotFound):
        await clients.objectives(f"projects/{PROJECT}/services/nobody")
    with pytest.raises(exceptions.NotFound):
        await clients.services.get_service(name=f"projects/{PROJECT}/services/nobody")
    with pytest.raises(exceptions.NotFound):
        await clients.services.get_service_level_objective(
            name=f"projects/{PROJECT}/services/api/serviceLevelObjectives/nothing"
        )


async def test_lists_come_in_pages(clients):
    pager = await clients.services.list_service_level_objectives(
        {"parent": f"workspaces/{PROJECT}/services/-", "page_size": 1}
    )
    sizes = [len(page.service_level_objectives) async for page in pager.pages]
    assert sizes == [1] * len(clients.world.slos(PROJECT))


async def test_services_are_filtered_by_what_they_are(clients):
    async def listed(text):
        request = {"parent": f"projects/{PROJECT}", "filter": text}
        return {one.cloud_run.service_name async for one in await clients.services.list_services(request)}

    assert await listed('identifier_case = "CLOUD_RUN" AND cloud_run.service_name = "api"') == {"api"}
    assert await listed('identifier_case = "APP_ENGINE"') == set()
    with pytest.raises(exceptions.InvalidArgument, match=r"mesh_istio\.mesh_uid is not known"):
        await listed('mesh_istio.mesh_uid = "1"')


async def test_making_an_objective_is_not_part_of_it(clients):
    with pytest.raises(exceptions.MethodNotImplemented):
        await clients.services.create_service_level_objective(
            parent=f"projects/{PROJECT}/services/api", service_level_objective=monitoring_v3.ServiceLevelObjective()
        )


# ----------------------------------------------------------------------------------------------------------- selectors


async def test_the_budget_left_is_the_true_account_of_thirty_days(clients):
    for slo in clients.world.slos(PROJECT):
        good, bad = clients.truth(slo, 30 * DAY)
        allowed = (1 - slo.goal) * (good + bad)
        name = name_of(slo)
        # Events of the oldest hour are taken to have come evenly.
        assert await clients.newest(f'select_slo_budget_total("{name}")') == pytest.approx(allowed, rel=1e-3)
        assert await clients.newest(f'select_slo_budget("{name}")') == pytest.approx(allowed - bad, rel=1e-3)
        fraction = await clients.newest(f'select_slo_budget_fraction("{name}")')
        assert fraction == pytest.approx(1 - bad / allowed, abs=2e-3)
        compliance = await clients.newest(f'select_slo_compliance("{name}")')
        assert compliance == pytest.approx(good / (good + bad), abs=1e-5)


@pytest.mark.parametrize(("lookback", "seconds"), [("300s", 300), ("30m", 1800), ("1h", 3600), ("6h", 21_600)])
async def test_a_burn_rate_is_the_error_ratio_over_the_errors_allowed(clients, lookback, seconds):
    for slo in clients.world.slos(PROJECT):
        good, bad = clients.truth(slo, seconds)
        found = await clients.newest(f'select_slo_burn_rate("{name_of(slo)}", "{lookback}")')
        assert found == pytest.approx(bad / (good + bad) / (1 - slo.goal))


async def test_counts_over_a_window_are_those_of_its_minutes(clients):
    slo = clients.world.slos(PROJECT)[0]
    found = await clients.select(f'select_slo_counts("{name_of(slo)}")', 6 * 3600, 6 * 3600, "ALIGN_DELTA")
    seen = {one.metric.labels["event_type"]: one.points[0].value.double_value for one in found}
    good, bad = clients.truth(slo, 6 * 3600)
    assert seen == {"good": pytest.approx(good), "bad": pytest.approx(bad)}
    assert {one.metric_kind for one in found} == {2}


async def test_counts_over_days_add_up_from_hours(clients):
    slo = clients.world.slos(PROJECT)[0]
    found = await clients.select(f'select_slo_counts("{name_of(slo)}")', 3 * DAY, 3 * DAY, "ALIGN_DELTA")
    seen = {one.metric.labels["event_type"]: one.points[0].value.double_value for one in found}
    good, bad = clients.truth(slo, 3 * DAY)
    assert seen == {"good": pytest.approx(good, rel=1e-3), "bad": pytest.approx(bad, rel=1e-2)}


async def test_health_is_that_of_each_minute(clients):
    slo = clients.world.slos(PROJECT)[0]
    (found,) = await clients.select(f'select_slo_health("{name_of(slo)}")', 600)
    minutes = clients.world.slo_counts(slo, clients.end - 600, clients.end, 60)
    expected = [good / (good + bad) for _, good, bad in reversed(minutes) if good + bad]
    assert [point.value.double_value for point in found.points] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("filter_", "error", "reason"),
    [
        ('select_slo_health("api")', exceptions.InvalidArgument, "not the name of a service level objective"),
        ('select_slo_burn_rate("{name}")', exceptions.InvalidArgument, r"takes 2 argument\(s\), found 1"),
        ('select_slo_burn_rate("{name}", "5")', exceptions.InvalidArgument, "lookback period"),
        ('select_slo_mood("{name}")', exceptions.InvalidArgument, "not a time-series selector"),
        ('select_slo_health("{name}") AND resource.type = "x"', exceptions.InvalidArgument, "cannot be combined"),
        ('select_slo_health("{name}x")', exceptions.NotFound, "Could not find service level objective"),
        (
            'select_slo_health("projects/br-stage-4821/services/api/serviceLevelObjectives/api-latency")',
            exceptions.NotFound,
            "Could not find",
        ),
    ],
)
async def test_a_selector_that_makes_no_sense_is_refused(clients, filter_, error, reason):
    name = name_of(clients.world.slos(PROJECT)[0])
    with pytest.raises(error, match=reason):
        await clients.select(filter_.replace("{name}", name))


async def test_a_selector_is_aligned_like_any_gauge(clients):
    name = name_of(clients.world.slos(PROJECT)[0])
    with pytest.raises(exceptions.InvalidArgument, match="kind GAUGE and value type DOUBLE"):
        await clients.select(f'select_slo_health("{name}")', 600, 60, "ALIGN_DELTA")
    (found,) = await clients.select(f'select_slo_health("{name}")', 600, 600, "ALIGN_MEAN")
    assert len(found.points) == 1
