"""Every method of every port against the embedded Google Cloud, over real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from brconsole.domain.alert import Condition
from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.domain.fleet import RevisionKey
from brconsole.emulator.composition import Emulator
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Billing, Clock, Cloud
from brconsole.wiring import ConnectionOptions, open_cloud

StartEmulator = Callable[..., Awaitable[Emulator]]
Open = Callable[..., Awaitable[tuple[Cloud, Clock]]]

TABLE = "bytereview-prod.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819"
PROD = Environment(
    "prod",
    "bytereview-prod",
    "us-central1",
    budget=BudgetSettings(10_000, "USD", "01A2B3-C4D5E6-F70819", TABLE),
)


@pytest.fixture
async def open_prod() -> AsyncIterator[Open]:
    """Opens prod's ports on an embedded cloud, with the clock read."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_ports(cloud: Emulator, deadline_s: float = 8.0) -> tuple[Cloud, Clock]:
            options = ConnectionOptions(f"127.0.0.1:{cloud.grpc_port}", f"127.0.0.1:{cloud.http_port}", deadline_s)
            ports, clock = await stack.enter_async_context(open_cloud(PROD, options))
            await clock.synchronise()
            return ports, clock

        yield open_ports


def closed_minute(clock: Clock) -> datetime:
    now = clock.now()
    assert now is not None
    return now.replace(second=0, microsecond=0)


def billing_of(cloud: Cloud) -> Billing:
    assert cloud.billing is not None
    return cloud.billing


async def test_the_clock_is_the_simulations(emulator: StartEmulator, open_prod: Open) -> None:
    start = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    _, clock = await open_prod(await emulator(speed=60, start=start.timestamp()))

    now = clock.now()

    assert (clock.simulated, clock.speed, clock.skew_s()) == (True, 60, None)
    assert now is not None
    assert start <= now < start + timedelta(hours=1)


