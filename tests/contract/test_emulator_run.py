"""Cloud Run v2 on the embedded cloud, through the official clients: lists, updates, operations, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
import httpx
import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports.grpc_asyncio import RevisionsGrpcAsyncIOTransport
from google.cloud.run_v2.services.services.transports.grpc_asyncio import ServicesGrpcAsyncIOTransport
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2, field_mask_pb2

from brconsole.emulator.composition import Emulator

REGION = "projects/bytereview-prod/locations/us-central1"
API = f"{REGION}/services/api"
REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


@dataclass(frozen=True)
class Run:
    """An embedded cloud and the clients of Cloud Run on it."""

    cloud: Emulator
    services: run_v2.ServicesAsyncClient
    revisions: run_v2.RevisionsAsyncClient

    async def api(self) -> run_v2.Service:
        return await self.services.get_service(name=API)

    async def names(self) -> list[str]:
        """The short names of api's revisions, newest first."""
        pager = await self.revisions.list_revisions(parent=API)
        return [revision.name.rpartition("/")[2] async for revision in pager]

    async def update(self, *mask: str, **fields: object):
        options = {name: fields.pop(name) for name in ("validate_only", "allow_missing") if name in fields}
        service = run_v2.Service(**{"name": API, **fields})
        return await self.services.update_service(
            request=run_v2.UpdateServiceRequest(
                service=service, update_mask=field_mask_pb2.FieldMask(paths=mask), **options
            )
        )


@pytest.fixture
def run(emulator, channel) -> Callable[..., Awaitable[Run]]:
    async def start(**options: object) -> Run:
        # A simulated minute is a tenth of a second, so that reconciling takes no time to speak of.
        cloud = await emulator(**{"speed": 600.0, "scenario": "release-ready", **options})
        opened = channel(cloud)
        return Run(
            cloud,
            run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=opened)),
            run_v2.RevisionsAsyncClient(transport=RevisionsGrpcAsyncIOTransport(channel=opened)),
        )

    return start


def to(revision: str, percent: int, tag: str = "") -> run_v2.TrafficTarget:
    return run_v2.TrafficTarget(type_=REVISION, revision=revision, percent=percent, tag=tag)


def shares(targets: Sequence[run_v2.TrafficTarget | run_v2.TrafficTargetStatus]) -> dict[str, int]:
    return {target.revision: target.percent for target in targets if target.percent}


# ------------------------------------------------------------------------------------------------------------- reading


async def test_services_are_listed_in_pages_with_opaque_tokens(run):
    on = await run()
    whole = await on.services.list_services(parent=REGION)
    assert len(whole.services) == 5
    paged = await on.services.list_services(request={"parent": REGION, "page_size": 2})
    pages = [[service.name for service in page.services] async for page in paged.pages]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [name for page in pages for name in page] == [service.name for service in whole.services]
    created = [service.create_time for service in whole.services]
    assert created == sorted(created, reverse=True)


async def test_revisions_of_all_services_are_one_list_of_a_region_newest_first(run):
    on = await run()
    pager = await on.revisions.list_revisions(request={"parent": f"{REGION}/services/-", "page_size": 7})
    found = [revision async for revision in pager]
    assert {revision.service for revision in found} == {
        "api",
        "frontend",
        "worker-extract",
        "worker-import",
        "worker-cron",
    }
    assert [revision.create_time for revision in found] == sorted((one.create_time for one in found), reverse=True)
    assert len({revision.name for revision in found}) == len(found)
    of_api = [revision.name for revision in found if revision.service == "api"]
    assert [name.rpartition("/")[2] for name in of_api] == await on.names()
    assert (await on.revisions.get_revision(name=of_api[0])).name == of_api[0]


async def test_a_large_fleet_is_listed_whole(run):
    on = await run(services=200, scenario="quiet")
    pager = await on.services.list_services(request={"parent": REGION, "page_size": 1000})
    assert len([service async for service in pager]) == 200
    pager = await on.revisions.list_revisions(request={"parent": f"{REGION}/services/-", "page_size": 5000})
    sizes = [len(page.revisions) async for page in pager.pages]
    assert set(sizes[:-1]) == {1000}
    assert sum(sizes) > 5000


@pytest.mark.parametrize("token", ["x", "!!!", "bm90aGluZw==", "WzMsMF0="])
async def test_a_page_token_that_was_not_given_out_is_refused(run, token):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument, match="page token"):
        await on.services.list_services(request={"parent": REGION, "page_token": token})


