"""Each API failing in each way: what a person is told, how soon, and that the next call is a new one.

On a plain server over real sockets, at the level of the adapters; the poller's and the faces' part of it is theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import grpc
import pytest
from google.cloud import monitoring_v3, run_v2
from google.cloud.billing import budgets_v1
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Cloud

END = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
DEADLINE_S = 0.4


@dataclass(frozen=True)
class Source:
    """A port's method, the RPC behind it and what is asked for."""

    title: str
    path: str
    request: type[Any]
    good: Any
    read: Callable[[Cloud], Awaitable[object]]
    permission: str
    role: str


def _daily(cloud: Cloud) -> Awaitable[object]:
    assert cloud.billing is not None
    return cloud.billing.daily_costs(date(2026, 11, 1), END)


def _budget(cloud: Cloud) -> Awaitable[object]:
    assert cloud.billing is not None
    return cloud.billing.monthly_budget()


SOURCES = {
    "services": Source(
        "Cloud Run",
        "/google.cloud.run.v2.Services/ListServices",
        run_v2.ListServicesRequest,
        run_v2.ListServicesResponse(),
        lambda cloud: cloud.run.services(),
        "run.services.list",
        "roles/run.viewer",
    ),
    "revisions": Source(
        "Cloud Run",
        "/google.cloud.run.v2.Revisions/ListRevisions",
        run_v2.ListRevisionsRequest,
        run_v2.ListRevisionsResponse(),
        lambda cloud: cloud.run.revisions(),
        "run.revisions.list",
        "roles/run.viewer",
    ),
    "requests": Source(
        "Cloud Monitoring",
        "/google.monitoring.v3.MetricService/ListTimeSeries",
        monitoring_v3.ListTimeSeriesRequest,
        monitoring_v3.ListTimeSeriesResponse(),
        lambda cloud: cloud.metrics.requests(END, 300, 60),
        "monitoring.timeSeries.list",
        "roles/monitoring.viewer",
    ),
    "alerts": Source(
        "Cloud Monitoring",
        "/google.monitoring.v3.AlertPolicyService/ListAlertPolicies",
        monitoring_v3.ListAlertPoliciesRequest,
        monitoring_v3.ListAlertPoliciesResponse(),
        lambda cloud: cloud.metrics.policies(),
        "monitoring.alertPolicies.list",
        "roles/monitoring.viewer",
    ),
    "slos": Source(
        "Cloud Monitoring",
        "/google.monitoring.v3.ServiceMonitoringService/ListServices",
        monitoring_v3.ListServicesRequest,
        monitoring_v3.ListServicesResponse(),
        lambda cloud: cloud.slos.objectives(),
        "monitoring.services.list",
        "roles/monitoring.viewer",
    ),
    "changes": Source(
        "Cloud Logging",
        "/google.logging.v2.LoggingServiceV2/ListLogEntries",
        ListLogEntriesRequest,
        ListLogEntriesResponse(),
        lambda cloud: cloud.audit.changes(END, 10),
        "logging.logEntries.list",
        "roles/logging.viewer",
    ),
    "budget": Source(
        "Cloud Billing Budgets",
        "/google.cloud.billing.budgets.v1.BudgetService/ListBudgets",
        budgets_v1.ListBudgetsRequest,
        budgets_v1.ListBudgetsResponse(),
        _budget,
        "billing.budgets.list",
        "roles/billing.viewer",
    ),
    "spend": Source("BigQuery", "", object, None, _daily, "bigquery.jobs.create", "roles/bigquery.jobUser"),
}
PAGED_SOURCES = [name for name, source in SOURCES.items() if source.path and name != "changes"]
OBJECTIVES = "/google.monitoring.v3.ServiceMonitoringService/ListServiceLevelObjectives"
NO_OBJECTIVES = monitoring_v3.ListServiceLevelObjectivesResponse()


@dataclass(frozen=True)
class Failure:
    """A way to fail: a code (with what Google says), a stall or a reply that does not parse, and what is made of it."""

    kind: FailureKind
    says: str
    code: grpc.StatusCode | None = None
    http_status: int = 200
    message: str = ""
    stalls: bool = False
    deadline_s: float = 2.0


Code = grpc.StatusCode
FAILURES = {
    "unavailable": Failure(
        FailureKind.UNAVAILABLE, "is unavailable: try later", Code.UNAVAILABLE, 503, "try later", deadline_s=1.0
    ),
    "deadline": Failure(FailureKind.TIMEOUT, "within 2 s", Code.DEADLINE_EXCEEDED, 504, "too slow"),
    "denied": Failure(FailureKind.PERMISSION, "permission {permission} is missing", Code.PERMISSION_DENIED, 403, "no"),
    "unauthenticated": Failure(
        FailureKind.UNAUTHENTICATED,
        "run `gcloud auth application-default login`, or try the console with --simulate",
        Code.UNAUTHENTICATED,
        401,
        "Request had invalid authentication credentials.",
    ),
    "exhausted": Failure(FailureKind.QUOTA, "the quota is used up", Code.RESOURCE_EXHAUSTED, 429, "Quota exceeded"),
    "stall": Failure(FailureKind.TIMEOUT, "within 0.3 s", stalls=True, deadline_s=0.3),
    "garbage": Failure(FailureKind.UNREADABLE, "cannot be read"),
}


