"""Cloud Run as the console reads it, from a plain server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.cloud import run_v2

from brconsole.domain.traffic import TrafficTarget

SERVICES = "/google.cloud.run.v2.Services/ListServices"
REVISIONS = "/google.cloud.run.v2.Revisions/ListRevisions"
PARENT = "projects/bytereview-prod/locations/us-central1"
State = run_v2.Condition.State
To = run_v2.TrafficTargetAllocationType


def a_service(name: str = "api", **fields: Any) -> run_v2.Service:
    return run_v2.Service(
        name=f"{PARENT}/services/{name}",
        latest_ready_revision=f"{PARENT}/services/{name}/revisions/{name}-00002-b",
        **fields,
    )


def a_revision(name: str, service: str = "api", **fields: Any) -> run_v2.Revision:
    return run_v2.Revision(name=f"{PARENT}/services/{service}/revisions/{name}", service=service, **fields)


async def test_a_service_keeps_intent_and_truth_apart(google: Any, connect: Any) -> None:
    listed = a_service(
        generation=7,
        observed_generation=6,
        etag='"x"',
        uri="https://api.example.com",
        last_modifier="deploy@example.com",
        update_time=datetime(2026, 11, 23, 13, 58, tzinfo=UTC),
        labels={"role": "web"},
        traffic=[
            {"type_": To.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION, "revision": "api-00001-a", "percent": 95},
            {"type_": To.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST, "percent": 5, "tag": "next"},
        ],
        traffic_statuses=[
            {"type_": To.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION, "revision": "api-00001-a", "percent": 100}
        ],
        terminal_condition={"type_": "Ready", "state": State.CONDITION_SUCCEEDED},
        template={"session_affinity": True},
    )
    google.on(SERVICES, run_v2.ListServicesRequest, lambda *_: run_v2.ListServicesResponse(services=[listed]))
    cloud, _ = await connect()

    (service,) = await cloud.run.services()

    assert service.name == "api"
    assert service.desired == (TrafficTarget("api-00001-a", 95), TrafficTarget(None, 5, "next"))
    assert service.serving == (TrafficTarget("api-00001-a", 100),)
    assert service.latest_ready == "api-00002-b"
    assert (service.generation, service.observed_generation, service.etag) == (7, 6, '"x"')
    assert service.updated == datetime(2026, 11, 23, 13, 58, tzinfo=UTC)
    assert service.created is None
    assert service.ready is True
    assert service.reason is None
    assert service.session_affinity
    assert service.last_modifier == "deploy@example.com"
    assert service.labels == {"role": "web"}


async def test_a_service_that_failed_says_why_and_one_that_reconciles_is_undecided(google: Any, connect: Any) -> None:
    failed = a_service(
        "broken",
        terminal_condition={
            "state": State.CONDITION_FAILED,
            "revision_reason": run_v2.Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR,
            "message": "the container\nfailed to \x1b[31mstart",
        },
    )
    busy = a_service("busy", reconciling=True, terminal_condition={"state": State.CONDITION_RECONCILING})
    google.on(SERVICES, run_v2.ListServicesRequest, lambda *_: run_v2.ListServicesResponse(services=[failed, busy]))
    cloud, _ = await connect()

    broken, reconciling = await cloud.run.services()

    assert broken.ready is False
    assert broken.reason == "HEALTH_CHECK_CONTAINER_ERROR: the container failed to \ufffd[31mstart"
    assert reconciling.ready is None


async def test_lists_are_followed_to_the_last_page_as_one_call(google: Any, connect: Any) -> None:
    def page(request: run_v2.ListServicesRequest, _: Any) -> run_v2.ListServicesResponse:
        number = int(request.page_token or 0)
        return run_v2.ListServicesResponse(
            services=[a_service(f"s{number}")], next_page_token=str(number + 1) if number < 4 else ""
        )

    google.on(SERVICES, run_v2.ListServicesRequest, page)
    cloud, _ = await connect()

    services = await cloud.run.services()

    assert [service.name for service in services] == ["s0", "s1", "s2", "s3", "s4"]
    assert [(use.api, use.calls_per_minute) for use in cloud.meter.use()] == [("Cloud Run", 1)]
    assert {request.parent for request in google.requests("ListServices")} == {PARENT}


async def test_thousands_of_revisions_come_in_one_call_for_the_region_newest_first(google: Any, connect: Any) -> None:
    rows = [
        a_revision(
            f"s{index % 200}-{index:05}",
            f"s{index % 200}",
            create_time=datetime.fromtimestamp(1_795_000_000 + index, UTC),
            labels={"note": "x" * 2000},
            conditions=[{"type_": "Ready", "state": State.CONDITION_SUCCEEDED}],
        )
        for index in range(3000)
    ]
    whole = run_v2.ListRevisionsResponse.serialize(run_v2.ListRevisionsResponse(revisions=rows))
    assert len(whole) > 4 * 1024 * 1024, "more than gRPC takes by itself"
    google.on(REVISIONS, run_v2.ListRevisionsRequest, lambda *_: whole)
    cloud, _ = await connect()

    revisions = await cloud.run.revisions()

    assert sum(len(rows) for rows in revisions.values()) == 3000
    assert [revision.name for revision in revisions["s7"]][:2] == ["s7-02807", "s7-02607"]
    assert all(revision.ready for revision in revisions["s7"])
    assert [request.parent for request in google.requests("ListRevisions")] == [f"{PARENT}/services/-"]


async def test_a_revision_tells_its_digest_its_reason_and_what_it_runs_as(google: Any, connect: Any) -> None:
    sidecar = {"image": "proxy:1"}
    ingress = {"image": "us-docker.pkg.dev/p/r/api@sha256:9f3c", "ports": [{"container_port": 8080}]}
    listed = [
        a_revision(
            "api-00002-b",
            containers=[sidecar, ingress],
            service_account="api@example.com",
            scaling={"min_instance_count": 2},
            create_time=datetime(2026, 11, 2, tzinfo=UTC),
            conditions=[
                {"type_": "ContainerHealthy", "state": State.CONDITION_SUCCEEDED},
                {
                    "type_": "Ready",
                    "state": State.CONDITION_FAILED,
                    "reason": run_v2.Condition.CommonReason.CONTAINER_MISSING,
                    "message": "no such image",
                },
            ],
        ),
        a_revision("api-00001-a", containers=[{"image": "api:latest"}], create_time=datetime(2026, 11, 1, tzinfo=UTC)),
    ]
    google.on(REVISIONS, run_v2.ListRevisionsRequest, lambda *_: run_v2.ListRevisionsResponse(revisions=listed[::-1]))
    cloud, _ = await connect()

    newer, older = (await cloud.run.revisions())["api"]

    assert (newer.name, newer.digest, newer.ready) == ("api-00002-b", "sha256:9f3c", False)
    assert (newer.reason, newer.message) == ("CONTAINER_MISSING", "no such image")
    assert (newer.service_account, newer.min_instances) == ("api@example.com", 2)
    assert (older.digest, older.ready, older.reason) == (None, None, None)


async def test_an_empty_traffic_list_and_an_unknown_reason_are_read_as_they_are(google: Any, connect: Any) -> None:
    odd = a_service(terminal_condition={"state": State.CONDITION_FAILED, "revision_reason": 4711})
    google.on(SERVICES, run_v2.ListServicesRequest, lambda *_: run_v2.ListServicesResponse(services=[odd]))
    cloud, _ = await connect()

    (service,) = await cloud.run.services()

    assert service.desired == ()
    assert service.desired_split() == {"api-00002-b": 100}
    assert service.reason == "reason 4711"


async def test_hostile_words_of_the_platform_are_harmless_and_short(google: Any, connect: Any) -> None:
    words = "\x1b]0;owned\x07[red]\u202e" + "A" * 1_000_000
    bad = a_service(
        terminal_condition={"state": State.CONDITION_FAILED, "message": words}, last_modifier=words, uri=words
    )
    google.on(SERVICES, run_v2.ListServicesRequest, lambda *_: run_v2.ListServicesResponse(services=[bad]))
    cloud, _ = await connect()

    (service,) = await cloud.run.services()

    for text in (service.reason, service.last_modifier, service.uri):
        assert text is not None
        assert text.isprintable()
        assert len(text) < 5000
