"""The Admin Activity audit log as the console reads it, from a plain server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.json_format import ParseDict

ENTRIES = "/google.logging.v2.LoggingServiceV2/ListLogEntries"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def entry(minutes: int, method: str, who: str = "ana@example.com", **fields: Any) -> LogEntry:
    payload = AuditLog(service_name="run.googleapis.com", method_name=f"google.cloud.run.v2.Services.{method}")
    payload.resource_name = "projects/p/locations/r/services/api"
    payload.authentication_info.principal_email = who
    if "traffic" in fields:
        ParseDict({"service": {"traffic": fields["traffic"]}}, payload.request)
    if "spec_traffic" in fields:
        ParseDict({"service": {"spec": {"traffic": fields["spec_traffic"]}}}, payload.request)
    if "before" in fields:
        ParseDict({"traffic": fields["before"]}, payload.resource_original_state)
    payload.status.code = fields.get("code", 0)
    packed = Packed()
    packed.Pack(payload)
    return LogEntry(
        timestamp=NOON + timedelta(minutes=minutes),
        proto_payload=packed,
        resource={"type": "cloud_run_revision", "labels": {"service_name": fields.get("service", "api")}},
        operation=fields.get("operation"),
    )


def arm(revision: str, percent: int) -> dict[str, Any]:
    return {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": revision, "percent": percent}


def logged(google: Any, *entries: LogEntry) -> None:
    newest_first = sorted(entries, key=lambda one: one.timestamp, reverse=True)
    google.on(ENTRIES, ListLogEntriesRequest, lambda *_: ListLogEntriesResponse(entries=newest_first))


async def test_a_change_says_before_and_after_from_the_write_before_it(google: Any, connect: Any) -> None:
    logged(
        google,
        entry(0, "UpdateService", traffic=[arm("api-00041-abc", 100)]),
        entry(5, "UpdateService", "bob@example.com", traffic=[arm("api-00041-abc", 95), arm("api-00042-def", 5)]),
        entry(9, "UpdateService", traffic=[arm("api-00041-abc", 95), arm("api-00042-def", 5)]),
    )
    cloud, _ = await connect()

    changes = await cloud.audit.changes(NOON, 10)

    assert [(change.at, change.who, change.what) for change in changes] == [
        (NOON + timedelta(minutes=9), "ana@example.com", "updated"),
        (NOON + timedelta(minutes=5), "bob@example.com", "00042-def 0 → 5 %, 00041-abc 100 → 95 %"),
        (NOON, "ana@example.com", "traffic set to 00041-abc 100 %"),
    ]
    assert {change.service for change in changes} == {"api"}


async def test_a_change_takes_before_from_the_entry_where_that_tells_it(google: Any, connect: Any) -> None:
    v1 = [{"revisionName": "api-00042-def", "percent": 50}, {"latestRevision": True, "percent": 50}]
    logged(google, entry(0, "ReplaceService", before=[arm("api-00042-def", 100)], spec_traffic=v1))
    cloud, _ = await connect()

    (change,) = await cloud.audit.changes(NOON, 10)

    assert change.what == "LATEST 0 → 50 %, 00042-def 100 → 50 %"


async def test_the_end_of_an_operation_and_what_failed_are_no_changes(google: Any, connect: Any) -> None:
    logged(
        google,
        entry(0, "CreateService", operation={"id": "o", "first": True}),
        entry(1, "CreateService", operation={"id": "o", "last": True}),
        entry(2, "UpdateService", code=7),
        entry(3, "DeleteService", service="old"),
        entry(4, "SetIamPolicy"),
        entry(5, "RunSomethingNew\x1b"),
    )
    cloud, _ = await connect()

    changes = await cloud.audit.changes(NOON, 3)

    assert [(change.service, change.what) for change in changes] == [
        ("api", "RunSomethingNew\ufffd"),
        ("api", "changed who may call it"),
        ("old", "deleted"),
    ]


async def test_the_audit_log_is_asked_for_one_page_of_writes_in_the_region(google: Any, connect: Any) -> None:
    google.on(ENTRIES, ListLogEntriesRequest, lambda *_: ListLogEntriesResponse(next_page_token="more"))
    cloud, _ = await connect()

    assert await cloud.audit.changes(NOON, 10) == ()

    (request,) = google.requests("ListLogEntries")
    assert request.resource_names == ["projects/bytereview-prod"]
    assert request.order_by == "timestamp desc"
    assert request.filter == (
        '(logName = "projects/bytereview-prod/logs/cloudaudit.googleapis.com%2Factivity")'
        ' AND (protoPayload.serviceName = "run.googleapis.com") AND (protoPayload.methodName : ".Services.")'
        ' AND (resource.labels.location = "us-central1") AND (timestamp >= "2026-11-23T12:00:00Z")'
    )


async def test_hostile_words_in_the_audit_log_are_harmless(google: Any, connect: Any) -> None:
    hostile = "\x1b[2J\u202e[/]" + "x" * 100_000
    logged(google, entry(0, "UpdateService", hostile, service=hostile, traffic=[arm(hostile, 100)]))
    cloud, _ = await connect()

    (change,) = await cloud.audit.changes(NOON, 10)

    for text in (change.who, change.service, change.what):
        assert text.isprintable()
        assert len(text) <= 250