async def test_a_page_token_belongs_to_its_list(run):
    on = await run()
    first = await on.services.list_services(request={"parent": REGION, "page_size": 1})
    with pytest.raises(exceptions.InvalidArgument, match="page token"):
        await on.revisions.list_revisions(
            request={"parent": f"{REGION}/services/-", "page_token": first.next_page_token}
        )


async def test_the_location_wildcard_is_refused_and_another_region_is_empty(run):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument, match="wildcard"):
        await on.services.list_services(parent="projects/bytereview-prod/locations/-")
    elsewhere = "projects/bytereview-prod/locations/europe-west1"
    assert [service async for service in await on.services.list_services(parent=elsewhere)] == []
    with pytest.raises(exceptions.NotFound, match=r"Resource 'api' of kind 'SERVICE' in region 'europe-west1'"):
        await on.services.get_service(name=f"{elsewhere}/services/api")


async def test_what_does_not_exist_is_not_found_by_kind_and_name(run):
    on = await run()
    with pytest.raises(exceptions.NotFound, match=r"Resource 'apii' of kind 'SERVICE'"):
        await on.services.get_service(name=f"{REGION}/services/apii")
    with pytest.raises(exceptions.NotFound, match=r"Resource 'apii' of kind 'SERVICE'"):
        await on.revisions.list_revisions(parent=f"{REGION}/services/apii")
    with pytest.raises(exceptions.NotFound, match=r"Resource 'api-00001-xxx' of kind 'REVISION'"):
        await on.revisions.get_revision(name=f"{API}/revisions/api-00001-xxx")


async def test_a_service_holds_desired_and_observed_state_apart(run):
    service = await (await run()).api()
    assert service.name == API
    assert service.uri.startswith("https://api-")
    assert service.latest_created_revision.startswith(f"{API}/revisions/api-")
    assert service.latest_ready_revision.startswith(f"{API}/revisions/api-")
    assert sum(target.percent for target in service.traffic) == 100
    assert shares(service.traffic) == shares(service.traffic_statuses)
    assert not service.reconciling
    assert service.observed_generation == service.generation
    assert service.terminal_condition.type_ == "Ready"
    assert service.terminal_condition.state is run_v2.Condition.State.CONDITION_SUCCEEDED
    assert service.template.service_account
    assert "@sha256:" in service.template.containers[0].image


# ------------------------------------------------------------------------------------------------------------- writing


async def test_a_split_is_desired_at_once_and_served_when_the_operation_ends(run):
    # Slow enough that the service can be seen while it reconciles.
    on = await run(speed=20.0)
    before = await on.api()
    new, old = (await on.names())[:2]
    operation = await on.update("traffic", traffic=[to(old, 95), to(new, 5, "canary")])
    assert operation.operation.name.startswith(f"{REGION}/operations/")
    assert operation.metadata.name == API
    reconciling = await on.api()
    assert reconciling.reconciling
    assert reconciling.generation == before.generation + 1
    assert reconciling.observed_generation == before.generation
    assert shares(reconciling.traffic) == {old: 95, new: 5}
    assert shares(reconciling.traffic_statuses) == shares(before.traffic_statuses)
    assert reconciling.etag != before.etag
    after = await operation.result(timeout=60)
    assert not after.reconciling
    assert after.observed_generation == after.generation
    assert shares(after.traffic_statuses) == {old: 95, new: 5}
    (tagged,) = [status for status in after.traffic_statuses if status.tag == "canary"]
    assert tagged.uri == after.uri.replace("https://", "https://canary---")
    assert after.last_modifier == on.cloud.options.principal
    assert await on.names() == [new, old, *(await on.names())[2:]]


async def test_an_update_under_a_mask_leaves_the_rest_alone(run):
    on = await run()
    before = await on.api()
    operation = await on.update(
        "annotations", annotations={"brconsole.dev/release": "r-1"}, traffic=[to("nonsense", 3)]
    )
    after = await operation.result(timeout=60)
    assert dict(after.annotations) == {"brconsole.dev/release": "r-1"}
    assert after.traffic == before.traffic
    assert after.template == before.template


