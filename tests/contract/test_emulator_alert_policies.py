"""The alert policies of the embedded Cloud Monitoring, through Google's own clients."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.alert_policy_service.transports.grpc_asyncio import (
    AlertPolicyServiceGrpcAsyncIOTransport,
)
from google.cloud.monitoring_v3.services.metric_service.transports.grpc_asyncio import MetricServiceGrpcAsyncIOTransport
from google.cloud.monitoring_v3.services.notification_channel_service.transports.grpc_asyncio import (
    NotificationChannelServiceGrpcAsyncIOTransport,
)

PROJECT = "bytereview-prod"
Severity = monitoring_v3.AlertPolicy.Severity


@pytest.fixture
async def cloud(emulator):
    return await emulator()


@pytest.fixture
async def client(cloud, channel):
    return monitoring_v3.AlertPolicyServiceAsyncClient(
        transport=AlertPolicyServiceGrpcAsyncIOTransport(channel=channel(cloud))
    )


async def listed(client, **fields):
    return [one async for one in await client.list_alert_policies({"name": f"projects/{PROJECT}", **fields})]


async def test_each_project_has_the_policies_of_the_specification(cloud, client):
    for project in cloud.cloud.world.projects:
        found = [one async for one in await client.list_alert_policies(name=f"projects/{project.number}")]
        assert {one.display_name: one.severity for one in found} == {
            "API error rate": Severity.CRITICAL,
            "Worker queue depth": Severity.WARNING,
            "Worker queue depth is not reported": Severity.CRITICAL,
            "Redis memory": Severity.WARNING,
            "Cloud Run cold-start latency": Severity.WARNING,
        }
        for one in found:
            assert one.enabled
            assert one.documentation.content
            assert one.user_labels["env"] == project.environment
            assert set(one.user_labels) == {"env", "severity", "team"}
            assert all(
                name.startswith(f"projects/{project.id}/notificationChannels/") for name in one.notification_channels
            )
            assert all(condition.name.startswith(f"{one.name}/conditions/") for condition in one.conditions)


async def test_the_error_rate_is_a_ratio_with_a_floor(client):
    (policy,) = await listed(client, filter='display_name = "API error rate"')
    ratio, floor = (condition.condition_threshold for condition in policy.conditions)
    assert (ratio.threshold_value, ratio.duration.total_seconds()) == (0.02, 300)
    assert ratio.denominator_filter
    assert ratio.filter.startswith(ratio.denominator_filter)
    # A ratio wants the same periods and the same labels above and below.
    assert ratio.aggregations[0] == ratio.denominator_aggregations[0] == floor.aggregations[0]
    assert policy.combiner == monitoring_v3.AlertPolicy.ConditionCombinerType.AND_WITH_MATCHING_RESOURCE


async def test_a_dead_exporter_pages(client):
    (policy,) = await listed(client, filter='display_name : "not reported"')
    absent = policy.conditions[0].condition_absent
    assert absent.duration.total_seconds() == 600
    assert policy.severity == Severity.CRITICAL


async def test_every_condition_can_be_asked_of_list_time_series(cloud, client, channel):
    metrics = monitoring_v3.MetricServiceAsyncClient(
        transport=MetricServiceGrpcAsyncIOTransport(channel=channel(cloud))
    )
    end = int(cloud.cloud.now() // 60) * 60
    asked = 0
    for policy in await listed(client):
        for condition in policy.conditions:
            held = condition.condition_threshold if "condition_threshold" in condition else condition.condition_absent
            assert held.duration.total_seconds() % 60 == 0
            for filter_ in filter(None, (held.filter, getattr(held, "denominator_filter", ""))):
                request = {
                    "name": f"projects/{PROJECT}",
                    "filter": filter_,
                    "interval": {"start_time": {"seconds": end - 3600}, "end_time": {"seconds": end}},
                    "aggregation": held.aggregations[0],
                }
                await metrics.list_time_series(request, retry=None, timeout=10)
                asked += 1
    assert asked == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('user_labels.team = "workers"', 2),
        ('user_labels.team = "workers" AND severity = "CRITICAL"', 1),
        ("enabled = true", 5),
        ('NOT display_name = starts_with("Worker")', 3),
        ('display_name = "nothing"', 0),
    ],
)
async def test_policies_are_filtered(client, text, expected):
    assert len(await listed(client, filter=text)) == expected


async def test_policies_are_ordered(client):
    names = [one.display_name for one in await listed(client, order_by="display_name")]
    assert names == sorted(names)
    assert [one.display_name for one in await listed(client, order_by="-display_name")] == sorted(names, reverse=True)
    teams = [
        (one.user_labels["team"], one.display_name)
        for one in await listed(client, order_by="user_labels.team, display_name")
    ]
    assert teams == sorted(teams)


async def test_policies_come_in_pages_and_say_how_many_there_are(client):
    pager = await client.list_alert_policies({"name": f"projects/{PROJECT}", "page_size": 2})
    pages = [page async for page in pager.pages]
    assert [len(page.alert_policies) for page in pages] == [2, 2, 1]
    assert {page.total_size for page in pages} == {5}


async def test_one_policy_is_got_by_its_name(client):
    policy = (await listed(client))[0]
    assert await client.get_alert_policy(name=policy.name) == policy
    with pytest.raises(exceptions.NotFound):
        await client.get_alert_policy(name=f"projects/{PROJECT}/alertPolicies/1")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"filter": 'mood = "bad"'}, "mood is not known"),
        ({"filter": "display_name ="}, "syntax error at line 1, column 15"),
        ({"order_by": "mood"}, 'unknown field "mood"'),
    ],
)
async def test_what_is_not_known_is_refused(client, fields, reason):
    with pytest.raises(exceptions.InvalidArgument, match=reason):
        await listed(client, **fields)


async def test_changing_a_policy_and_notification_channels_are_not_part_of_it(cloud, client, channel):
    with pytest.raises(exceptions.MethodNotImplemented):
        await client.delete_alert_policy(name=f"projects/{PROJECT}/alertPolicies/1")
    channels = monitoring_v3.NotificationChannelServiceAsyncClient(
        transport=NotificationChannelServiceGrpcAsyncIOTransport(channel=channel(cloud))
    )
    with pytest.raises(exceptions.MethodNotImplemented):
        await channels.list_notification_channels(name=f"projects/{PROJECT}", retry=None)
