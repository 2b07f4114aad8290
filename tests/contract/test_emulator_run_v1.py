"""Cloud Run v1 on the embedded cloud over REST: reads, conditional replaces, refusals, and the same world as v2."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports.grpc_asyncio import ServicesGrpcAsyncIOTransport
from google.protobuf import field_mask_pb2

from brconsole.emulator.composition import Emulator

NAMESPACE = "/apis/serving.knative.dev/v1/namespaces/bytereview-prod"
API = f"{NAMESPACE}/services/api"
V2_API = "projects/bytereview-prod/locations/us-central1/services/api"
REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION


@dataclass(frozen=True)
class V1:
    """An embedded cloud, REST on it, and v2 beside it."""

    cloud: Emulator
    http: httpx.AsyncClient
    v2: run_v2.ServicesAsyncClient

    async def get(self, path: str = API, **params: str) -> dict[str, Any]:
        answer = await self.http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    async def revisions(self) -> list[str]:
        """The names of api's revisions, newest first."""
        listed = await self.get(f"{NAMESPACE}/revisions", labelSelector="serving.knative.dev/service = api")
        return [one["metadata"]["name"] for one in listed["items"]]

    async def put(self, document: dict[str, Any], **params: str) -> httpx.Response:
        return await self.http.put(API, json=document, params=params)

    async def settled(self) -> dict[str, Any]:
        """api once it has reconciled."""
        while True:
            found = await self.get()
            if found["status"]["conditions"][0]["status"] != "Unknown":
                return found

    async def control(self, path: str, document: object) -> None:
        (await self.http.put(f"/control/{path}", json=document)).raise_for_status()


Start = Callable[..., Awaitable[V1]]


@pytest.fixture
async def v1(emulator, channel) -> AsyncIterator[Start]:
    opened: list[httpx.AsyncClient] = []

    async def start(**options: object) -> V1:
        cloud = await emulator(**{"speed": 600.0, "scenario": "release-ready", **options})
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}", trust_env=False, timeout=30)
        opened.append(http)
        transport = ServicesGrpcAsyncIOTransport(channel=channel(cloud))
        return V1(cloud, http, run_v2.ServicesAsyncClient(transport=transport))

    yield start
    for one in opened:
        await one.aclose()