async def test_traffic_and_annotations_are_written_in_one_request_without_a_new_revision(run):
    on = await run()
    names = await on.names()
    operation = await on.update("traffic", "annotations", traffic=[to(names[1], 100)], annotations={"a": "b"})
    after = await operation.result(timeout=60)
    assert dict(after.annotations) == {"a": "b"}
    assert shares(after.traffic_statuses) == {names[1]: 100}
    assert await on.names() == names


async def test_without_a_mask_the_whole_object_is_written(run):
    on = await run()
    service = await on.api()
    names = await on.names()
    service.labels["team"] = "growth"
    operation = await on.services.update_service(service=service)
    after = await operation.result(timeout=60)
    assert after.labels["team"] == "growth"
    assert after.template == service.template
    assert await on.names() == names


async def test_a_changed_template_mints_a_revision(run):
    on = await run()
    names = await on.names()
    template = run_v2.RevisionTemplate(max_instance_request_concurrency=40)
    operation = await on.update("template.max_instance_request_concurrency", template=template)
    after = await operation.result(timeout=60)
    newest = (await on.names())[0]
    assert newest not in names
    assert after.latest_created_revision == f"{API}/revisions/{newest}"
    revision = await on.revisions.get_revision(name=f"{API}/revisions/{newest}")
    assert revision.max_instance_request_concurrency == 40
    assert revision.containers[0].image == after.template.containers[0].image


async def test_a_template_that_names_an_old_revision_conflicts(run):
    on = await run()
    service = await on.api()
    service.template.revision = (await on.names())[0]
    service.template.containers[0].image += "0"
    with pytest.raises(
        exceptions.AlreadyExists, match=r"Revision named '.*' with different configuration already exists"
    ):
        await on.services.update_service(service=service)


async def test_what_the_template_asks_for_and_is_not_simulated_is_named(run):
    on = await run()
    service = await on.api()
    service.template.execution_environment = run_v2.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2
    with pytest.raises(exceptions.MethodNotImplemented, match=r"template\.execution_environment"):
        await on.services.update_service(service=service)


async def test_validate_only_answers_and_changes_nothing(run):
    on = await run()
    before = await on.api()
    new, old = (await on.names())[:2]
    operation = await on.update("traffic", traffic=[to(old, 50), to(new, 50)], validate_only=True)
    assert operation.operation.done
    assert shares((await operation.result()).traffic) == {old: 50, new: 50}
    assert await on.api() == before
    with pytest.raises(exceptions.InvalidArgument):
        await on.update("traffic", traffic=[to(old, 50)], validate_only=True)


@pytest.mark.parametrize(("enforced", "refused"), [(False, False), (True, True)])
async def test_a_stale_etag_is_refused_only_where_the_option_says_so(run, enforced, refused):
    on = await run(etag_enforced=enforced)
    before = await on.api()
    target = [to((await on.names())[1], 100)]
    if refused:
        with pytest.raises(exceptions.Aborted, match=r"Conflict for resource 'api': version '\"bogus\"' was specified"):
            await on.update("traffic", traffic=target, etag='"bogus"')
        assert await on.api() == before
    else:
        await on.update("traffic", traffic=target, etag='"bogus"')
    await on.update("traffic", traffic=target, etag=(await on.api()).etag)


async def test_a_reconcile_that_fails_leaves_the_served_split_where_it_was(run):
    on = await run()
    before = await on.api()
    old = (await on.names())[1]
    async with httpx.AsyncClient() as http:
        fault = {"kind": "crash", "target": "bytereview-prod/api", "magnitude": 1}
        (await http.put(f"http://127.0.0.1:{on.cloud.http_port}/control/world", json=fault)).raise_for_status()
    template = run_v2.RevisionTemplate(max_instance_request_concurrency=40)
    broken = await on.update("template.max_instance_request_concurrency", template=template)
    with pytest.raises(exceptions.GoogleAPICallError, match="not ready"):
        await broken.result(timeout=60)
    newest = (await on.names())[0]
    shifted = await on.update("traffic", traffic=[to(old, 50), to(newest, 50)])
    with pytest.raises(exceptions.GoogleAPICallError) as refused:
        await shifted.result(timeout=60)
    assert newest in refused.value.message
    after = await on.api()
    assert not after.reconciling
    assert shares(after.traffic) == {old: 50, newest: 50}
    assert shares(after.traffic_statuses) == shares(before.traffic_statuses)
    assert after.latest_created_revision == f"{API}/revisions/{newest}"
    assert after.latest_ready_revision == before.latest_ready_revision
    assert after.terminal_condition.state is run_v2.Condition.State.CONDITION_FAILED
    assert newest in after.terminal_condition.message
    unready = await on.revisions.get_revision(name=f"{API}/revisions/{newest}")
    (ready,) = [condition for condition in unready.conditions if condition.type_ == "Ready"]
    assert ready.state is run_v2.Condition.State.CONDITION_FAILED
    assert ready.revision_reason is run_v2.Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR
    await on.update("traffic", traffic=[to(old, 100)])
    assert shares((await on.api()).traffic) == {old: 100}