async def test_services_and_revisions_tell_the_canary(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, _ = await open_prod(await emulator(scenario="demo"))

    services = {service.name: service for service in await cloud.run.services()}
    revisions = await cloud.run.revisions()

    assert {"api", "frontend", "worker-cron", "worker-extract", "worker-import"} <= set(services)
    assert set(revisions) == set(services)
    assert sorted(services["api"].serving_split().values()) == [5, 95]
    names = {revision.name for revision in revisions["api"]}
    assert set(services["api"].serving_split()) <= names
    assert all(service.ready and service.etag and service.uri for service in services.values())
    assert all(revision.digest for rows in revisions.values() for revision in rows)
    created = [revision.created for revision in revisions["api"] if revision.created]
    assert created == sorted(created, reverse=True)


async def test_request_metrics_agree_with_one_another(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(scenario="demo"))
    end = closed_minute(clock)

    requests = await cloud.metrics.requests(end, 3600, 60)
    latency = await cloud.metrics.latency_p95(end, 3600, 300)
    by_revision = await cloud.metrics.latency_p95_by_revision("api", end, 3600, 60)
    instances = await cloud.metrics.instances(end, 600, 60)
    cold = await cloud.metrics.cold_start_p95(end, 3600, 300)

    served = {key.service for key in requests}
    assert served == {"api", "frontend"}
    assert {key.revision for key in requests if key.service == "api"} == set(by_revision)
    assert set(latency) == served
    for series in requests.values():
        assert len(series.requests.values) == len(series.errors.values) == 60
        for total, errors in zip(series.requests.values, series.errors.values, strict=True):
            assert (total is None) == (errors is None)
            assert total is None or 0 <= (errors or 0) <= total
        assert series.requests.values[0] is not None
        assert series.requests.values[-1] is None, "metrics come up to three minutes late"
    assert {"api", "worker-extract"} <= set(instances)
    assert all(value is None or value > 0 for series in cold.values() for value in series.values)
    assert all(50 < value < 5000 for value in latency["api"].last(3600))
    hourly = await cloud.metrics.requests(end, 7200, 3600)
    stable = max(hourly, key=lambda key: hourly[key].requests.total(7200) or 0)
    assert isinstance(stable, RevisionKey)


async def test_queues_are_found_by_their_label(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(scenario="demo"))
    end = closed_minute(clock)

    depth = await cloud.metrics.queue_depth(end, 600, 60)
    oldest = await cloud.metrics.queue_oldest_age_s(end, 600, 60)
    jobs = await cloud.metrics.jobs_finished(end, 600, 60)

    assert set(depth) == set(oldest) == set(jobs) == {"extract", "import", "cron"}
    newest = depth["extract"].newest()
    assert newest is not None
    assert newest > 0
    assert (jobs["extract"].total(600) or 0) > 0


async def test_every_alert_policy_is_understood_and_can_be_evaluated(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(scenario="demo"))
    end = closed_minute(clock)

    policies = await cloud.metrics.policies()

    assert policies
    for policy in policies:
        assert policy.conditions, policy.name
        for condition in policy.conditions:
            series = await cloud.metrics.condition(condition, end, 1800)
            assert series, f"{policy.name} has data"
            assert all(row.period_s == condition.alignment_period_s for row in series)
            assert any(row.newest() is not None for row in series)


async def test_the_burn_that_a_policy_asks_for_is_read(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(seed=7))
    slo = "projects/bytereview-prod/services/api/serviceLevelObjectives/api-availability"
    burn = Condition("threshold", 14.4, 60, filter=f'select_slo_burn_rate("{slo}", "3600s")', silence_is_fine=True)
    (series,) = await cloud.metrics.condition(burn, closed_minute(clock), 1800)
    newest = series.newest()
    assert newest is not None
    assert 0 <= newest < 14.4


async def test_objectives_have_a_budget_and_events(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(scenario="quiet"))
    end = closed_minute(clock)

    objectives = {objective.name: objective for objective in await cloud.slos.objectives()}

    assert {(one.service, one.kind) for one in objectives.values()} >= {("api", "availability"), ("api", "latency")}
    api = next(one for one in objectives.values() if (one.service, one.kind) == ("api", "availability"))
    assert api.goal == pytest.approx(0.999)
    left = await cloud.slos.budget_remaining(api, end)
    assert left is not None
    assert 0 < left <= 1
    good, bad = await cloud.slos.good_and_bad(api, end, 600, 60)
    requests = await cloud.metrics.requests(end, 600, 60)
    served = [series.requests.values for key, series in requests.items() if key.service == "api"]
    total = [sum(value or 0 for value in column) for column in zip(*served, strict=True)]
    assert [(yes or 0) + (no or 0) for yes, no in zip(good.values, bad.values, strict=True)] == total


async def test_changes_name_who_moved_what(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator(scenario="demo"))
    now = clock.now()
    assert now is not None

    changes = await cloud.audit.changes(now - timedelta(days=2), 20)

    newest = changes[0]
    assert newest.service == "api"
    assert "0 → 5 %" in newest.what
    assert "@" in newest.who
    assert [change.at for change in changes] == sorted((change.at for change in changes), reverse=True)


async def test_spend_and_budget_come_from_the_export_and_the_budgets(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, clock = await open_prod(await emulator())
    now = clock.now()
    assert now is not None

    costs, exported = await billing_of(cloud).daily_costs(date(now.year, now.month, 1), now)

    assert await billing_of(cloud).monthly_budget() == (10_000, "USD")
    assert {"Cloud Run", "Vertex AI"} <= {cost.service for cost in costs}
    assert 0 < sum(cost.cost for cost in costs) < 10_000
    assert exported is not None
    assert now - timedelta(days=2) < exported <= now
    days = {cost.day for cost in costs}
    assert date(now.year, now.month, 1) in days
    assert max(days) <= now.date()


async def test_what_is_denied_is_told_by_doctor_and_by_the_call_itself(
    emulator: StartEmulator, open_prod: Open
) -> None:
    denied = {"monitoring.timeSeries.list", "run.services.update", "billing.budgets.list"}
    cloud, clock = await open_prod(await emulator(denied=frozenset(denied)))

    checks = {check.permission: check for check in await cloud.access.permissions()}

    assert {permission for permission, check in checks.items() if check.held is not True} == denied
    with pytest.raises(SourceFailure) as raised:
        await cloud.metrics.requests(closed_minute(clock), 300, 60)
    assert raised.value.kind is FailureKind.PERMISSION
    assert raised.value.permission == "monitoring.timeSeries.list"
    assert raised.value.role == "roles/monitoring.viewer"


async def test_live_limits_are_learnt(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, _ = await open_prod(await emulator(limits={"run.googleapis.com/read_regional": 480}))

    limits = await cloud.metrics.quota_limits()
    await cloud.run.services()

    assert limits["run.googleapis.com/read_regional"] == 480
    assert ("Cloud Run", 480) in [(use.api, use.limit_per_minute) for use in cloud.meter.use()]


async def test_a_spent_quota_names_the_metric(emulator: StartEmulator, open_prod: Open) -> None:
    cloud, _ = await open_prod(await emulator(limits={"run.googleapis.com/read_regional": 1}))
    await cloud.run.services()

    with pytest.raises(SourceFailure, match=r"quota run\.googleapis\.com/read_regional is used up \(1 a minute\)"):
        await cloud.run.revisions()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"code": "UNAVAILABLE"}, FailureKind.UNAVAILABLE),
        ({"code": "UNAUTHENTICATED"}, FailureKind.UNAUTHENTICATED),
        ({"stall_s": 30}, FailureKind.TIMEOUT),
        ({"garbage": True}, FailureKind.UNREADABLE),
    ],
)
async def test_a_fault_hits_its_api_alone_and_is_over_when_it_is_cleared(
    emulator: StartEmulator, open_prod: Open, fault: dict[str, Any], kind: FailureKind
) -> None:
    embedded = await emulator()
    cloud, clock = await open_prod(embedded, deadline_s=1.0)
    end = closed_minute(clock)
    await cloud.run.services()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{embedded.http_port}", trust_env=False) as control:
        (await control.put("/control/faults", json=[{"api": "run", **fault}])).raise_for_status()

        with pytest.raises(SourceFailure) as raised:
            await cloud.run.services()
        assert raised.value.kind is kind
        assert await cloud.metrics.requests(end, 300, 60)

        (await control.delete("/control/faults")).raise_for_status()
        assert await cloud.run.services()


async def test_the_number_of_calls_does_not_grow_with_the_fleet(emulator: StartEmulator, open_prod: Open) -> None:
    async def calls(services: int) -> tuple[list[tuple[str, int]], int]:
        cloud, clock = await open_prod(await emulator(services=services))
        end = closed_minute(clock)
        listed = await cloud.run.services()
        revisions = await cloud.run.revisions()
        await cloud.metrics.requests(end, 600, 60)
        await cloud.metrics.latency_p95(end, 600, 300)
        await cloud.metrics.instances(end, 600, 60)
        await cloud.slos.objectives()
        assert set(revisions) == {service.name for service in listed}
        return [(use.api, use.calls_per_minute) for use in cloud.meter.use()], len(listed)

    few, small = await calls(5)
    many, large = await calls(60)

    assert (small, large) == (5, 60)
    assert few == many
