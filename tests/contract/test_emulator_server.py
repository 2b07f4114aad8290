"""The front door of the embedded cloud: unknown methods, faults, quotas, permissions, latency, ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import grpc
import httpx
import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports.grpc_asyncio import ServicesGrpcAsyncIOTransport
from google.rpc import error_details_pb2

from brconsole.emulator import methods, quota
from brconsole.emulator.clock import Clock
from brconsole.emulator.composition import GRPC_APIS, Emulator
from brconsole.emulator.options import EmulatorError, EmulatorOptions
from brconsole.emulator.server import GARBAGE

REGION = "projects/bytereview-prod/locations/us-central1"


@pytest.fixture
def services(channel: Callable[[Emulator], grpc.aio.Channel]) -> Callable[[Emulator], run_v2.ServicesAsyncClient]:
    def client(cloud: Emulator) -> run_v2.ServicesAsyncClient:
        return run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel(cloud)))

    return client


async def put_faults(cloud: Emulator, *faults: dict[str, object]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}") as http:
        (await http.put("/control/faults", json=list(faults))).raise_for_status()


async def first_service(client: run_v2.ServicesAsyncClient, **options: object) -> run_v2.Service:
    pager = await client.list_services(parent=REGION, **options)
    async for service in pager:
        return service
    raise AssertionError("there is no service")


def test_every_registered_api_finds_its_service_in_the_clients_own_transport():
    for api in GRPC_APIS:
        known = {one.name for one in methods.recorded_methods(api.TRANSPORT).values() if one.service == api.SERVICE}
        implemented = {name for name in known if hasattr(api, name)}
        assert implemented, api
        assert set(api.RULES) <= implemented, f"{api.__name__} has a rule for a method it does not implement"


def test_the_recording_gives_paths_and_message_types_of_every_shape():
    from google.cloud.logging_v2.services.logging_service_v2.transports.grpc import LoggingServiceV2GrpcTransport

    recorded = methods.recorded_methods(LoggingServiceV2GrpcTransport)
    listing = recorded["/google.logging.v2.LoggingServiceV2/ListLogEntries"]
    assert listing.request.__name__ == "ListLogEntriesRequest"
    assert listing.response is not None
    assert listing.response.__name__ == "ListLogEntriesResponse"
    assert not listing.streaming
    assert recorded["/google.logging.v2.LoggingServiceV2/TailLogEntries"].streaming


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/google.nowhere.v1.Nothing/Get", "no such service or method"),
        ("/google.cloud.run.v2.Services/Invented", "no such service or method"),
        ("/google.cloud.run.v2.Services/CreateService", "not part of the embedded Google Cloud"),
        ("/google.cloud.run.v2.Services/GetIamPolicy", "not part of the embedded Google Cloud"),
    ],
)
async def test_what_is_not_implemented_answers_unimplemented_and_names_the_method(emulator, channel, path, says):
    cloud = await emulator()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel(cloud).unary_unary(path)(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert path in refused.value.details()
    assert says in refused.value.details()


async def test_a_request_that_does_not_parse_is_an_invalid_argument(emulator, channel):
    cloud = await emulator()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel(cloud).unary_unary("/google.cloud.run.v2.Services/ListServices")(GARBAGE)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("UNAVAILABLE", exceptions.ServiceUnavailable),
        ("DEADLINE_EXCEEDED", exceptions.DeadlineExceeded),
        ("PERMISSION_DENIED", exceptions.PermissionDenied),
        ("UNAUTHENTICATED", exceptions.Unauthenticated),
        ("RESOURCE_EXHAUSTED", exceptions.ResourceExhausted),
        ("INTERNAL", exceptions.InternalServerError),
    ],
)
async def test_a_code_fault_reaches_the_official_client_as_that_error(emulator, services, code, raised):
    cloud = await emulator()
    client = services(cloud)
    await put_faults(cloud, {"api": "run", "code": code, "count": 1})
    with pytest.raises(raised):
        await first_service(client, retry=None)
    assert (await first_service(client)).name.startswith(REGION)


async def test_a_permission_fault_names_the_permission_as_google_does(emulator, services):
    cloud = await emulator()
    await put_faults(cloud, {"api": "run", "method": "ListServices", "code": "PERMISSION_DENIED"})
    with pytest.raises(
        exceptions.PermissionDenied, match=r"Permission 'run.services.list' denied on resource 'projects/"
    ):
        await first_service(services(cloud))


async def test_a_stall_holds_the_call_and_ends_with_the_clients_deadline(emulator, services):
    cloud = await emulator()
    client = services(cloud)
    await put_faults(cloud, {"api": "run", "stall_s": 600, "count": 1})
    started = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceeded):
        await first_service(client, retry=None, timeout=0.2)
    assert time.monotonic() - started < 30
    assert await first_service(client)


async def test_a_short_stall_answers_in_the_end(emulator, services):
    cloud = await emulator()
    await put_faults(cloud, {"api": "run", "stall_s": 0.2, "count": 1})
    started = time.monotonic()
    assert await first_service(services(cloud))
    assert time.monotonic() - started >= 0.2


async def test_garbage_is_a_reply_that_does_not_parse(emulator, services, channel):
    cloud = await emulator()
    await put_faults(cloud, {"api": "run", "garbage": True, "count": 1})
    reply = await channel(cloud).unary_unary("/google.cloud.run.v2.Services/ListServices")(
        run_v2.ListServicesRequest.serialize(run_v2.ListServicesRequest(parent=REGION))
    )
    with pytest.raises(Exception, match=r"[Pp]ars"):
        run_v2.ListServicesResponse.deserialize(reply)
    assert await first_service(services(cloud))


async def test_a_fault_hits_only_its_api_and_method(emulator, services):
    cloud = await emulator()
    client = services(cloud)
    await put_faults(
        cloud, {"api": "logging", "code": "UNAVAILABLE"}, {"api": "run", "method": "GetService", "code": "ABORTED"}
    )
    assert await first_service(client)
    with pytest.raises(exceptions.Aborted):
        await client.get_service(name=f"{REGION}/services/api")


async def test_the_quota_answers_429_with_googles_details_and_refills_with_the_minute(emulator, services):
    cloud = await emulator(speed=600, limits={quota.RUN_READ: 3})
    client = services(cloud)

    async def refused() -> exceptions.ResourceExhausted:
        while True:
            try:
                await first_service(client, retry=None)
            except exceptions.ResourceExhausted as error:
                return error

    error = await asyncio.wait_for(refused(), 30)
    assert "Quota exceeded for quota metric" in error.message
    assert "ReadPerMinutePerProjectRegion" in error.message
    kinds = {type(detail) for detail in error.details}
    assert {error_details_pb2.ErrorInfo, error_details_pb2.QuotaFailure} <= kinds

    async def served_again() -> run_v2.Service:
        while True:
            try:
                return await first_service(client, retry=None)
            except exceptions.ResourceExhausted:
                continue

    assert await asyncio.wait_for(served_again(), 30)


def test_a_refused_call_costs_no_quota_and_projects_have_their_own():
    counts = quota.Quotas({quota.LOGGING_READ: 2})
    for _ in range(2):
        counts.spend(quota.LOGGING_READ, "one", 1, "us-central1", 60.0)
    for _ in range(3):
        with pytest.raises(Exception, match="Quota exceeded"):
            counts.spend(quota.LOGGING_READ, "one", 1, "europe-west1", 119.0)
    counts.spend(quota.LOGGING_READ, "two", 2, "us-central1", 119.0)
    counts.spend(quota.LOGGING_READ, "one", 1, "us-central1", 120.0)
    assert counts.used(quota.LOGGING_READ, "one", "us-central1", 120.0) == 1


def test_a_quota_metric_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"run.googleapis.com/raed_regional"):
        quota.Quotas({"run.googleapis.com/raed_regional": 1})


async def test_a_permission_taken_away_refuses_the_call(emulator, services):
    cloud = await emulator(denied=frozenset({"run.services.list"}))
    with pytest.raises(exceptions.PermissionDenied) as refused:
        await first_service(services(cloud))
    info = next(detail for detail in refused.value.details if isinstance(detail, error_details_pb2.ErrorInfo))
    assert info.metadata["permission"] == "run.services.list"


async def test_latency_is_added_to_each_call(emulator, services):
    cloud = await emulator(latency_ms=120)
    client = services(cloud)
    started = time.monotonic()
    await client.get_service(name=f"{REGION}/services/api")
    await client.get_service(name=f"{REGION}/services/api")
    assert time.monotonic() - started >= 0.24


@pytest.mark.parametrize("field", ["port", "http_port"])
async def test_a_port_in_use_is_a_sentence(emulator, field):
    cloud = await emulator()
    taken = cloud.grpc_port if field == "port" else cloud.http_port
    with pytest.raises(EmulatorError, match=rf"port {taken} on 127\.0\.0\.1 cannot be used .*choose another"):
        await Emulator(EmulatorOptions(**{field: taken})).start()


async def test_stopping_closes_both_ports_and_ends_the_calls_under_way(services):
    cloud = Emulator(EmulatorOptions())
    async with cloud:
        client = services(cloud)
        await put_faults(cloud, {"api": "run", "stall_s": 600, "count": 1})
        stalled = asyncio.ensure_future(first_service(client, retry=None, timeout=60))
        async with httpx.AsyncClient() as http:
            # Until the call has met the fault.
            while (await http.get(f"http://127.0.0.1:{cloud.http_port}/control/faults")).json():
                continue
    with pytest.raises(exceptions.GoogleAPICallError):
        await asyncio.wait_for(stalled, 30)
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.TransportError):
            await http.get(f"http://127.0.0.1:{cloud.http_port}/control/clock")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"port": 70000}, "port: found 70000"),
        ({"speed": 0.0}, "speed: found 0"),
        ({"latency_ms": -1.0}, "latency: found -1"),
        ({"services": 0}, "services: found 0"),
    ],
)
def test_bad_options_name_the_option_and_what_is_allowed(options, names):
    with pytest.raises(EmulatorError, match=names):
        EmulatorOptions(**options)


def test_an_unknown_scenario_is_a_sentence():
    with pytest.raises(EmulatorError, match="quiett"):
        Emulator(EmulatorOptions(scenario="quiett"))


def test_simulated_time_runs_at_its_speed_from_its_start():
    ticks = iter([10.0, 10.0, 11.5])
    clock = Clock(1000.0, 60.0, lambda: next(ticks))
    assert clock.now() == 1000.0
    assert clock.now() == 1090.0
    assert clock.real_seconds(120.0) == 2.0