def with_traffic(document: dict[str, Any], *targets: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    changed["spec"]["traffic"] = list(targets)
    return changed


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


# ------------------------------------------------------------------------------------------------------------- reading


async def test_a_service_shows_the_same_as_v2_in_knatives_form(v1: Start) -> None:
    on = await v1()

    found = await on.get()
    same = await on.v2.get_service(name=V2_API)

    assert (found["apiVersion"], found["kind"]) == ("serving.knative.dev/v1", "Service")
    metadata, spec, status = found["metadata"], found["spec"], found["status"]
    assert metadata["uid"] == same.uid
    assert metadata["generation"] == same.generation == status["observedGeneration"]
    assert metadata["labels"] == {**same.labels, "cloud.googleapis.com/location": "us-central1"}
    assert metadata["annotations"]["serving.knative.dev/lastModifier"] == same.last_modifier
    assert spec["template"]["metadata"].get("name") is None
    container = spec["template"]["spec"]["containers"][0]
    assert container["image"] == same.template.containers[0].image
    assert status["url"] == same.uri
    assert f"{V2_API}/revisions/{status['latestReadyRevisionName']}" == same.latest_ready_revision
    for documents, targets in ((spec["traffic"], same.traffic), (status["traffic"], same.traffic_statuses)):
        assert [(one["revisionName"], one.get("percent", 0), one.get("tag", "")) for one in documents] == [
            (target.revision, target.percent, target.tag) for target in targets
        ]
    tagged = next(one for one in status["traffic"] if one.get("tag") == "prev")
    assert tagged["url"].startswith("https://prev---api-")


async def test_the_answer_has_the_date_of_the_simulation(v1: Start) -> None:
    on = await v1()

    answer = await on.http.get(API)

    date = parsedate_to_datetime(answer.headers["date"])
    assert 0 <= date.timestamp() - on.cloud.cloud.clock.start <= on.cloud.cloud.now() - on.cloud.cloud.clock.start


async def test_lists_are_filtered_by_label_and_come_in_pages(v1: Start) -> None:
    on = await v1()

    every = await on.get(f"{NAMESPACE}/services")
    workers = await on.get(f"{NAMESPACE}/services", labelSelector="role=worker,owner")
    others = await on.get(f"{NAMESPACE}/services", labelSelector="role!=worker, !nothing")
    first = await on.get(f"{NAMESPACE}/revisions", limit="3", labelSelector="serving.knative.dev/service=api")
    token = first["metadata"]["continue"]
    rest = await on.get(
        f"{NAMESPACE}/revisions", **{"labelSelector": "serving.knative.dev/service=api", "continue": token}
    )

    assert every["kind"] == "ServiceList"
    names = [one["metadata"]["name"] for one in every["items"]]
    assert names == ["api", "frontend", "worker-cron", "worker-extract", "worker-import"]
    assert [one["metadata"]["name"] for one in workers["items"]] == names[2:]
    assert [one["metadata"]["name"] for one in others["items"]] == names[:2]
    assert "continue" not in every["metadata"]
    assert [one["metadata"]["name"] for one in (*first["items"], *rest["items"])] == await on.revisions()
    refused = await on.http.get(f"{NAMESPACE}/services", params={"limit": "1", "continue": token})
    assert (refused.status_code, message(refused)) == (400, "The page token is invalid or has expired.")


async def test_a_revision_says_whether_traffic_or_a_tag_leads_to_it(v1: Start) -> None:
    on = await v1()
    serving = {one["revisionName"] for one in (await on.get())["status"]["traffic"]}

    listed = await on.get(f"{NAMESPACE}/revisions", labelSelector="serving.knative.dev/service=api")
    one = await on.get(f"{NAMESPACE}/revisions/{listed['items'][0]['metadata']['name']}")

    active = {
        revision["metadata"]["name"]
        for revision in listed["items"]
        if {"Active": "True"}.items() <= {c["type"]: c["status"] for c in revision["status"]["conditions"]}.items()
    }
    assert active == serving
    assert one == listed["items"][0]
    assert one["metadata"]["labels"]["serving.knative.dev/service"] == "api"


async def test_the_region_stands_before_the_host_name_as_gcloud_writes_it(v1: Start) -> None:
    on = await v1()

    async def services(host: str, path: str = f"{NAMESPACE}/services") -> int:
        answer = await on.http.get(path, headers={"host": host})
        answer.raise_for_status()
        return len(answer.json()["items"])

    assert await services(f"us-central1-127.0.0.1:{on.cloud.http_port}") == 5
    assert await services("us-central1-run.localhost") == 5
    assert await services("europe-west1-run.localhost") == 0
    assert await services("run.localhost", "/v1/projects/bytereview-prod/locations/-/services") == 5
    missing = await on.http.get(API, headers={"host": "europe-west1-run.localhost"})
    assert missing.status_code == 404
    assert message(missing).startswith("Resource 'api' of kind 'SERVICE' in region 'europe-west1'")
    rebound = await on.http.get(API, headers={"host": "us-central1-evil.example.com"})
    assert rebound.status_code == 400


@pytest.mark.parametrize(
    ("path", "params", "status", "says"),
    [
        (f"{NAMESPACE}/services/apii", {}, 404, "Resource 'apii' of kind 'SERVICE'"),
        (f"{NAMESPACE}/revisions/apii", {}, 404, "Resource 'apii' of kind 'REVISION'"),
        ("/apis/serving.knative.dev/v1/namespaces/nobody/services", {}, 403, "run.services.list"),
        (f"{NAMESPACE}/services", {"labelSelector": "role in (web)"}, 400, "Invalid labelSelector"),
        (f"{NAMESPACE}/services", {"limit": "-1"}, 400, "limit"),
        (f"{NAMESPACE}/services", {"watch": "true"}, 501, "watch"),
        (f"{NAMESPACE}/services", {"nonsense": "1"}, 400, 'Unknown name "nonsense"'),
    ],
)
async def test_what_is_not_there_is_refused(
    v1: Start, path: str, params: dict[str, str], status: int, says: str
) -> None:
    on = await v1()

    answer = await on.http.get(path, params=params)

    assert answer.status_code == status
    assert says in message(answer)


# ------------------------------------------------------------------------------------------------------------- writing


async def test_a_replace_is_accepted_at_once_and_served_when_reconciled(v1: Start) -> None:
    on = await v1(speed=20.0)
    before, names = await on.get(), await on.revisions()
    wanted = with_traffic(
        before, {"revisionName": names[1], "percent": 95}, {"revisionName": names[0], "percent": 5, "tag": "canary"}
    )
    wanted["metadata"]["annotations"]["brconsole.dev/rollout"] = "{}"

    answer = await on.put(wanted)

    assert answer.status_code == 200
    accepted = answer.json()
    assert accepted["status"]["conditions"][0]["status"] == "Unknown"
    assert accepted["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert accepted["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert accepted["status"]["observedGeneration"] == before["status"]["observedGeneration"]
    assert accepted["status"]["traffic"] == before["status"]["traffic"]
    after = await on.settled()
    assert [one.get("percent") for one in after["status"]["traffic"]] == [95, 5]
    same = await on.v2.get_service(name=V2_API)
    assert dict(same.annotations) == {"brconsole.dev/rollout": "{}"}
    assert same.last_modifier == on.cloud.options.principal
    assert await on.revisions() == names


async def test_a_stale_version_is_a_conflict_in_googles_words_and_changes_nothing(v1: Start) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()
    first = await on.put(with_traffic(before, {"revisionName": names[1], "percent": 100}))
    live = await on.get()

    stale = await on.put(with_traffic(before, {"revisionName": names[0], "percent": 100}))
    bogus = copy.deepcopy(live)
    bogus["metadata"]["resourceVersion"] = "bogus"
    invented = await on.put(bogus)

    assert first.status_code == 200
    assert (stale.status_code, stale.json()["error"]["status"]) == (409, "ABORTED")
    told = message(stale)
    assert told.startswith("Conflict for resource 'api': version '")
    assert " was specified but current version is '" in told
    for document in (before, live):
        assert document["metadata"]["resourceVersion"] not in told, "the form read is not the number in the message"
    assert invented.status_code == 409
    assert "version 'bogus' was specified" in message(invented)
    assert (await on.get())["spec"] == live["spec"]
    assert (await on.get())["metadata"] == live["metadata"]


async def test_a_write_through_v2_makes_a_v1_base_stale(v1: Start) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()
    target = run_v2.TrafficTarget(type_=REVISION, revision=names[0], percent=100)
    await on.v2.update_service(
        request=run_v2.UpdateServiceRequest(
            service=run_v2.Service(name=V2_API, traffic=[target]),
            update_mask=field_mask_pb2.FieldMask(paths=["traffic"]),
        )
    )

    assert (await on.put(before)).status_code == 409


async def test_without_a_version_the_last_writer_wins(v1: Start) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()
    del before["metadata"]["resourceVersion"]

    for name in names[:2]:
        assert (await on.put(with_traffic(before, {"revisionName": name, "percent": 100}))).status_code == 200

    assert (await on.get())["spec"]["traffic"] == [{"revisionName": names[1], "percent": 100}]


async def test_of_ten_simultaneous_replaces_of_one_base_one_is_accepted(v1: Start) -> None:
    on = await v1(latency_ms=5)
    base, names = await on.get(), await on.revisions()

    answers = await asyncio.gather(
        *(on.put(with_traffic(base, {"revisionName": names[index % 2], "percent": 100})) for index in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    assert (await on.get())["metadata"]["generation"] == base["metadata"]["generation"] + 1


async def test_a_dry_run_checks_and_changes_nothing(v1: Start) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()

    accepted = await on.put(with_traffic(before, {"revisionName": names[0], "percent": 100}), dryRun="all")
    refused = await on.put(with_traffic(before, {"revisionName": names[0], "percent": 50}), dryRun="all")

    assert (accepted.status_code, refused.status_code) == (200, 400)
    assert await on.get() == before


REFUSED = [
    ([{"revisionName": "new", "percent": 50}], "Traffic targets sum to 50, want 100: spec.traffic"),
    ([{"revisionName": "new", "percent": 101}], "expected 0 <= 101 <= 100: spec.traffic[0].percent"),
    (
        [{"revisionName": "new", "percent": 100, "tag": "a"}, {"revisionName": "old", "tag": "a"}],
        'Multiple definitions for "a": spec.traffic[1].tag, spec.traffic[0].tag',
    ),
    (
        [{"revisionName": "new", "latestRevision": True, "percent": 100}],
        "when latestRevision is true: spec.traffic[0].latestRevision",
    ),
    (
        [{"configurationName": "api", "percent": 100}],
        "must not set the field(s): spec.traffic[0].configurationName",
    ),
    ([{"revisionName": "api-99999-zzz", "percent": 100}], "Revision 'api-99999-zzz' does not exist or is deleted."),
    ([{"revisionName": "new", "percent": "many"}], "Invalid value at 'spec.traffic[0].percent'"),
    ([{"revisionName": "new", "percent": True}], "Invalid value at 'spec.traffic[0].percent'"),
    ([{"revisionName": "new", "percent": 100, "weight": 1}], 'Unknown name "weight"'),
    (["new"], "Invalid value at 'spec.traffic[0]'"),
    ([{"revisionName": "new", "percent": 100, "tag": "Upper"}], "'Upper'"),
]


@pytest.mark.parametrize(("traffic", "says"), REFUSED, ids=[says for _, says in REFUSED])
async def test_a_bad_split_is_refused_in_knatives_words(v1: Start, traffic: list[Any], says: str) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()
    known = {"new": names[0], "old": names[1]}
    named = [
        {**one, "revisionName": known.get(one["revisionName"], one["revisionName"])}
        if isinstance(one, dict) and "revisionName" in one
        else one
        for one in traffic
    ]

    answer = await on.put(with_traffic(before, *named))

    assert answer.status_code == 400
    assert says in message(answer)
    assert await on.get() == before


async def test_the_template_may_be_named_only_after_the_revision_it_is(v1: Start) -> None:
    on = await v1()
    document, names = await on.get(), await on.revisions()
    document["spec"]["template"]["metadata"]["name"] = names[0]
    assert (await on.put(document)).status_code == 200
    assert await on.revisions() == names

    document = await on.get()
    document["spec"]["template"]["metadata"]["name"] = names[0]
    document["spec"]["template"]["spec"]["containerConcurrency"] = 1
    conflict = await on.put(document)

    assert conflict.status_code == 409
    assert message(conflict) == f"Revision named '{names[0]}' with different configuration already exists."


async def test_a_changed_template_mints_a_revision_that_v2_shows(v1: Start) -> None:
    on = await v1()
    document, names = await on.get(), await on.revisions()
    document["spec"]["template"]["spec"]["containerConcurrency"] = 40

    assert (await on.put(document)).status_code == 200

    newest = (await on.settled())["status"]["latestCreatedRevisionName"]
    assert newest not in names
    same = await on.v2.get_service(name=V2_API)
    assert same.template.max_instance_request_concurrency == 40
    assert same.latest_created_revision == f"{V2_API}/revisions/{newest}"


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda d: d["spec"]["template"]["spec"].update(timeoutSeconds=60), 501, "spec.template.spec.timeoutSeconds"),
        (lambda d: d["spec"]["template"]["spec"]["containers"].append({"image": "x"}), 501, "containers"),
        (lambda d: d["spec"]["template"]["spec"].update(containers=[]), 400, "missing field(s)"),
        (lambda d: d["metadata"].update(name="frontend"), 400, "does not match"),
        (lambda d: d.update(kind="Route"), 400, "service.kind"),
        (lambda d: d.update(spec=[]), 400, "service.spec"),
        (lambda d: d["metadata"]["annotations"].update({"serving.knative.dev/creator": "me"}), 400, "immutable"),
        (lambda d: d["metadata"]["annotations"].update({"run.googleapis.com/ingress": "internal"}), 501, "ingress"),
        (lambda d: d["metadata"]["annotations"].update({"no spaces": "1"}), 400, "qualified name"),
        (lambda d: d["metadata"]["annotations"].update({"a": 1}), 400, "TYPE_STRING"),
        (lambda d: d["metadata"]["annotations"].update({"big": "x" * 300_000}), 400, "Too long"),
        (lambda d: d["metadata"]["labels"].update({"Team": "x"}), 400, "Invalid label"),
    ],
)
async def test_what_cannot_be_replaced_is_refused_by_name(
    v1: Start, change: Callable[[dict[str, Any]], object], status: int, says: str
) -> None:
    on = await v1()
    before = await on.get()
    document = copy.deepcopy(before)
    change(document)

    answer = await on.put(document)

    assert answer.status_code == status, answer.text
    assert says in message(answer)
    assert await on.get() == before


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"api"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(v1: Start, body: bytes) -> None:
    on = await v1()

    answer = await on.http.put(API, content=body)

    assert answer.status_code == 400


async def test_hostile_annotation_values_come_back_as_they_were_sent(v1: Start) -> None:
    on = await v1()
    document = await on.get()
    hostile = '\x1b]0;x\x07[red]{"a": "\\"}\u202e\U0001f600\n\x00'
    document["metadata"]["annotations"]["brconsole.dev/rollout"] = hostile

    assert (await on.put(document)).status_code == 200

    assert (await on.get())["metadata"]["annotations"]["brconsole.dev/rollout"] == hostile
    assert (await on.v2.get_service(name=V2_API)).annotations["brconsole.dev/rollout"] == hostile


async def test_a_failed_reconcile_is_over_and_leaves_the_served_split(v1: Start) -> None:
    on = await v1()
    await on.control("world", {"kind": "crash", "target": "bytereview-prod/api", "magnitude": 1})
    document = await on.get()
    document["spec"]["template"]["spec"]["containerConcurrency"] = 40
    assert (await on.put(document)).status_code == 200
    broken = await on.settled()
    newest = broken["status"]["latestCreatedRevisionName"]

    assert (await on.put(with_traffic(broken, {"revisionName": newest, "percent": 100}))).status_code == 200
    after = await on.settled()

    ready = after["status"]["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "HealthCheckContainerError")
    assert newest in ready["message"]
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]
    assert after["status"]["traffic"] == document["status"]["traffic"]


async def test_reads_and_writes_have_quotas_of_their_own(v1: Start) -> None:
    on = await v1(speed=1.0, limits={"run.googleapis.com/read_regional": 2, "run.googleapis.com/write_regional": 1})
    document = await on.get()
    await on.get()

    spent = await on.http.get(API)
    written = await on.put(document)
    again = await on.put(document)

    assert (spent.status_code, written.status_code, again.status_code) == (429, 200, 429)
    assert "read_regional" in spent.text
    assert "write_regional" in again.text


async def test_a_fault_of_run_meets_both_versions_and_a_lost_reply_was_carried_out(v1: Start) -> None:
    on = await v1()
    before, names = await on.get(), await on.revisions()
    await on.control("faults", [{"api": "run", "method": "GetService", "code": "UNAVAILABLE", "count": 1}])
    assert (await on.http.get(API)).status_code == 503
    assert (await on.http.get(API)).status_code == 200

    await on.control("faults", [{"api": "run", "method": "ReplaceService", "lost": True, "count": 1}])
    with pytest.raises(httpx.RemoteProtocolError):
        await on.put(with_traffic(before, {"revisionName": names[0], "percent": 100}))

    assert (await on.get())["spec"]["traffic"] == [{"revisionName": names[0], "percent": 100}]


async def test_an_update_needs_its_permissions(v1: Start) -> None:
    on = await v1(denied=frozenset({"iam.serviceAccounts.actAs"}))
    document = await on.get()

    answer = await on.put(document)

    assert answer.status_code == 403
    account = document["spec"]["template"]["spec"]["serviceAccountName"]
    assert message(answer) == (
        f"Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not exist)."
    )
    asked = f"/v1/projects/-/serviceAccounts/{account}:testIamPermissions"
    held = await on.http.post(asked, json={"permissions": ["iam.serviceAccounts.actAs", "iam.serviceAccounts.get"]})
    assert held.json() == {"permissions": ["iam.serviceAccounts.get"]}
    nobody = "/v1/projects/-/serviceAccounts/x@nowhere.iam.gserviceaccount.com:testIamPermissions"
    assert (await on.http.post(nobody, json={"permissions": []})).status_code == 404


async def test_the_audit_log_names_the_v1_method(v1: Start) -> None:
    on = await v1()
    document, names = await on.get(), await on.revisions()
    await on.put(with_traffic(document, {"revisionName": names[0], "percent": 100}))

    entries = on.cloud.cloud.world.audit("bytereview-prod", on.cloud.cloud.clock.start, on.cloud.cloud.now())

    assert [entry.method for entry in entries] == ["google.cloud.run.v1.Services.ReplaceService"]
