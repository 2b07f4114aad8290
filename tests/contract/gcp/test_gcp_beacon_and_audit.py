"""What the agent and the journal send to Google, on the embedded Google Cloud."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports.grpc_asyncio import (
    LoggingServiceV2GrpcAsyncIOTransport,
)
from google.cloud.logging_v2.types import WriteLogEntriesRequest, WriteLogEntriesResponse
from google.cloud.monitoring_v3.services.metric_service import MetricServiceAsyncClient
from google.cloud.monitoring_v3.services.metric_service.transports.grpc_asyncio import MetricServiceGrpcAsyncIOTransport
from google.protobuf.json_format import MessageToDict

from brconsole.domain.decision import Heartbeat
from brconsole.domain.environment import Environment
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import AuditWriter, Beacon, Clock, Cloud
from brconsole.wiring import ConnectionOptions, open_cloud

LOG = "projects/bytereview-prod/logs/brconsole-audit"


@pytest.fixture
async def opened(emulator: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """Opens prod on an embedded cloud: `embedded, cloud, clock = await opened(...)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**options: object) -> tuple[Any, Cloud, Clock]:
            embedded = await emulator(**options)
            where = ConnectionOptions(
                f"127.0.0.1:{embedded.grpc_port}", f"127.0.0.1:{embedded.http_port}", state_folder=tmp_path
            )
            environment = Environment("prod", "bytereview-prod", "us-central1")
            cloud, clock = await stack.enter_async_context(open_cloud(environment, where))
            await clock.synchronise()
            return embedded, cloud, clock

        yield start


def now_of(clock: Clock) -> datetime:
    now = clock.now()
    assert now is not None
    return now


def beacon_of(cloud: Cloud) -> Beacon:
    assert cloud.beacon is not None
    return cloud.beacon


def audit_of(cloud: Cloud) -> AuditWriter:
    assert cloud.audit_writer is not None
    return cloud.audit_writer


async def test_the_newest_heartbeat_of_each_driver_is_found(opened: Any) -> None:
    _, cloud, clock = await opened()
    now = now_of(clock)
    assert await beacon_of(cloud).heartbeats(now) == ()
    agent = Heartbeat("agent@bytereview-prod.iam.gserviceaccount.com", now - timedelta(seconds=240), headless=True)
    person = Heartbeat("anna@example.com", now - timedelta(seconds=200), service="api")

    for beat in (agent, person, replace(person, service="frontend"), replace(agent, at=now - timedelta(seconds=180))):
        await beacon_of(cloud).heartbeat(beat)

    found = {(beat.who, beat.headless, beat.service): beat.at for beat in await beacon_of(cloud).heartbeats(now)}
    assert set(found) == {(agent.who, True, None), (person.who, False, "api"), (person.who, False, "frontend")}
    assert abs(found[agent.who, True, None] - (now - timedelta(seconds=180))) < timedelta(milliseconds=1)
    assert await beacon_of(cloud).heartbeats(now + timedelta(minutes=20)) == ()


async def test_overdue_seconds_are_written_by_service_and_never_negative(opened: Any, channel: Any) -> None:
    embedded, cloud, clock = await opened()
    at = now_of(clock) - timedelta(minutes=5)

    await beacon_of(cloud).overdue("api", 90.5, at)
    await beacon_of(cloud).overdue("frontend", -30.0, at)

    client = MetricServiceAsyncClient(transport=MetricServiceGrpcAsyncIOTransport(channel=channel(embedded)))
    request = {
        "name": "projects/bytereview-prod",
        "filter": 'metric.type = "custom.googleapis.com/brconsole/rollout_overdue"',
        "interval": {"start_time": at - timedelta(minutes=5), "end_time": now_of(clock)},
    }
    found = [one async for one in await client.list_time_series(request, timeout=10)]
    assert {one.metric.labels["service"]: one.points[0].value.double_value for one in found} == {
        "api": 90.5,
        "frontend": 0.0,
    }
    assert {one.resource.labels["namespace"] for one in found} == {"prod"}


async def test_a_heartbeat_too_soon_after_another_is_a_failure_that_says_so(opened: Any) -> None:
    _, cloud, clock = await opened()
    now = now_of(clock)
    await beacon_of(cloud).heartbeat(Heartbeat("agent", now))

    with pytest.raises(SourceFailure, match="more frequently") as raised:
        await beacon_of(cloud).heartbeat(Heartbeat("agent", now + timedelta(seconds=1)))

    assert raised.value.kind is FailureKind.INVALID


async def test_without_the_permission_the_beacon_names_it(opened: Any) -> None:
    _, cloud, clock = await opened(denied=frozenset({"monitoring.timeSeries.create"}))

    with pytest.raises(SourceFailure) as raised:
        await beacon_of(cloud).heartbeat(Heartbeat("agent", now_of(clock)))

    assert raised.value.permission == "monitoring.timeSeries.create"
    assert raised.value.role == "roles/monitoring.metricWriter"


async def entries_in(embedded: Any, channel: Any) -> list[Any]:
    client = LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=channel(embedded)))
    request = {"resource_names": ["projects/bytereview-prod"], "filter": f'logName = "{LOG}"', "page_size": 1000}
    return [entry async for entry in await client.list_log_entries(request, timeout=10)]


async def test_entries_are_stored_once_however_often_they_are_sent(opened: Any, channel: Any) -> None:
    embedded, cloud, clock = await opened()
    at = now_of(clock).astimezone(UTC).replace(microsecond=0)
    entries = [
        {
            "id": f"e-{index:03}",
            "at": (at - timedelta(seconds=index)).isoformat().replace("+00:00", "Z"),
            "kind": "intent",
            "before": {"split": {"api-00041-abc": 100}},
            "reason": "\x1b]0;x\x07[red]\u202e",
            "odd": None,
        }
        for index in range(120)
    ]

    await audit_of(cloud).write(entries)
    await audit_of(cloud).write(entries[:10])

    found = {entry.insert_id: entry for entry in await entries_in(embedded, channel)}
    assert len(await entries_in(embedded, channel)) == 120
    assert set(found) == {entry["id"] for entry in entries}
    first = found["e-000"]
    assert first.timestamp.timestamp() == at.timestamp()
    assert MessageToDict(type(first).pb(first))["jsonPayload"] == {**entries[0], "before": entries[0]["before"]}
    assert (first.resource.type, first.log_name) == ("global", LOG)


async def test_an_entry_with_what_json_cannot_carry_is_sent_all_the_same(opened: Any, channel: Any) -> None:
    embedded, cloud, _ = await opened()

    await audit_of(cloud).write([{"id": "odd", "at": "yesterday", "reason": "a\ud800b", "when": timedelta(1)}])

    (entry,) = await entries_in(embedded, channel)
    assert entry.json_payload["reason"] == "a?b"


async def test_nothing_to_send_asks_nobody(google: Any, connect: Any) -> None:
    cloud, _ = await connect()

    await audit_of(cloud).write([])

    assert google.calls == []


async def test_a_silent_log_is_a_failure_and_what_was_to_be_sent_can_be_sent_again(google: Any, connect: Any) -> None:
    path = "/google.logging.v2.LoggingServiceV2/WriteLogEntries"
    google.on(path, WriteLogEntriesRequest, lambda *_: b"\xff" * 24)
    cloud, _ = await connect()
    with pytest.raises(SourceFailure):
        await audit_of(cloud).write([{"id": "1"}])

    google.on(path, WriteLogEntriesRequest, lambda *_: WriteLogEntriesResponse())
    await audit_of(cloud).write([{"id": "1"}])

    assert [[entry.insert_id for entry in request.entries] for request in google.requests("WriteLogEntries")][-1] == [
        "1"
    ]