REFUSED_SPLITS = [
    ([("new", 50, "")], r"Traffic targets sum to 50, want 100"),
    ([("new", 60, ""), ("old", 60, "")], r"Traffic targets sum to 120, want 100"),
    ([("new", 101, ""), ("old", -1, "")], r"expected 0 <= 101 <= 100"),
    ([("api-99999-zzz", 100, "")], r"Revision 'api-99999-zzz' does not exist or is deleted\. Update all traffic"),
    ([("new", 50, "a"), ("old", 50, "a")], r'Multiple definitions for "a"'),
    ([("new", 100, "Canary")], r"'Canary' at traffic\[0\]\.tag"),
    ([("new", 100, "9lives")], r"'9lives'"),
    ([("new", 100, "ends-")], r"'ends-'"),
    ([("new", 100, "x" * 64)], r"at most 46 characters"),
    ([("", 100, "")], r"Missing required field: traffic\[0\]\.revision"),
]


@pytest.mark.parametrize(("split", "says"), REFUSED_SPLITS, ids=[says for _, says in REFUSED_SPLITS])
async def test_a_bad_split_is_refused_and_changes_nothing(run, split, says):
    on = await run()
    before = await on.api()
    known = dict(zip(("new", "old"), await on.names(), strict=False))
    with pytest.raises(exceptions.InvalidArgument, match=says):
        await on.update("traffic", traffic=[to(known.get(name, name), percent, tag) for name, percent, tag in split])
    assert await on.api() == before


async def test_a_target_says_what_it_goes_to(run):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument, match=r"traffic\[0\]\.type"):
        await on.update("traffic", traffic=[run_v2.TrafficTarget(percent=100)])
    named = run_v2.TrafficTarget(type_=LATEST, revision=(await on.names())[0], percent=100)
    with pytest.raises(exceptions.InvalidArgument, match="LATEST must not name a revision"):
        await on.update("traffic", traffic=[named])


async def test_latest_follows_the_newest_ready_revision(run):
    on = await run()
    operation = await on.update("traffic", traffic=[run_v2.TrafficTarget(type_=LATEST, percent=100)])
    after = await operation.result(timeout=60)
    assert [(one.type_, one.percent) for one in after.traffic_statuses] == [(LATEST, 100)]


@pytest.mark.parametrize(
    ("mask", "raised", "says"),
    [
        ("trafic", exceptions.InvalidArgument, "'trafic' does not match any field of google.cloud.run.v2.Service"),
        ("template.contaners", exceptions.InvalidArgument, "template.contaners"),
        ("traffic.percent", exceptions.InvalidArgument, "traffic.percent"),
        ("description", exceptions.MethodNotImplemented, "description"),
        ("scaling.min_instance_count", exceptions.MethodNotImplemented, "scaling.min_instance_count"),
    ],
)
async def test_a_mask_that_cannot_be_written_is_refused_by_name(run, mask, raised, says):
    on = await run()
    with pytest.raises(raised) as refused:
        await on.update(mask, description="x")
    assert says in refused.value.message


@pytest.mark.parametrize(
    "key",
    [
        "run.googleapis.com/client-name",
        "cloud.googleapis.com/location",
        "serving.knative.dev/creator",
        "autoscaling.knative.dev/minScale",
    ],
)
async def test_annotations_of_googles_own_are_rejected(run, key):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument) as refused:
        await on.update("annotations", annotations={key: "1"})
    assert key in refused.value.message


async def test_annotations_keep_kubernetes_rules_of_naming_and_size(run):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument, match="qualified name"):
        await on.update("annotations", annotations={"no spaces": "1"})
    with pytest.raises(exceptions.InvalidArgument, match="Too long"):
        await on.update("annotations", annotations={"big": "x" * (256 * 1024)})


