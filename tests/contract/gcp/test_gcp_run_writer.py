"""The traffic writers against the embedded Google Cloud, over real sockets: v1 under a version, v2 behind a fence."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from brconsole.domain import intent
from brconsole.domain.environment import Environment, PlanStep, WriteApi
from brconsole.domain.intent import ANNOTATION
from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.emulator.composition import Emulator
from brconsole.gcp.write_proof import WriteProof, dump, proof_file
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Cloud, LiveService, TrafficWriter
from brconsole.wiring import ConnectionOptions, open_cloud

PROJECT, REGION = "bytereview-prod", "us-central1"
READ, WRITE = "run.googleapis.com/read_regional", "run.googleapis.com/write_regional"


@dataclass(frozen=True)
class Prod:
    """prod's ports on an embedded cloud."""

    embedded: Emulator
    cloud: Cloud

    @property
    def writer(self) -> TrafficWriter:
        assert self.cloud.writer is not None
        return self.cloud.writer

    async def api(self) -> Service:
        """api as the lists of v2 show it."""
        return next(service for service in await self.cloud.run.services() if service.name == "api")

    async def names(self) -> list[str]:
        """The names of api's revisions, newest first."""
        return [revision.name for revision in (await self.cloud.run.revisions())["api"]]

    async def control(self, path: str, document: object) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"http://127.0.0.1:{self.embedded.http_port}/control/{path}"
            (await http.put(url, json=document)).raise_for_status()

    def seen(self) -> Service:
        """api as the world has it now, asked of nobody."""
        cloud = self.embedded.cloud
        found: Any = cloud.world.service(PROJECT, "api", cloud.now())
        return found


Open = Callable[..., Awaitable[Prod]]
WAYS: tuple[WriteApi, ...] = ("v1", "v2")