class Broken:
    """Makes a source fail in a way, and whole again."""

    def __init__(self, google: Any, reply: Callable[..., Any], source: Source, failure: Failure) -> None:
        self._google = google
        self._reply = reply
        self._source = source
        self._failure = failure
        self.released = asyncio.Event()

    def breaks(self) -> None:
        self.released.clear()
        if self._source.path:
            self._google.on(self._source.path, self._source.request, self._rpc)
        else:
            self._google.http = self._http

    def mends(self) -> None:
        self.released.set()
        if self._source.path:
            self._google.on(self._source.path, self._source.request, lambda *_: self._source.good)
        else:
            self._google.http = lambda *_: self._reply({"jobComplete": True})

    async def _rpc(self, _request: Any, context: Any) -> bytes:
        if self._failure.stalls:
            await self.released.wait()
        if self._failure.code is not None:
            await context.abort(self._failure.code, self._failure.message)
        return b"\xff\xff\xff\xff not protobuf"

    async def _http(self, *_: Any) -> Any:
        if self._failure.stalls:
            await self.released.wait()
        if self._failure.code is not None:
            return self._reply({"error": {"message": self._failure.message}}, self._failure.http_status)
        answer = self._reply({})
        answer.body = b"\xff\xff not json"
        return answer


@pytest.mark.parametrize("way", FAILURES)
@pytest.mark.parametrize("name", SOURCES)
async def test_each_api_failing_in_each_way_is_named_in_time_and_recovers(
    google: Any, connect: Any, reply: Callable[..., Any], name: str, way: str
) -> None:
    source, failure = SOURCES[name], FAILURES[way]
    broken = Broken(google, reply, source, failure)
    google.on(OBJECTIVES, monitoring_v3.ListServiceLevelObjectivesRequest, lambda *_: NO_OBJECTIVES)
    broken.mends()
    warm, _ = await connect(synchronise=False)
    cloud, _ = await connect(deadline_s=failure.deadline_s, synchronise=False)
    await source.read(warm)
    broken.breaks()
    began = asyncio.get_running_loop().time()

    with pytest.raises(SourceFailure) as raised:
        await source.read(cloud)

    assert asyncio.get_running_loop().time() - began < failure.deadline_s + 2, (
        "the deadline holds, whatever the server does"
    )
    assert raised.value.kind is failure.kind
    assert raised.value.api == source.title
    sentence = str(raised.value)
    assert sentence.startswith(f"{source.title}: ")
    assert failure.says.format(permission=source.permission) in sentence
    assert sentence.isprintable()
    if failure.kind is FailureKind.PERMISSION:
        assert (raised.value.permission, raised.value.role) == (source.permission, source.role)
        assert source.role in sentence
    broken.mends()
    await source.read(cloud)


@pytest.mark.parametrize("name", PAGED_SOURCES)
async def test_a_list_that_breaks_on_its_second_page_is_no_list(google: Any, connect: Any, name: str) -> None:
    source = SOURCES[name]
    google.on(OBJECTIVES, monitoring_v3.ListServiceLevelObjectivesRequest, lambda *_: NO_OBJECTIVES)
    pages = iter([type(source.good)(next_page_token="2"), b"\xff\xff\xff"])
    google.on(source.path, source.request, lambda *_: next(pages))
    cloud, _ = await connect()

    with pytest.raises(SourceFailure, match="cannot be read"):
        await source.read(cloud)


async def test_a_page_token_that_never_ends_is_cut_by_the_deadline(google: Any, connect: Any) -> None:
    source = SOURCES["services"]
    google.on(source.path, source.request, lambda *_: run_v2.ListServicesResponse(next_page_token="again"))
    cloud, _ = await connect(deadline_s=0.3)

    with pytest.raises(SourceFailure) as raised:
        await source.read(cloud)

    assert raised.value.kind in (FailureKind.TIMEOUT, FailureKind.QUOTA)


async def test_a_missing_server_is_said_in_plain_words(google: Any, connect: Any, unused_tcp_port: int) -> None:
    google.port = unused_tcp_port
    cloud, _ = await connect(deadline_s=DEADLINE_S)

    with pytest.raises(SourceFailure) as raised:
        await cloud.run.services()

    assert raised.value.kind is FailureKind.UNAVAILABLE
    assert str(raised.value) == (
        f"Cloud Run: 127.0.0.1:{unused_tcp_port} is unavailable: connection refused"
        " (projects/bytereview-prod/locations/us-central1); it asks again by itself"
    )


