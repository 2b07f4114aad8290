"""Custom metrics on the embedded Cloud Monitoring: what callers write is served back, as late as Google's."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports.grpc_asyncio import MetricServiceGrpcAsyncIOTransport

NAME = "projects/bytereview-prod"
METRIC = "custom.googleapis.com/brconsole/test"
TASK = {"location": "us-central1", "namespace": "prod", "job": "agent", "task_id": "one"}


class Writer:
    """One embedded cloud and the official client on it."""

    def __init__(self, cloud: Any, channel: Any) -> None:
        self.cloud = cloud
        self.client = monitoring_v3.MetricServiceAsyncClient(
            transport=MetricServiceGrpcAsyncIOTransport(channel=channel)
        )
        self.now = int(cloud.cloud.now())

    def series(self, back_s: float = 300, **fields: Any) -> dict[str, Any]:
        return {
            "metric": {"type": METRIC, "labels": {"service": "api"}},
            "resource": {"type": "generic_task", "labels": TASK},
            "points": [{"interval": {"end_time": {"seconds": int(self.now - back_s)}}, "value": {"double_value": 1.5}}],
            **fields,
        }

    async def write(self, *series: dict[str, Any], name: str = NAME) -> None:
        await self.client.create_time_series(name=name, time_series=list(series), retry=None, timeout=10)

    async def read(self, name: str = NAME, filter_: str = f'metric.type = "{METRIC}"') -> list[Any]:
        interval = {"start_time": {"seconds": self.now - 3600}, "end_time": {"seconds": self.now + 3600}}
        request = {"name": name, "filter": filter_, "interval": interval}
        return [one async for one in await self.client.list_time_series(request, retry=None, timeout=10)]


@pytest.fixture
async def on(emulator: Any, channel: Any) -> Writer:
    cloud = await emulator()
    return Writer(cloud, channel(cloud))


async def test_a_point_written_is_read_back_with_its_labels(on: Writer) -> None:
    await on.write(on.series(300))
    await on.write(on.series(240, points=on.series(240)["points"]))

    (found,) = await on.read()

    assert found.metric.type == METRIC
    assert dict(found.metric.labels) == {"service": "api"}
    assert dict(found.resource.labels) == {**TASK, "project_id": "bytereview-prod"}
    assert [point.interval.end_time.timestamp() for point in found.points] == [on.now - 240, on.now - 300]
    assert [point.value.double_value for point in found.points] == [1.5, 1.5]
    assert await on.read("projects/br-stage-4821") == []
    assert await on.read(filter_=f'metric.type = "{METRIC}" AND metric.labels.service = "frontend"') == []
    descriptor = await on.client.get_metric_descriptor(name=f"{NAME}/metricDescriptors/{METRIC}")
    kinds = type(descriptor)
    assert (descriptor.value_type, descriptor.metric_kind) == (kinds.DOUBLE, kinds.GAUGE)


async def test_a_fresh_point_is_not_there_yet(on: Writer) -> None:
    await on.write(on.series(0))

    assert await on.read() == []


async def test_a_metric_that_the_world_writes_takes_points_of_callers_too(on: Writer) -> None:
    depth = "custom.googleapis.com/arq/queue_depth"
    own = on.series(
        metric={"type": depth, "labels": {"queue": "mine"}},
        points=[{"interval": {"end_time": {"seconds": on.now - 300}}, "value": {"int64_value": 7}}],
    )
    await on.write(own)

    found = await on.read(filter_=f'metric.type = "{depth}"')

    assert {"mine", "extract", "import", "cron"} == {one.metric.labels["queue"] for one in found}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": {"type": "run.googleapis.com/request_count"}}, "cannot be written to"),
        ({"resource": {"type": "cloud_run_revision"}}, "cannot be written against"),
        ({"points": []}, "Exactly one point"),
        ({"points": [{"value": {"double_value": 1}}]}, "end time must be specified"),
        ({"points": [{"interval": {"end_time": {"seconds": 1}}, "value": {"double_value": 1}}]}, "25h in the past"),
        ({"metric_kind": "DELTA"}, "not written here"),
        ({"metric_kind": "CUMULATIVE"}, "must start before it ends"),
    ],
)
async def test_what_monitoring_refuses_is_refused(on: Writer, change: dict[str, Any], says: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=says):
        await on.write(on.series(**change))

    with pytest.raises(exceptions.NotFound):
        await on.read()


async def test_points_come_in_order_and_five_seconds_apart(on: Writer) -> None:
    await on.write(on.series(300))

    with pytest.raises(exceptions.InvalidArgument, match="in order"):
        await on.write(on.series(300))
    with pytest.raises(exceptions.InvalidArgument, match="more frequently"):
        await on.write(on.series(297))
    other = on.series(297, resource={"type": "generic_task", "labels": {**TASK, "task_id": "two"}})
    await on.write(other)

    assert sorted(len(one.points) for one in await on.read()) == [1, 1]


async def test_of_one_request_the_right_series_are_kept(on: Writer) -> None:
    wrong = on.series(metric={"type": METRIC, "labels": {"service": "x"}}, points=[])

    with pytest.raises(exceptions.InvalidArgument, match=r"timeSeries\[1\]"):
        await on.write(on.series(), wrong)

    assert len(await on.read()) == 1


async def test_the_type_of_a_metric_is_that_of_its_first_point(on: Writer) -> None:
    await on.write(on.series(300))
    whole = [{"interval": {"end_time": {"seconds": on.now - 200}}, "value": {"int64_value": 1}}]

    with pytest.raises(exceptions.InvalidArgument, match="value type DOUBLE, not GAUGE and INT64"):
        await on.write(on.series(points=whole))


async def test_too_many_or_no_series_and_strangers_are_refused(on: Writer, emulator: Any, channel: Any) -> None:
    for series in ([], [on.series()] * 201):
        with pytest.raises(exceptions.InvalidArgument, match="1 to 200 time series"):
            await on.write(*series)
    with pytest.raises(exceptions.PermissionDenied):
        await on.write(on.series(), name="projects/nobody")
    denied = await emulator(denied=frozenset({"monitoring.timeSeries.create"}))
    with pytest.raises(exceptions.PermissionDenied, match=r"monitoring\.timeSeries\.create"):
        await Writer(denied, channel(denied)).write(on.series())
