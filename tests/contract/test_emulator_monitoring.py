"""ListTimeSeries and the descriptors of the embedded Cloud Monitoring, through Google's own client."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports.grpc_asyncio import MetricServiceGrpcAsyncIOTransport

PROJECT = "bytereview-prod"
REQUESTS = 'metric.type = "run.googleapis.com/request_count" AND resource.type = "cloud_run_revision"'
LATENCIES = 'metric.type = "run.googleapis.com/request_latencies"'
JOBS = 'metric.type = "custom.googleapis.com/arq/jobs"'
DEPTH = 'metric.type = "custom.googleapis.com/arq/queue_depth"'
BY_REVISION = ["resource.labels.service_name", "resource.labels.revision_name", "metric.labels.response_code_class"]


class Reader:
    """One embedded cloud and the official client on it. Windows end ten minutes ago, when everything has arrived."""

    def __init__(self, cloud, channel):
        self.cloud = cloud
        self.world = cloud.cloud.world
        self.client = monitoring_v3.MetricServiceAsyncClient(
            transport=MetricServiceGrpcAsyncIOTransport(channel=channel)
        )
        self.end = int(cloud.cloud.now() // 60) * 60 - 600

    def request(self, filter_, window_s=600, end=None, **fields):
        end = self.end if end is None else end
        return {
            "name": f"projects/{PROJECT}",
            "filter": filter_,
            "interval": {"start_time": {"seconds": end - window_s}, "end_time": {"seconds": end}},
            **fields,
        }

    async def read(self, filter_, window_s=600, aggregation=None, **fields):
        if aggregation is not None:
            fields["aggregation"] = aggregation
        pager = await self.client.list_time_series(self.request(filter_, window_s, **fields), retry=None, timeout=10)
        return [one async for one in pager]

    def written(self, metric, window_s=600, step_s=60):
        """What the world wrote in the same window."""
        return self.world.series(PROJECT, metric, self.end - window_s, self.end, step_s)


def summed(period_s=60, group_by=(), aligner="ALIGN_DELTA", reducer="REDUCE_SUM"):
    return {
        "alignment_period": {"seconds": period_s},
        "per_series_aligner": aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": list(group_by),
    }


@pytest.fixture
async def reader(emulator, channel):
    cloud = await emulator()
    return Reader(cloud, channel(cloud))


def total(found):
    return sum(point.value.int64_value for one in found for point in one.points)


def written_total(series):
    return sum(value for one in series for _, _, value in one.points)


# -------------------------------------------------------------------------------------------------------------- values


async def test_requests_by_revision_and_class_are_those_that_the_world_served(reader):
    found = await reader.read(REQUESTS, 3600, summed(60, BY_REVISION))
    expected = defaultdict(int)
    for one in reader.written("run.googleapis.com/request_count", 3600):
        key = (one.resource_labels["service_name"], one.resource_labels["revision_name"])
        for _, end, value in one.points:
            expected[(*key, one.metric_labels["response_code_class"], end)] += value
    seen = {
        (
            one.resource.labels["service_name"],
            one.resource.labels["revision_name"],
            one.metric.labels["response_code_class"],
            point.interval.end_time.timestamp(),
        ): point.value.int64_value
        for one in found
        for point in one.points
    }
    assert seen == expected
    assert seen


async def test_points_come_newest_first_and_a_delta_has_both_its_ends(reader):
    for one in await reader.read(REQUESTS, 600, summed(60, BY_REVISION)):
        ends = [point.interval.end_time.timestamp() for point in one.points]
        assert ends == sorted(ends, reverse=True)
        assert all((point.interval.end_time - point.interval.start_time).total_seconds() == 60 for point in one.points)
        assert one.metric_kind == 2
        assert one.resource.labels["project_id"] == PROJECT


async def test_a_gauge_starts_where_it_ends(reader):
    found = await reader.read(DEPTH, 600, summed(60, ["metric.labels.queue"], "ALIGN_MAX", "REDUCE_MAX"))
    points = [point for one in found for point in one.points]
    assert points
    assert all(point.interval.start_time == point.interval.end_time for point in points)


async def test_periods_end_at_the_end_of_the_interval(reader):
    reader.end -= 60 * 7  # no multiple of the period
    found = await reader.read(REQUESTS, 3600, summed(300))
    ends = {int(point.interval.end_time.timestamp()) for one in found for point in one.points}
    assert ends == set(range(reader.end - 3300, reader.end + 1, 300))
    assert total(found) == written_total(reader.written("run.googleapis.com/request_count", 3600))


async def test_hours_are_as_exact_as_minutes_where_they_fall_on_the_hour(reader):
    reader.end = reader.end // 3600 * 3600
    found = await reader.read(REQUESTS, 86_400, summed(3600))
    assert total(found) == written_total(reader.written("run.googleapis.com/request_count", 86_400))


async def test_hours_that_do_not_fall_on_the_hour_still_add_up(reader):
    reader.end -= 17 * 60
    found = await reader.read(REQUESTS, 86_400, summed(3600))
    exact = written_total(reader.written("run.googleapis.com/request_count", 86_400))
    assert len(found[0].points) == 24
    assert total(found) == pytest.approx(exact, rel=0.02)


async def test_cumulative_job_counts_become_increments(reader):
    found = await reader.read(JOBS, 3600, summed(60, ["metric.labels.queue", "metric.labels.outcome"]))
    first, last = {}, {}
    for one in reader.world.series(PROJECT, "custom.googleapis.com/arq/jobs", reader.end - 3660, reader.end, 60):
        key = (one.metric_labels["queue"], one.metric_labels["outcome"])
        first[key], last[key] = one.points[0], one.points[-1]
    unbroken = {key for key in first if first[key][0] == last[key][0]}
    seen = {
        (one.metric.labels["queue"], one.metric.labels["outcome"]): sum(p.value.int64_value for p in one.points)
        for one in found
    }
    assert unbroken
    for key in unbroken:
        assert seen[key] == last[key][2] - first[key][2]


async def test_the_p95_of_a_service_is_that_of_all_its_revisions_together(reader):
    aggregation = summed(600, ["resource.labels.service_name"], "ALIGN_DELTA", "REDUCE_PERCENTILE_95")
    found = await reader.read(LATENCIES, 600, aggregation)
    for one in found:
        assert (one.metric_kind, one.value_type) == (1, 3)
        buckets, bounds = None, ()
        for written in reader.written("run.googleapis.com/request_latencies"):
            if written.resource_labels["service_name"] == one.resource.labels["service_name"]:
                for _, _, value in written.points:
                    bounds = value.bounds
                    buckets = [a + b for a, b in zip(buckets or [0] * len(value.counts), value.counts, strict=True)]
        rank, below = 0.95 * sum(buckets), 0
        for index, count in enumerate(buckets):
            if below + count >= rank:
                expected = bounds[index - 1] + (bounds[index] - bounds[index - 1]) * (rank - below) / count
                break
            below += count
        assert one.points[0].value.double_value == pytest.approx(expected)
    assert found


async def test_a_sum_of_distributions_carries_its_buckets(reader):
    (found,) = await reader.read(LATENCIES, 600, summed(600))
    value = found.points[0].value.distribution_value
    assert found.value_type == 5
    assert sum(value.bucket_counts) == value.count == total(await reader.read(REQUESTS, 600, summed(600)))
    assert len(value.bucket_counts) == len(value.bucket_options.explicit_buckets.bounds) + 1


async def test_without_an_aggregation_the_points_are_those_written(reader):
    found = await reader.read(f'{REQUESTS} AND resource.labels.service_name = "api"')
    assert {one.resource.labels["service_name"] for one in found} == {"api"}
    expected = [
        one
        for one in reader.written("run.googleapis.com/request_count")
        if one.resource_labels["service_name"] == "api"
    ]
    assert total(found) == written_total(expected)
    assert "configuration_name" in found[0].resource.labels


async def test_a_second_aggregation_reduces_the_first(reader):
    once = await reader.read(REQUESTS, 600, summed(60, ["resource.labels.service_name"]))
    (found,) = await reader.read(
        REQUESTS,
        600,
        summed(60, ["resource.labels.service_name"]),
        secondary_aggregation=summed(600, [], "ALIGN_MAX", "REDUCE_MAX"),
    )
    busiest = max(point.value.int64_value for one in once for point in one.points)
    assert [point.value.int64_value for point in found.points] == [busiest]


async def test_a_rate_is_per_second(reader):
    found = await reader.read(REQUESTS, 600, summed(600, [], "ALIGN_RATE", "REDUCE_SUM"))
    count = total(await reader.read(REQUESTS, 600, summed(600)))
    assert found[0].points[0].value.double_value == pytest.approx(count / 600)


async def test_cumulative_distributions_have_percentiles_of_what_was_added(reader):
    runtimes = 'metric.type = "custom.googleapis.com/arq/job_runtime"'
    found = await reader.read(
        runtimes, 3600, summed(3600, ["metric.labels.queue"], "ALIGN_DELTA", "REDUCE_PERCENTILE_95")
    )
    jobs = await reader.read(
        f'{JOBS} AND metric.labels.outcome = one_of("complete", "failed")', 3600, summed(3600, ["metric.labels.queue"])
    )
    (distribution,) = await reader.read(runtimes, 3600, summed(3600))
    assert {one.metric.labels["queue"] for one in found} <= {one.metric.labels["queue"] for one in jobs}
    assert all(one.points[0].value.double_value > 0 for one in found)
    assert (
        0 < distribution.points[0].value.distribution_value.count <= total(await reader.read(JOBS, 3600, summed(3600)))
    )


# ------------------------------------------------------------------------------------------------------------ lateness


async def test_what_is_younger_than_the_metrics_delay_is_not_there_yet(reader):
    now = reader.cloud.cloud.now()
    reader.end = int(now // 60) * 60 + 60
    for filter_, least, most in ((REQUESTS, 60, 180), (DEPTH, 30, 60)):
        found = await reader.read(filter_, 1200)
        newest = max(point.interval.end_time.timestamp() for one in found for point in one.points)
        # Points are a minute apart, and the call takes a moment.
        assert least <= now - newest + 1
        assert now - newest <= most + 60 + 5


async def test_late_points_arrive_in_time(emulator, channel):
    cloud = await emulator(speed=600)
    reader = Reader(cloud, channel(cloud))
    reader.end += 600
    before = total(await reader.read(REQUESTS, 600, summed(60)))
    async with asyncio.timeout(20):
        while total(await reader.read(REQUESTS, 600, summed(60))) <= before:
            pass
    async with asyncio.timeout(20):
        while cloud.cloud.now() < reader.end + 240:
            await reader.read(REQUESTS, 600, summed(60))
    assert total(await reader.read(REQUESTS, 600, summed(60))) == written_total(
        reader.written("run.googleapis.com/request_count")
    )


# --------------------------------------------------------------------------------------------------------------- pages


async def test_pages_of_points_continue_a_series_where_it_was_cut(reader):
    whole = await reader.read(REQUESTS, 600, summed(60, BY_REVISION))
    pager = await reader.client.list_time_series(
        reader.request(REQUESTS, aggregation=summed(60, BY_REVISION), page_size=7)
    )
    points, pages = defaultdict(list), 0
    async for page in pager.pages:
        pages += 1
        assert sum(len(one.points) for one in page.time_series) <= 7
        for one in page.time_series:
            points[str(one.resource) + str(one.metric)] += [str(point) for point in one.points]
    expected = {str(one.resource) + str(one.metric): [str(point) for point in one.points] for one in whole}
    assert points == expected
    assert pages == -(-sum(map(len, expected.values())) // 7)


async def test_headers_are_series_without_points(reader):
    found = await reader.read(REQUESTS, 600, view="HEADERS")
    assert found
    assert all(not one.points for one in found)
    pager = await reader.client.list_time_series(reader.request(REQUESTS, view="HEADERS", page_size=2))
    sizes = [len(page.time_series) async for page in pager.pages]
    assert sum(sizes) == len(found)
    assert max(sizes) <= 2


@pytest.mark.parametrize("token", ["1", "abc.def", "zz", "18f.W10="])
async def test_a_token_of_another_list_is_refused(reader, token):
    with pytest.raises(exceptions.InvalidArgument, match="page token"):
        await reader.read(REQUESTS, page_token=token)


async def test_a_token_is_bound_to_its_request(reader):
    pager = await reader.client.list_time_series(reader.request(REQUESTS, page_size=3))
    async for page in pager.pages:
        token = page.next_page_token
        break
    with pytest.raises(exceptions.InvalidArgument, match="page token"):
        await reader.read(LATENCIES, page_token=token)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"filter": 'severity = "ERROR"'}, "must be prefixed with one of {group, metadata, metric, project, resource}"),
        ({"filter": ""}, "Could not parse filter"),
        ({"filter": f"{REQUESTS} AND ("}, "syntax error at line 1, column"),
        ({"filter": 'metric.type = starts_with("run.googleapis.com/")'}, "matches more than one metric"),
        (
            {"filter": f'{REQUESTS} AND resource.labels.zone = "a"'},
            "valid combination of metric and monitored resource",
        ),
        ({"filter": f'{REQUESTS} AND metric.labels.queue = "a"'}, "valid combination of metric and monitored resource"),
        ({"filter": f'{DEPTH} AND resource.type = "cloud_run_revision"'}, "valid combination of metric"),
        ({"interval": {"start_time": {"seconds": 60}}}, "end time must be specified"),
        ({"interval": {"end_time": {"seconds": 60}}}, "start time must be specified"),
        ({"interval": {"start_time": {"seconds": 60}, "end_time": {"seconds": 60}}}, "must be before the end time"),
        ({"order_by": "metric"}, "ordering is not supported"),
        ({"aggregation": summed(30)}, "at least 60 seconds"),
        ({"aggregation": {**summed(60), "alignment_period": {"seconds": 60, "nanos": 5}}}, "whole number of seconds"),
        ({"aggregation": summed(60, [], "ALIGN_NONE")}, "aligner other than ALIGN_NONE"),
        ({"aggregation": summed(60, [], "ALIGN_PERCENTILE_99")}, "kind DELTA and value type INT64"),
        ({"aggregation": summed(60, [], "ALIGN_INTERPOLATE")}, "not implemented"),
        ({"aggregation": summed(60, ["zone"])}, "improperly formatted"),
        ({"aggregation": summed(60, ["resource.labels.zone"])}, "valid combination of metric"),
        ({"aggregation": summed(60, ["metric.labels.queue"])}, "valid combination of metric"),
        ({"secondary_aggregation": summed(60)}, "only be specified if aggregation is specified"),
        ({"page_size": -1}, "must not be negative"),
    ],
)
async def test_a_wrong_request_is_refused_with_its_reason(reader, fields, reason):
    request = {**reader.request(REQUESTS), **fields}
    with pytest.raises(exceptions.InvalidArgument) as refused:
        await reader.client.list_time_series(request, retry=None, timeout=10)
    assert reason in refused.value.message


async def test_a_metric_that_nobody_writes_is_not_found(reader):
    with pytest.raises(exceptions.NotFound, match=r'match type = "custom.googleapis.com/nobody"'):
        await reader.read('metric.type = "custom.googleapis.com/nobody"')


async def test_another_project_is_not_to_be_seen(reader):
    request = reader.request(REQUESTS) | {"name": "projects/somebody-elses"}
    with pytest.raises(exceptions.PermissionDenied, match=r"monitoring\.timeSeries\.list"):
        await reader.client.list_time_series(request, retry=None)


# --------------------------------------------------------------------------------------------------- quota, descriptors


async def test_the_live_quota_limits_are_a_metric(emulator, channel):
    cloud = await emulator(limits={"logging.googleapis.com/read_requests": 42})
    reader = Reader(cloud, channel(cloud))
    found = await reader.read(
        'metric.type = "serviceruntime.googleapis.com/quota/limit"',
        86_400,
        summed(86_400, [], "ALIGN_NEXT_OLDER", "REDUCE_NONE"),
    )
    limits = {one.metric.labels["quota_metric"]: one.points[0].value.int64_value for one in found}
    assert limits["logging.googleapis.com/read_requests"] == 42
    assert set(limits) == set(cloud.cloud.quotas.limits)
    assert {one.resource.type for one in found} == {"consumer_quota"}


async def test_descriptors_tell_kind_type_and_labels(reader):
    found = {
        one.type: one
        async for one in await reader.client.list_metric_descriptors(
            {"name": f"projects/{PROJECT}", "filter": 'metric.type = starts_with("run.googleapis.com/")'}
        )
    }
    requests = found["run.googleapis.com/request_count"]
    assert (requests.metric_kind, requests.value_type) == (2, 2)
    assert {label.key for label in requests.labels} == {"response_code", "response_code_class"}
    assert all(name.startswith("run.googleapis.com/") for name in found)
    one = await reader.client.get_metric_descriptor(
        name=f"projects/{PROJECT}/metricDescriptors/run.googleapis.com/request_latencies"
    )
    assert (one.unit, one.value_type) == ("ms", 5)


async def test_every_metric_is_written_against_a_resource_whose_labels_are_known(reader):
    resources = {
        one.type: {label.key for label in one.labels}
        async for one in await reader.client.list_monitored_resource_descriptors(name=f"projects/{PROJECT}")
    }
    for metric in reader.world.metric_types():
        for one in reader.written(metric):
            assert set(one.resource_labels) <= resources[one.resource_type], metric