async def test_a_missing_http_side_fails_only_what_needs_it(google: Any, connect: Any, unused_tcp_port: int) -> None:
    google.http_port = unused_tcp_port
    source = SOURCES["services"]
    google.on(source.path, source.request, lambda *_: source.good)
    cloud, clock = await connect(deadline_s=DEADLINE_S)

    assert await cloud.run.services() == ()
    assert clock.now() is not None
    with pytest.raises(SourceFailure, match=f"127.0.0.1:{unused_tcp_port} is unavailable"):
        await SOURCES["spend"].read(cloud)


async def test_one_refusal_in_passing_is_asked_again_at_once(google: Any, connect: Any) -> None:
    source = SOURCES["services"]
    refused = False

    async def once(_request: Any, context: Any) -> Any:
        nonlocal refused
        if not refused:
            refused = True
            await context.abort(Code.UNAVAILABLE, "restarting")
        return source.good

    google.on(source.path, source.request, once)
    cloud, _ = await connect()

    assert await cloud.run.services() == ()
    assert len(google.requests("ListServices")) == 2
    assert [use.calls_per_minute for use in cloud.meter.use()] == [1]


async def test_cancelling_passes_through_and_ends_the_call_on_the_server(google: Any, connect: Any) -> None:
    source = SOURCES["services"]
    reached, ended = asyncio.Event(), asyncio.Event()

    async def stall(*_: Any) -> Any:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    google.on(source.path, source.request, stall)
    cloud, _ = await connect()
    task = asyncio.create_task(cloud.run.services())
    async with asyncio.timeout(5):
        await reached.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await ended.wait()

    assert task.cancelled()


def _status(code: Code, message: str, *details: Any) -> bytes:
    packed = []
    for detail in details:
        holder = any_pb2.Any()
        holder.Pack(detail)
        packed.append(holder)
    status: bytes = status_pb2.Status(code=code.value[0], message=message, details=packed).SerializeToString()
    return status


@pytest.mark.parametrize(
    ("code", "details", "says"),
    [
        (
            Code.PERMISSION_DENIED,
            [
                error_details_pb2.ErrorInfo(
                    reason="IAM_PERMISSION_DENIED",
                    metadata={"permission": "run.services.get", "resource": "projects/other"},
                )
            ],
            "Cloud Run: permission run.services.get is missing (projects/other);"
            " ask for roles/run.viewer, which holds it",
        ),
        (
            Code.PERMISSION_DENIED,
            [error_details_pb2.ErrorInfo(reason="SERVICE_DISABLED", metadata={"service": "run.googleapis.com"})],
            "run `gcloud services enable run.googleapis.com --project bytereview-prod`",
        ),
        (
            Code.RESOURCE_EXHAUSTED,
            [
                error_details_pb2.ErrorInfo(
                    reason="RATE_LIMIT_EXCEEDED",
                    metadata={"quota_metric": "run.googleapis.com/read_regional", "quota_limit_value": "600"},
                ),
                error_details_pb2.RetryInfo(retry_delay={"seconds": 7}),
            ],
            "quota run.googleapis.com/read_regional is used up (600 a minute)",
        ),
    ],
)
async def test_the_details_of_an_error_name_what_is_missing(
    google: Any, connect: Any, code: Code, details: list[Any], says: str
) -> None:
    source = SOURCES["services"]

    async def refuse(_request: Any, context: Any) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", _status(code, "refused", *details)),))
        await context.abort(code, "refused")

    google.on(source.path, source.request, refuse)
    cloud, _ = await connect()

    with pytest.raises(SourceFailure) as raised:
        await cloud.run.services()

    assert says in str(raised.value)
    if code is Code.RESOURCE_EXHAUSTED:
        assert raised.value.retry_after_s == 7
        assert "in 7 s" in str(raised.value)


async def test_hostile_words_in_an_error_are_harmless(google: Any, connect: Any) -> None:
    source = SOURCES["services"]

    async def refuse(_request: Any, context: Any) -> None:
        await context.abort(Code.INVALID_ARGUMENT, "\x1b]0;x\x07 [bold]\u202e " + "y" * 5000)

    google.on(source.path, source.request, refuse)
    cloud, _ = await connect()

    with pytest.raises(SourceFailure) as raised:
        await cloud.run.services()

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


async def test_a_server_that_went_away_and_came_back_is_found_again(google: Any, connect: Any) -> None:
    source = SOURCES["services"]
    google.on(source.path, source.request, lambda *_: source.good)
    cloud, _ = await connect(deadline_s=1.0, synchronise=False)
    assert await cloud.run.services() == ()

    await google.stops()
    with pytest.raises(SourceFailure, match="is unavailable"):
        await cloud.run.services()
    await google.starts()

    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(SourceFailure):
                assert await cloud.run.services() == ()
                break