async def test_labels_keep_googles_rules(run):
    on = await run()
    with pytest.raises(exceptions.InvalidArgument, match="Invalid label"):
        await on.update("labels", labels={"Team": "x"})


async def test_creating_is_not_part_of_the_emulator_and_missing_is_not_found(run):
    on = await run()
    with pytest.raises(exceptions.NotFound):
        await on.update("traffic", name=f"{REGION}/services/none", traffic=[])
    with pytest.raises(exceptions.MethodNotImplemented):
        await on.update("traffic", name=f"{REGION}/services/none", traffic=[], allow_missing=True)
    with pytest.raises(exceptions.MethodNotImplemented):
        await on.services.delete_service(name=API)


async def test_an_update_needs_act_as_on_the_runtime_account(run):
    on = await run(denied=frozenset({"iam.serviceAccounts.actAs"}))
    account = (await on.api()).template.service_account
    with pytest.raises(exceptions.PermissionDenied) as refused:
        await on.update("traffic", traffic=[to((await on.names())[1], 100)])
    assert "iam.serviceaccounts.actAs" in refused.value.message
    assert account in refused.value.message


async def test_an_update_needs_to_read_the_image(run):
    on = await run(denied=frozenset({"artifactregistry.repositories.downloadArtifacts"}))
    with pytest.raises(exceptions.PermissionDenied, match=r"artifactregistry\.repositories\.downloadArtifacts"):
        await on.update("traffic", traffic=[to((await on.names())[1], 100)])


# ---------------------------------------------------------------------------------------------------------- operations


async def test_an_operation_is_waited_for_in_simulated_time(run, channel):
    on = await run()
    started = await on.update("traffic", traffic=[to((await on.names())[1], 100)])
    wait = channel(on.cloud).unary_unary(
        "/google.longrunning.Operations/WaitOperation",
        request_serializer=operations_pb2.WaitOperationRequest.SerializeToString,
        response_deserializer=operations_pb2.Operation.FromString,
    )
    name = started.operation.name
    brief = await wait(operations_pb2.WaitOperationRequest(name=name, timeout=duration_pb2.Duration(nanos=1)))
    done = await wait(operations_pb2.WaitOperationRequest(name=name))
    assert brief.name == done.name == name
    assert done.done
    service = run_v2.Service.pb()()
    assert done.response.Unpack(service)
    assert not service.reconciling
    again = await on.services.get_operation(operations_pb2.GetOperationRequest(name=name))
    assert again.response == done.response


async def test_a_wait_that_is_shorter_than_reconciling_returns_an_operation_under_way(run, channel):
    on = await run(speed=1.0)
    started = await on.update("traffic", traffic=[to((await on.names())[1], 100)])
    wait = channel(on.cloud).unary_unary(
        "/google.longrunning.Operations/WaitOperation",
        request_serializer=operations_pb2.WaitOperationRequest.SerializeToString,
        response_deserializer=operations_pb2.Operation.FromString,
    )
    request = operations_pb2.WaitOperationRequest(
        name=started.operation.name, timeout=duration_pb2.Duration(nanos=10**7)
    )
    under_way = await wait(request)
    assert not under_way.done
    assert not under_way.HasField("response")


async def test_operations_are_listed_newest_first_in_pages(run):
    on = await run()
    old = (await on.names())[1]
    names = [(await on.update("traffic", traffic=[to(old, 100, tag)])).operation.name for tag in ("a", "b", "c")]
    first = await on.services.list_operations(operations_pb2.ListOperationsRequest(name=REGION, page_size=2))
    rest = await on.services.list_operations(
        operations_pb2.ListOperationsRequest(name=REGION, page_size=2, page_token=first.next_page_token)
    )
    assert [one.name for one in (*first.operations, *rest.operations)] == names[::-1]
    assert rest.next_page_token == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"{REGION}/operations/none", grpc.StatusCode.NOT_FOUND),
        ("projects/bytereview-prod/locations/europe-west1/operations/none", grpc.StatusCode.NOT_FOUND),
        ("operations/none", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_an_unknown_operation_is_refused(run, name, code):
    on = await run()
    with pytest.raises(exceptions.GoogleAPICallError) as refused:
        await on.services.get_operation(operations_pb2.GetOperationRequest(name=name))
    assert refused.value.grpc_status_code is code
