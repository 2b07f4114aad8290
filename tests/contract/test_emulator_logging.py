"""Cloud Logging on the embedded cloud: the query language, audit entries, written entries, pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports.grpc_asyncio import (
    LoggingServiceV2GrpcAsyncIOTransport,
)
from google.cloud.logging_v2.types import LogEntry
from google.cloud.run_v2.services.services.transports.grpc_asyncio import ServicesGrpcAsyncIOTransport
from google.protobuf import field_mask_pb2

from brconsole.emulator.errors import ApiError
from brconsole.emulator.logging_filter import MAX_LENGTH, parse_log_filter

PROD = "projects/bytereview-prod"
ACTIVITY = f'logName="{PROD}/logs/cloudaudit.googleapis.com%2Factivity"'
OWN_LOG = f"{PROD}/logs/brconsole-audit"

# --------------------------------------------------------------------------------------------------------- the grammar

ENTRY: dict[str, Any] = {
    "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
    "insertId": "abc",
    "severity": "WARNING",
    "timestamp": "2026-11-23T14:00:00.500Z",
    "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api", "location": "us-central1"}},
    "labels": {"brconsole.dev/release": "r-1124", "plain": "yes"},
    "textPayload": 'He said "No" to\nworker-extract',
    "jsonPayload": {
        "n": 5,
        "ratio": 0.25,
        "ok": True,
        "big": "9007199254740993",
        "list": [{"x": 1}, {"x": 2}],
        "none": None,
    },
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "methodName": "…Services.UpdateService",
    },
}

MATCHES = [
    "",
    "   ",
    'resource.type="cloud_run_revision"',
    "resource.type=cloud_run_revision",
    "resource.type = CLOUD_RUN_REVISION",
    "resource.labels.service_name!=frontend",
    'resource.labels."service_name"="api"',
    "log_name:activity",
    "insert_id=abc",
    'labels."brconsole.dev/release"="r-1124"',
    'labels."brconsole.dev/release"=~"^r-[0-9]+$"',
    'labels.plain!~"^no"',
    "labels.plain:*",
    'protoPayload."@type":AuditLog',
    "proto_payload.methodName:updateservice",
    "severity=WARNING",
    "severity>=notice",
    'severity < "ERROR"',
    "severity=400",
    'timestamp>="2026-11-23T14:00:00Z"',
    "timestamp>=2026-11-23T14:00:00Z",
    "timestamp > 2026-11-23",
    'timestamp<"2026-11-23T15:00:00.75+00:30"',
    "jsonPayload.n=5",
    "jsonPayload.n>=4.5",
    "jsonPayload.n>-3",
    "jsonPayload.ratio<0.3",
    "jsonPayload.ok=true",
    "jsonPayload.big>9007199254740000",
    "jsonPayload.list.x=2",
    "jsonPayload:AuditLog OR jsonPayload:5",
    'textPayload:"said \\"no\\" to"',
    'textPayload=~"to\\\\nworker"',
    '"worker-extract"',
    "worker-extract",
    "NOT jsonPayload.absent=1",
    "-jsonPayload.absent=1",
    "NOT -severity=WARNING",
    "severity=WARNING resource.type=cloud_run_revision",
    'severity=WARNING\nresource.type=cloud_run_revision -- and a comment with ( and "\n',
    "resource.labels.service_name=(frontend OR api)",
    "resource.labels.service_name=(NOT frontend)",
    "(severity=ERROR OR severity=WARNING) AND insertId=abc",
    # NOT binds first, then OR, then AND: (ERROR OR WARNING) AND abc, and not ERROR OR (WARNING AND xyz).
    "severity=WARNING OR severity=ERROR AND insertId=abc",
    "insertId=abc AND severity=ERROR OR severity=WARNING",
    'log_id("cloudaudit.googleapis.com/activity")',
]

MISSES = [
    "severity=WARNING OR severity=ERROR AND insertId=xyz",
    "insertId=xyz AND severity=ERROR OR severity=WARNING",
    "resource.type=cloud_run_job",
    "resource.labels.service_name!=api",
    'resource.type=~"^run"',
    'resource.type=~"CLOUD"',
    "jsonPayload.absent=1",
    "jsonPayload.absent!=1",
    'jsonPayload.absent!~"1"',
    "jsonPayload.absent:*",
    "jsonPayload.n>5",
    "jsonPayload.n=50",
    "jsonPayload.list.x=3",
    "jsonPayload.ok=false",
    "severity>WARNING",
    "timestamp>2026-11-24",
    'timestamp="2026-11-23T14:00:00Z"',
    "labels.plain:no",
    '"worker-import"',
    "NOT severity=WARNING",
    "-(severity=WARNING OR severity=ERROR)",
    'log_id("cloudaudit.googleapis.com/system_event")',
    'textPayload:"worker.extract"',
]


@pytest.mark.parametrize("text", MATCHES)
def test_the_filter_matches(text):
    assert parse_log_filter(text).matches(ENTRY)


@pytest.mark.parametrize("text", MISSES)
def test_the_filter_does_not_match(text):
    assert not parse_log_filter(text).matches(ENTRY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("severity=", "line 1, column 10, token 'EOF'"),
        ("severity=WARNING AND", "token 'EOF'"),
        ("(severity=WARNING", "token 'EOF'"),
        ("severity=WARNING)", "line 1, column 17, token ')'"),
        ("severity=WARNING\n  = 3", "line 2, column 3, token '='"),
        ('textPayload:"open', "token '\"'"),
        ("textPayload==x", "token '='"),
        ("textPayload=~word", "token 'word'"),
        ('textPayload=~"["', "invalid regular expression '['"),
        ("foo=1", "Field not found: 'foo'"),
        ("resource.kind=1", "Field not found: 'resource.kind'"),
        ("textPayload.deeper=1", "Field not found: 'textPayload.deeper'"),
        ("severity>=LOUD", "unknown severity 'LOUD'"),
        ('timestamp>"yesterday"', "invalid timestamp 'yesterday'"),
        ('SEARCH("x")', "Unsupported function 'SEARCH'"),
        ("sample(insertId, 0.5)", "Unsupported function 'sample'"),
        ('ip_in_net(jsonPayload.ip, "10.0.0.0/8")', "Unsupported function 'ip_in_net'"),
        ("labels.a=b ; labels.c=d", "token ';'"),
        ("a" * (MAX_LENGTH + 1), "longer than 20000"),
        ("(" * 5000 + "a" + ")" * 5000, "nested deeper than 50"),
        ("NOT " * 4000 + "a", "nested deeper than 50"),
    ],
)
def test_what_is_not_understood_is_refused_and_never_ignored(text, says):
    with pytest.raises(ApiError) as refused:
        parse_log_filter(text)
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert says in refused.value.message


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_the_time_range_is_narrowed_only_by_terms_that_must_hold():
    both = parse_log_filter("timestamp>=2026-11-01 severity=ERROR timestamp<2026-11-02")
    assert (both.after, both.before) == (moment("2026-11-01T00:00:00Z"), moment("2026-11-02T00:00:00Z"))
    for text in (
        "timestamp>=2026-11-01 OR severity=ERROR",
        "severity=ERROR OR timestamp>=2026-11-01",
        "NOT timestamp>=2026-11-01",
        "-(timestamp>=2026-11-01)",
    ):
        assert parse_log_filter(text).after < 0
    one_of = parse_log_filter("(timestamp>=2026-11-05 OR severity=ERROR) timestamp>=2026-11-01")
    assert one_of.after == moment("2026-11-01T00:00:00Z")


# ------------------------------------------------------------------------------------------------------------ the wire


@pytest.fixture
def logs(channel) -> Callable[..., LoggingServiceV2AsyncClient]:
    def client(cloud) -> LoggingServiceV2AsyncClient:
        return LoggingServiceV2AsyncClient(transport=LoggingServiceV2GrpcAsyncIOTransport(channel=channel(cloud)))

    return client


async def entries(client: LoggingServiceV2AsyncClient, text: str = "", **request: Any) -> list[LogEntry]:
    pager = await client.list_log_entries(request={"resource_names": [PROD], "filter": text, **request})
    return [entry async for entry in pager]


def audit(entry: LogEntry) -> AuditLog:
    payload = AuditLog()
    assert LogEntry.pb(entry).proto_payload.Unpack(payload)
    return payload


async def test_the_audit_log_tells_who_moved_which_traffic(emulator, channel, logs):
    cloud = await emulator(scenario="release-ready", principal="maya@bytereview.ai")
    services = run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel(cloud)))
    name = f"{PROD}/locations/us-central1/services/api"
    service = await services.get_service(name=name)
    revision = service.traffic[0].revision
    service.traffic = [run_v2.TrafficTarget(type_=service.traffic[0].type_, revision=revision, percent=100, tag="only")]
    mask = field_mask_pb2.FieldMask(paths=["traffic"])
    await services.update_service(request=run_v2.UpdateServiceRequest(service=service, update_mask=mask))

    text = f'{ACTIVITY} AND protoPayload.methodName:"UpdateService" AND resource.labels.service_name="api"'
    newest = (await entries(logs(cloud), text, order_by="timestamp desc"))[0]
    payload = audit(newest)
    assert newest.resource.type == "cloud_run_revision"
    assert newest.resource.labels["project_id"] == "bytereview-prod"
    assert newest.log_name == f"{PROD}/logs/cloudaudit.googleapis.com%2Factivity"
    assert payload.service_name == "run.googleapis.com"
    assert payload.method_name == "google.cloud.run.v2.Services.UpdateService"
    assert payload.resource_name == name
    assert payload.authentication_info.principal_email == "maya@bytereview.ai"
    (target,) = payload.request["service"]["traffic"]
    assert (target["revision"], target["percent"], target["tag"]) == (revision, 100, "only")


async def test_entries_are_ordered_by_time_both_ways_and_paged(emulator, logs):
    client = logs(await emulator())
    oldest_first = await entries(client, ACTIVITY)
    assert len(oldest_first) > 10
    assert [entry.timestamp for entry in oldest_first] == sorted(entry.timestamp for entry in oldest_first)
    newest_first = await entries(client, ACTIVITY, order_by="timestamp desc", page_size=7)
    assert [entry.insert_id for entry in newest_first] == [entry.insert_id for entry in oldest_first][::-1]
    assert len({entry.insert_id for entry in newest_first}) == len(newest_first)


async def test_a_page_is_not_moved_by_what_is_written_meanwhile(emulator, logs):
    client = logs(await emulator())
    request = {"resource_names": [PROD], "order_by": "timestamp desc", "page_size": 3}
    expected = [entry.insert_id for entry in await entries(client, order_by="timestamp desc")]
    first = await client.list_log_entries(request=request)
    (page,) = [first._response]
    await client.write_log_entries(
        log_name=OWN_LOG, resource={"type": "global"}, labels={}, entries=[LogEntry(text_payload="meanwhile")]
    )
    second = await client.list_log_entries(request={**request, "page_token": page.next_page_token})
    found = [*page.entries, *second._response.entries]
    assert [entry.insert_id for entry in found] == expected[:6]


async def test_a_filter_on_time_gives_exactly_that_stretch(emulator, logs):
    client = logs(await emulator())
    everything = await entries(client)
    since = everything[len(everything) // 2].timestamp
    later = await entries(client, f'timestamp >= "{since.astimezone(UTC).isoformat()}"')
    assert [entry.insert_id for entry in later] == [entry.insert_id for entry in everything if entry.timestamp >= since]


async def test_written_entries_are_found_with_their_defaults(emulator, logs):
    client = logs(await emulator())
    await client.write_log_entries(
        log_name=OWN_LOG,
        resource={"type": "global"},
        labels={"brconsole.dev/release": "r-1", "who": "request"},
        entries=[LogEntry(json_payload={"after": 5}, severity=300, labels={"who": "entry"})],
    )
    (entry,) = await entries(client, 'labels."brconsole.dev/release"="r-1"')
    assert entry.log_name == OWN_LOG
    assert entry.resource.type == "global"
    assert dict(entry.labels) == {"brconsole.dev/release": "r-1", "who": "entry"}
    assert entry.json_payload["after"] == 5
    assert entry.insert_id
    assert abs(entry.timestamp - entry.receive_timestamp) < timedelta(seconds=1)
    assert await entries(client, 'log_id("brconsole-audit") jsonPayload.after>5') == []


async def test_an_entry_written_twice_is_stored_once_and_a_dry_run_not_at_all(emulator, logs):
    cloud = await emulator()
    client = logs(cloud)
    at = datetime.fromtimestamp(cloud.cloud.now(), UTC)
    entry = LogEntry(text_payload="once", insert_id="same", timestamp=at)
    for dry_run in (True, False, False):
        await client.write_log_entries(
            request={"log_name": OWN_LOG, "resource": {"type": "global"}, "entries": [entry], "dry_run": dry_run}
        )
        stored = await entries(client, "textPayload=once")
        assert len(stored) == (0 if dry_run else 1)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"log_name": "brconsole", "entries": [{"text_payload": "x"}]}, "Invalid log name"),
        ({"log_name": OWN_LOG, "entries": []}, "entries"),
        ({"log_name": OWN_LOG, "entries": [{"text_payload": "x" * 300_000}]}, "exceeds maximum size"),
        ({"log_name": OWN_LOG, "entries": [{"timestamp": datetime(2001, 1, 1, tzinfo=UTC)}]}, "out of the range"),
        ({"log_name": OWN_LOG, "resource": None, "entries": [{"text_payload": "x"}]}, "monitored resource"),
    ],
)
async def test_an_entry_that_cannot_be_stored_is_refused(emulator, logs, request_, says):
    client = logs(await emulator())
    with pytest.raises(exceptions.InvalidArgument) as refused:
        await client.write_log_entries(request={"resource": {"type": "global"}, **request_})
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("request_", "raised"),
    [
        ({"resource_names": []}, exceptions.InvalidArgument),
        ({"resource_names": ["bytereview-prod"]}, exceptions.InvalidArgument),
        ({"resource_names": ["projects/elsewhere"]}, exceptions.PermissionDenied),
        ({"resource_names": [PROD, "projects/elsewhere"]}, exceptions.PermissionDenied),
        ({"resource_names": [f"{PROD}/locations/global/buckets/b/views/v"]}, exceptions.MethodNotImplemented),
        ({"resource_names": [PROD], "order_by": "severity"}, exceptions.InvalidArgument),
        ({"resource_names": [PROD], "page_size": 1001}, exceptions.InvalidArgument),
        ({"resource_names": [PROD], "page_token": "x"}, exceptions.InvalidArgument),
        ({"resource_names": [PROD], "filter": "severity="}, exceptions.InvalidArgument),
    ],
)
async def test_a_bad_request_is_refused(emulator, logs, request_, raised):
    client = logs(await emulator())
    with pytest.raises(raised):
        await client.list_log_entries(request=request_)


async def test_entries_of_several_projects_are_one_list(emulator, logs):
    client = logs(await emulator())
    names = ["projects/br-dev-4821", PROD]
    found = await entries(client, resource_names=names)
    assert {entry.log_name.partition("/logs/")[0] for entry in found} == set(names)


async def test_reading_is_limited_to_60_a_minute(emulator, logs):
    client = logs(await emulator(speed=0.001))
    for _ in range(60):
        await client.list_log_entries(request={"resource_names": [PROD], "page_size": 1}, retry=None)
    with pytest.raises(exceptions.ResourceExhausted, match="ReadRequestsPerMinutePerProject"):
        await client.list_log_entries(request={"resource_names": [PROD], "page_size": 1}, retry=None)