@pytest.fixture
async def prod(emulator: Callable[..., Awaitable[Emulator]], tmp_path: Path) -> AsyncIterator[Open]:
    """Opens prod: `await prod("v2", etag_enforced=True)`; another `on=` joins a cloud that runs."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            way: WriteApi = "v1", *, on: Prod | None = None, deadline_s: float = 8.0, **options: object
        ) -> Prod:
            embedded = on.embedded if on else await emulator(**{"speed": 60.0, "scenario": "release-ready", **options})
            where = ConnectionOptions(
                f"127.0.0.1:{embedded.grpc_port}", f"127.0.0.1:{embedded.http_port}", deadline_s, tmp_path
            )
            environment = Environment("prod", PROJECT, REGION, write_api=way)
            cloud, clock = await stack.enter_async_context(open_cloud(environment, where))
            await clock.synchronise()
            return Prod(embedded, cloud)

        yield start


def split(first: str, percent: int, second: str) -> list[TrafficTarget]:
    return [TrafficTarget(first, percent), TrafficTarget(second, 100 - percent)]


def record(seq: int) -> str:
    """An annotation that the fence can read the sequence of."""
    steps = (PlanStep(5, 900), PlanStep(100, 0))
    at = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    return intent.dump(
        intent.Rollout(
            id="r-20261123-1400-abc",
            seq=seq,
            phase=intent.Phase.OBSERVING,
            plan=intent.plan_id("prod", steps),
            steps=steps,
            step=0,
            stable="api-00041-abc",
            canary="api-00042-def",
            step_started=at,
            deadline=at + timedelta(hours=4),
        )
    )


# --------------------------------------------------------------------------------------------------------- either way


async def test_both_ways_read_the_same_service_as_the_list_shows(prod: Open) -> None:
    v1 = await prod("v1")
    v2 = await prod("v2", on=v1)

    by_v1, by_v2, listed = await v1.writer.read("api"), await v2.writer.read("api"), await v1.api()

    assert by_v2.service == listed
    assert by_v2.version == listed.etag
    # v1 has no time of the change: it tells when the service last began or ended to reconcile.
    unknown_to_v1 = {"etag": "", "updated": by_v1.service.updated, "created": by_v1.service.created}
    assert by_v1.service.updated is not None
    assert by_v1.service == dataclasses.replace(listed, **unknown_to_v1)
    assert by_v1.service.created is not None
    assert listed.created is not None
    assert abs(by_v1.service.created - listed.created) < timedelta(milliseconds=1)
    for live in (by_v1, by_v2):
        now = v1.embedded.cloud.now()
        assert now - 120 < live.server_time.timestamp() <= now, "the server's own time, not the console's"


@pytest.mark.parametrize("way", WAYS)
async def test_traffic_and_annotations_are_one_write_without_a_new_revision(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    names = await on.names()
    base = await on.writer.read("api")
    foreign = [target for target in base.service.desired if target.tag]
    assert foreign, "the scenario has a tag of somebody's"

    accepted = await on.writer.write(
        base,
        [*split(names[1], 95, names[0]), TrafficTarget(names[0], 0, "canary"), *foreign],
        {ANNOTATION: record(1), "team": "growth"},
    )

    assert base.server_time <= accepted <= base.server_time + timedelta(minutes=5)
    after = await on.api()
    assert after.desired_split() == {names[1]: 95, names[0]: 5}
    assert {(target.revision, target.percent, target.tag) for target in after.desired if target.tag} == {
        (names[0], 0, "canary"),
        *((target.revision, 0, target.tag) for target in foreign),
    }
    assert after.annotations == {ANNOTATION: record(1), "team": "growth"}
    assert after.generation == base.service.generation + 1
    assert await on.names() == names


@pytest.mark.parametrize("way", WAYS)
async def test_the_audit_log_tells_of_the_write_in_either_version(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    names = await on.names()
    base = await on.writer.read("api")

    await on.writer.write(base, split(names[1], 95, names[0]), {ANNOTATION: record(1)})

    newest = (await on.cloud.audit.changes(base.server_time - timedelta(days=1), 5))[0]
    assert (newest.service, newest.who) == ("api", on.embedded.options.principal)
    assert "5 %" in newest.what


@pytest.mark.parametrize("way", WAYS)
async def test_an_urgent_write_has_a_bucket_of_its_own(prod: Open, way: WriteApi) -> None:
    on = await prod(way, speed=1.0, limits={WRITE: 8})
    await on.cloud.metrics.quota_limits()

    async def write(seq: int, *, urgent: bool) -> None:
        base = await on.writer.read("api")
        await on.writer.write(base, base.service.desired, {ANNOTATION: record(seq)}, urgent=urgent)

    for seq in (1, 2):
        await write(seq, urgent=False)
    with pytest.raises(SourceFailure, match="the console keeps to 2 of 8 calls a minute"):
        await write(3, urgent=False)
    await write(4, urgent=True)

    assert on.seen().annotations == {ANNOTATION: record(4)}


@pytest.mark.parametrize("way", WAYS)
async def test_an_annotation_is_changed_or_removed_and_others_stay(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    names = await on.names()
    traffic = [TrafficTarget(names[1], 100)]
    await on.writer.write(await on.writer.read("api"), traffic, {ANNOTATION: record(1), "theirs": "1", "gone": "x"})

    await on.writer.write(await on.writer.read("api"), traffic, {ANNOTATION: record(2), "gone": None, "never": None})

    assert (await on.api()).annotations == {ANNOTATION: record(2), "theirs": "1"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_tag_on_an_entry_with_traffic_becomes_one_of_its_own(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    names = await on.names()

    await on.writer.write(await on.writer.read("api"), [TrafficTarget(names[1], 100, "prev")], {})

    assert (await on.api()).desired == (TrafficTarget(names[1], 100), TrafficTarget(names[1], 0, "prev"))


@pytest.mark.parametrize("way", WAYS)
async def test_a_stale_base_is_a_conflict_and_changes_nothing(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    other = await prod("v1", on=on)
    names = await on.names()
    base = await on.writer.read("api")
    await other.writer.write(await other.writer.read("api"), split(names[1], 90, names[0]), {ANNOTATION: record(7)})
    before = on.seen()

    with pytest.raises(SourceFailure) as raised:
        await on.writer.write(base, [TrafficTarget(names[0], 100)], {ANNOTATION: record(1)})

    assert raised.value.kind is FailureKind.CONFLICT
    assert "changed" in str(raised.value)
    assert on.seen().generation == before.generation


@pytest.mark.parametrize("way", WAYS)
async def test_hostile_annotation_values_are_written_as_they_are(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    hostile = '\x1b]0;owned\x07[red]{"seq": 10e999}\u202e\U0001f600\n\x00\\'
    base = await on.writer.read("api")

    await on.writer.write(base, base.service.desired, {ANNOTATION: hostile})

    assert (await on.writer.read("api")).service.annotations[ANNOTATION] == hostile
    again = await on.writer.read("api")
    await on.writer.write(again, again.service.desired, {ANNOTATION: record(1)})


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_no_text_is_refused_before_anything_is_sent(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    base = await on.writer.read("api")

    with pytest.raises(SourceFailure, match="no Unicode text") as raised:
        await on.writer.write(base, base.service.desired, {"a\ud800": "b"})

    assert raised.value.kind is FailureKind.INVALID
    assert str(raised.value).isprintable()
    assert on.seen().generation == base.service.generation


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_split_says_why_and_is_no_conflict(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    base = await on.writer.read("api")

    with pytest.raises(SourceFailure, match="api-99999-zzz") as raised:
        await on.writer.write(base, [TrafficTarget("api-99999-zzz", 100)], {})

    assert raised.value.kind is FailureKind.INVALID


@pytest.mark.parametrize("way", WAYS)
async def test_without_act_as_the_failure_names_account_permission_and_role(prod: Open, way: WriteApi) -> None:
    on = await prod(way, denied=frozenset({"iam.serviceAccounts.actAs"}))
    base = await on.writer.read("api")
    account = f"api-run@{PROJECT}.iam.gserviceaccount.com"

    with pytest.raises(SourceFailure) as raised:
        await on.writer.write(base, base.service.desired, {})

    failure = raised.value
    assert (failure.kind, failure.permission) == (FailureKind.PERMISSION, "iam.serviceAccounts.actAs")
    assert (failure.role, failure.resource) == ("roles/iam.serviceAccountUser", account)
    assert f"iam.serviceAccounts.actAs on the runtime service account {account} is missing" in str(failure)
    assert "roles/iam.serviceAccountUser" in str(failure)
    assert await on.writer.may_act_as(account) is False


@pytest.mark.parametrize("way", WAYS)
async def test_may_act_as_is_asked_of_iam_and_none_where_it_cannot_be(prod: Open, way: WriteApi) -> None:
    on = await prod(way)
    account = f"api-run@{PROJECT}.iam.gserviceaccount.com"

    assert await on.writer.may_act_as(account) is True
    assert await on.writer.may_act_as("nobody@nowhere.iam.gserviceaccount.com") is None
    await on.control("faults", [{"api": "iam", "code": "UNAVAILABLE"}])
    assert await on.writer.may_act_as(account) is None


# ----------------------------------------------------------------------------------------------- outcomes not known


METHOD: Mapping[str, str] = {"v1": "ReplaceService", "v2": "UpdateService"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("fault", "kind", "applied"),
    [
        ({"lost": True}, FailureKind.UNAVAILABLE, True),
        ({"code": "UNAVAILABLE"}, FailureKind.UNAVAILABLE, False),
        ({"garbage": True}, FailureKind.UNAVAILABLE, False),
        ({"stall_s": 30}, FailureKind.TIMEOUT, False),
    ],
)
async def test_an_outcome_that_is_not_known_is_said_and_never_sent_again(
    prod: Open, way: WriteApi, fault: dict[str, object], kind: FailureKind, applied: bool
) -> None:
    on = await prod(way, deadline_s=1.0)
    names = await on.names()
    base = await on.writer.read("api")
    await on.control("faults", [{"api": "run", "method": METHOD[way], **fault, "count": 1}])

    with pytest.raises(SourceFailure, match="whether the write was applied is not known") as raised:
        await on.writer.write(base, [TrafficTarget(names[0], 100)], {ANNOTATION: record(1)})

    assert raised.value.kind is kind
    live = await on.writer.read("api")
    assert live.service.generation == base.service.generation + applied
    assert (live.service.annotations.get(ANNOTATION) == record(1)) is applied


@pytest.mark.parametrize("way", WAYS)
async def test_a_full_write_quota_is_a_known_outcome(prod: Open, way: WriteApi) -> None:
    on = await prod(way, speed=1.0, limits={WRITE: 1})
    base = await on.writer.read("api")
    await on.writer.write(base, base.service.desired, {ANNOTATION: record(1)})

    with pytest.raises(SourceFailure, match="write_regional") as raised:
        await on.writer.write(await on.writer.read("api"), base.service.desired, {ANNOTATION: record(2)})

    assert raised.value.kind is FailureKind.QUOTA
    assert "not known" not in str(raised.value)


async def test_a_connection_that_was_never_made_says_that_nothing_is_unknown(
    prod: Open, unused_tcp_port: int, tmp_path: Path
) -> None:
    on = await prod("v1")
    where = ConnectionOptions(f"127.0.0.1:{on.embedded.grpc_port}", f"127.0.0.1:{unused_tcp_port}", 2.0, tmp_path)
    async with open_cloud(Environment("prod", PROJECT, REGION), where) as (cloud, _):
        assert cloud.writer is not None
        with pytest.raises(SourceFailure, match="unavailable") as raised:
            await cloud.writer.read("api")
    assert raised.value.kind is FailureKind.UNAVAILABLE
    assert f"127.0.0.1:{unused_tcp_port}" in str(raised.value), "the REST side is named"


# --------------------------------------------------------------------------------------------------------- two at once


async def test_of_ten_simultaneous_writes_from_one_base_v1_accepts_one(prod: Open) -> None:
    first = await prod("v1", latency_ms=5)
    writers = [first, await prod("v1", on=first)]
    names = await first.names()
    bases = [await each.writer.read("api") for each in writers]

    async def write(index: int) -> FailureKind | None:
        on, base = writers[index % 2], bases[index % 2]
        try:
            await on.writer.write(base, split(names[1], 90 - index, names[0]), {ANNOTATION: record(index + 1)})
        except SourceFailure as failure:
            return failure.kind
        return None

    outcomes = await asyncio.gather(*(write(index) for index in range(10)))

    assert sorted(outcomes, key=str) == [None, *[FailureKind.CONFLICT] * 9]
    assert (await first.api()).generation == bases[0].service.generation + 1


@pytest.mark.parametrize("enforced", [False, True])
async def test_two_v2_writes_that_slip_past_the_fence_do_not_both_say_done(prod: Open, enforced: bool) -> None:
    one = await prod("v2", etag_enforced=enforced, latency_ms=10)
    two = await prod("v2", on=one)
    names = await one.names()
    bases = [await on.writer.read("api") for on in (one, two)]

    async def write(on: Prod, base: LiveService, percent: int) -> FailureKind | None:
        try:
            await on.writer.write(base, split(names[1], percent, names[0]), {ANNOTATION: record(percent)})
        except SourceFailure as failure:
            return failure.kind
        return None

    outcomes = await asyncio.gather(write(one, bases[0], 90), write(two, bases[1], 80))

    after = await one.api()
    done = [percent for percent, outcome in zip((90, 80), outcomes, strict=True) if outcome is None]
    assert FailureKind.CONFLICT in outcomes
    assert done == [after.desired_split()[names[1]]], "who said done is who stands"
    assert after.generation - bases[0].service.generation == (1 if enforced else 2)


async def test_the_fence_tells_which_sequence_is_live(prod: Open) -> None:
    on = await prod("v2")
    base = await on.writer.read("api")
    other = await prod("v1", on=on)
    await other.writer.write(await other.writer.read("api"), base.service.desired, {ANNOTATION: record(8)})

    with pytest.raises(SourceFailure, match="sequence none was read, 8 is live"):
        await on.writer.write(base, base.service.desired, {ANNOTATION: record(1)})


async def test_a_read_back_that_fails_leaves_the_acceptance_standing(prod: Open) -> None:
    on = await prod("v2", speed=1.0, limits={READ: 2})
    base = await on.writer.read("api")

    accepted = await on.writer.write(base, base.service.desired, {ANNOTATION: record(1)})

    assert accepted >= base.server_time
    assert on.seen().annotations == {ANNOTATION: record(1)}


# ------------------------------------------------------------------------------------------- without a read (rollback)


@pytest.mark.parametrize("way", WAYS)
async def test_with_the_read_quota_spent_a_rollback_is_written_from_the_last_good_object(
    prod: Open, way: WriteApi
) -> None:
    on = await prod(way, speed=1.0, limits={READ: 3})
    names = await on.names()
    base = await on.writer.read("api")
    with contextlib.suppress(SourceFailure):
        await on.writer.read("api")
    with pytest.raises(SourceFailure) as spent:
        await on.writer.read("api")
    assert spent.value.kind is FailureKind.QUOTA

    accepted = await on.writer.write_unread(
        "api", [TrafficTarget(names[1], 100), TrafficTarget(names[1], 0, "prev")], {ANNOTATION: record(3)}
    )

    assert accepted >= base.server_time
    after = on.seen()
    assert after.annotations == {ANNOTATION: record(3)}
    assert [(target.revision, target.percent) for target in after.traffic] == [(names[1], 100), (names[1], 0)]
    assert after.generation == base.service.generation + 1


async def test_an_unread_v1_write_that_conflicts_goes_through_v2_and_keeps_others_annotations(prod: Open) -> None:
    on = await prod("v1")
    names = await on.names()
    base = await on.writer.read("api")
    other = await prod("v1", on=on)
    await other.writer.write(await other.writer.read("api"), base.service.desired, {"theirs": "1"})
    await on.cloud.run.services()  # as the poller does

    await on.writer.write_unread("api", [TrafficTarget(names[1], 100)], {ANNOTATION: record(9)})

    after = await on.api()
    assert after.annotations == {"theirs": "1", ANNOTATION: record(9)}
    assert after.desired_split() == {names[1]: 100}
    assert await on.names() == names, "no revision was minted"


@pytest.mark.parametrize("way", WAYS)
async def test_a_process_that_has_read_nothing_can_still_roll_back(prod: Open, way: WriteApi) -> None:
    on = await prod(way, speed=1.0)
    names = [revision.name for revision in on.embedded.cloud.world.revisions(PROJECT, "api", on.embedded.cloud.now())]
    fresh = await prod(way, on=on)
    await on.control("faults", [{"api": "run", "method": "GetService", "code": "RESOURCE_EXHAUSTED"}])

    await fresh.writer.write_unread("api", [TrafficTarget(names[1], 100)], {ANNOTATION: record(1)})

    after = on.seen()
    assert after.annotations == {ANNOTATION: record(1)}


async def test_where_the_rest_side_is_gone_an_unread_write_goes_through_v2(prod: Open, tmp_path: Path) -> None:
    on = await prod("v1")
    names = await on.names()
    await on.writer.read("api")
    await on.embedded._http.stop()

    await on.writer.write_unread("api", [TrafficTarget(names[1], 100)], {ANNOTATION: record(1)})

    assert (await on.api()).desired_split() == {names[1]: 100}


async def test_writes_and_rollbacks_take_nothing_from_the_reads_share(prod: Open) -> None:
    on = await prod("v1", speed=1.0, limits={READ: 8})
    await on.cloud.metrics.quota_limits()
    base = await on.writer.read("api")
    await on.writer.read("api")
    with pytest.raises(SourceFailure, match="the console keeps to 2 of 8 calls a minute"):
        await on.writer.read("api")

    await on.writer.write(base, base.service.desired, {ANNOTATION: record(1)})
    for seq in range(2, 6):
        await on.writer.write_unread("api", base.service.desired, {ANNOTATION: record(seq)})

    assert on.seen().annotations == {ANNOTATION: record(5)}


# --------------------------------------------------------------------------------------------------------- which way


def proof(on: Prod, *, enforced: bool, port: int | None = None) -> WriteProof:
    address = f"127.0.0.1:{port or on.embedded.grpc_port}"
    return WriteProof(PROJECT, REGION, address, enforced, "2026-11-23T14:00:00Z")


@pytest.mark.parametrize(
    ("way", "proved", "kind", "conditional"),
    [
        ("auto", None, "ConditionalWriter", True),
        ("auto", False, "ConditionalWriter", True),
        ("auto", True, "FencedWriter", True),
        ("v1", True, "ConditionalWriter", True),
        ("v2", None, "FencedWriter", False),
        ("v2", True, "FencedWriter", True),
    ],
)
async def test_the_way_is_chosen_by_configuration_and_proof(
    prod: Open, tmp_path: Path, way: WriteApi, proved: bool | None, kind: str, conditional: bool
) -> None:
    on = await prod()
    if proved is not None:
        file = proof_file(tmp_path, PROJECT, REGION)
        file.parent.mkdir(parents=True)
        file.write_text(dump(proof(on, enforced=proved)))

    chosen = (await prod(way, on=on)).writer

    assert (type(chosen).__name__, chosen.conditional) == (kind, conditional)


async def test_a_proof_made_elsewhere_does_not_count(prod: Open, tmp_path: Path) -> None:
    on = await prod()
    file = proof_file(tmp_path, PROJECT, REGION)
    file.parent.mkdir(parents=True)
    file.write_text(dump(proof(on, enforced=True, port=1)))

    assert type((await prod("auto", on=on)).writer).__name__ == "ConditionalWriter"


# ----------------------------------------------------------------------------------- servers that are not the emulator


async def test_an_answer_without_a_date_takes_service_time(google: Any, connect: Any, reply: Any) -> None:
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": "api",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "resourceVersion": "AAA",
        },
        "spec": {"template": {"spec": {}}, "traffic": [{"latestRevision": True, "percent": 100}]},
    }
    cloud, clock = await connect()
    google.http = lambda *_: reply(document)

    live = await cloud.writer.read("api")

    assert abs(live.server_time - datetime.now(UTC)) < timedelta(minutes=1)
    assert live.version == "AAA"
    assert (live.service.ready, live.service.reconciling, live.service.serving) == (None, True, ())
    assert live.service.desired == (TrafficTarget(None, 100),)
    assert clock.simulated is False


async def test_the_template_is_pinned_and_nothing_else_of_the_object_is_touched(
    google: Any, connect: Any, reply: Any
) -> None:
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": "api",
            "namespace": "1",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "resourceVersion": "AAA",
            "annotations": {"run.googleapis.com/minScale": "3", "theirs": "1"},
            "aFieldOfTomorrow": {"kept": True},
        },
        "spec": {
            "template": {"metadata": {"name": None}, "spec": {"containers": [{"image": "x"}], "newer": 1}},
            "traffic": [],
        },
        "status": {"latestCreatedRevisionName": "api-00009-x", "observedGeneration": 3},
    }
    cloud, _ = await connect()
    google.http = lambda *_: reply(document)
    base = await cloud.writer.read("api")

    await cloud.writer.write(
        base, [TrafficTarget("api-00009-x", 100), TrafficTarget(None, 0, "tip")], {ANNOTATION: record(1)}
    )

    ((_, path, body),) = [call for call in google.http_calls if call[0] == "PUT"]
    assert path == "/apis/serving.knative.dev/v1/namespaces/bytereview-prod/services/api"
    sent = json.loads(body)
    assert "status" not in sent
    assert sent["spec"]["template"].pop("metadata") == {"name": "api-00009-x"}
    assert sent["spec"]["template"] == {"spec": {"containers": [{"image": "x"}], "newer": 1}}
    assert sent["spec"]["traffic"] == [
        {"revisionName": "api-00009-x", "percent": 100},
        {"latestRevision": True, "tag": "tip"},
    ]
    assert sent["metadata"]["annotations"].pop(ANNOTATION) == record(1)
    assert sent["metadata"] == document["metadata"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "Service"},
        {"kind": "Service", "metadata": [], "spec": {}},
        {"kind": "Service", "metadata": {"name": "api", "generation": "many", "creationTimestamp": "x"}, "spec": {}},
        [],
        "api",
    ],
)
async def test_a_service_that_is_none_is_unreadable(google: Any, connect: Any, reply: Any, content: object) -> None:
    google.http = lambda *_: reply(content)
    cloud, _ = await connect(synchronise=False)

    with pytest.raises(SourceFailure) as raised:
        await cloud.writer.read("api")

    assert raised.value.kind is FailureKind.UNREADABLE
