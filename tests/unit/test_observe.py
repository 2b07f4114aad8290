"""The poller: what is asked when, and what becomes of answers, failures and silence."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes import CLOSED, START, Clock, Ports, Timing, environment, objective, service

from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import SourceState
from brconsole.domain.service import Change, Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.observe import Observer
from brconsole.operations.timing import Backoff

METHODS = [
    "services",
    "revisions",
    "requests/60",
    "latency_p95",
    "instances",
    "cold_start_p95",
    "objectives",
    "requests/300",
    "requests/3600",
    "queue_depth",
    "condition",
    "changes",
    "daily_costs",
]
SOURCE_OF = {
    "services": "services",
    "revisions": "revisions",
    "requests/60": "requests",
    "latency_p95": "latency",
    "instances": "instances",
    "cold_start_p95": "cold_starts",
    "objectives": "slos",
    "requests/300": "slos",
    "requests/3600": "slos",
    "queue_depth": "queues",
    "condition": "alerts",
    "changes": "changes",
    "daily_costs": "spend",
}


@dataclass
class Bench:
    """An observer with everything around it in the test's hand."""

    ports: Ports = field(default_factory=Ports)
    billing: bool = True
    speed: float = 1.0
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        self.timing = Timing()
        self.clock = Clock(self.timing, speed=self.speed)
        self.published: list[tuple[float, Fleet]] = []
        self.observer = Observer(
            environment(),
            self.ports.cloud(billing=self.billing),
            self.clock,
            publish=lambda fleet: self.published.append((self.timing.monotonic(), fleet)),
            jitter=random.Random(7),
            timing=self.timing,
            backoff=self.backoff,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        task = asyncio.create_task(self.observer.run())
        try:
            await self.timing.advance(0.5)
            yield self
            assert not task.done(), "a loop has ended"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def fleet(self) -> Fleet:
        return self.published[-1][1]

    async def once(self) -> Fleet:
        return await self.observer.once()

    async def calls_in(self, seconds: float) -> dict[str, int]:
        before = dict(self.ports.calls)
        await self.timing.advance(seconds)
        return {method: count - before.get(method, 0) for method, count in self.ports.calls.items()}


def unavailable(**changes: Any) -> SourceFailure:
    return SourceFailure(FailureKind.UNAVAILABLE, "Cloud Run", "projects/p", "connection refused", **changes)


# ------------------------------------------------------------------------------------------------------------ one look


async def test_one_look_reads_every_source_and_knows_its_age() -> None:
    bench = Bench(Ports(listed_objectives=(objective(),)))
    fleet = await bench.once()
    assert {name: fleet.state(name) for name in fleet.sources} == dict.fromkeys(
        set(SOURCE_OF.values()), SourceState.LIVE
    )
    assert fleet.now == START
    assert fleet.simulated
    assert fleet.services.as_of == START
    assert fleet.requests.as_of == CLOSED
    assert fleet.slos.as_of == CLOSED
    assert fleet.alerts.as_of == CLOSED
    assert fleet.api_use[0].calls_per_minute == 1
    assert not bench.published


async def test_no_metric_younger_than_three_minutes_is_asked_for_and_windows_end_on_the_minute() -> None:
    bench = Bench()
    await bench.once()
    for method in ("requests/60", "requests/300", "requests/3600", "latency_p95"):
        ((end, *_),) = bench.ports.arguments[method]
        assert end == CLOSED


async def test_the_number_of_calls_does_not_grow_with_the_fleet() -> None:
    calls = []
    for count in (5, 200):
        bench = Bench(Ports(services_wanted=count, revisions_each=30, listed_objectives=(objective(),)))
        fleet = await bench.once()
        assert fleet.services.value is not None
        assert len(fleet.services.value) == count
        calls.append(bench.ports.calls)
    assert calls[0] == calls[1]


@pytest.mark.parametrize("method", METHODS)
async def test_a_source_that_fails_leaves_the_others_alone(method: str) -> None:
    bench = Bench(Ports(listed_objectives=(objective(),)))
    bench.ports.failing[method] = unavailable()
    fleet = await bench.once()
    states = {name: fleet.state(name) for name in fleet.sources}
    failed = {name for name, state in states.items() if state is SourceState.FAILED}
    assert failed == {SOURCE_OF[method]} | ({"slos"} if method == "requests/60" else set())
    assert "connection refused" in (fleet.reading(SOURCE_OF[method]).error or "")


@pytest.mark.parametrize("method", METHODS)
async def test_a_source_that_never_answers_costs_the_deadline_and_only_its_own_reading(method: str) -> None:
    bench = Bench(Ports(listed_objectives=(objective(),)))
    bench.ports.hanging.add(method)
    look = asyncio.create_task(bench.observer.once(deadline_s=15))
    await bench.timing.advance(14.9)
    assert not look.done()
    await bench.timing.advance(0.2)
    assert look.done()
    fleet = look.result()
    assert "no answer within 15 s" in (fleet.reading(SOURCE_OF[method]).error or "")
    assert fleet.now is not None
    untouched = set(fleet.sources) - {SOURCE_OF[method], "slos"}
    assert {fleet.state(name) for name in untouched} == {SourceState.LIVE}


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("\x1b[31mnot a number"), AttributeError(), RecursionError()]
)
async def test_a_reply_that_does_not_parse_is_a_failed_reading_that_names_its_api(error: Exception) -> None:
    bench = Bench()
    bench.ports.failing["queue_depth"] = error
    fleet = await bench.once()
    assert fleet.queues.error is not None
    assert fleet.queues.error.startswith("Cloud Monitoring: the reply could not be used (" + type(error).__name__)
    assert "\x1b" not in fleet.queues.error


@pytest.mark.parametrize("garbage", [None, 5, {"api": 3}, [object()]])
async def test_an_answer_of_the_wrong_kind_is_a_failed_reading(garbage: object) -> None:
    bench = Bench()
    bench.ports.answers = {"services": garbage, "requests/60": garbage, "latency_p95": garbage}
    fleet = await bench.once()
    assert {fleet.state(name) for name in ("services", "requests", "latency")} == {SourceState.FAILED}
    assert fleet.state("queues") is SourceState.LIVE


async def test_a_source_that_is_not_configured_is_absent() -> None:
    assert "spend" not in (await Bench(billing=False).once()).sources
    bench = Bench()
    bench.ports.failing["daily_costs"] = SourceFailure(FailureKind.NOT_CONFIGURED, "BigQuery", "export", "no table")
    fleet = await bench.once()
    assert "spend" not in fleet.sources
    assert [alert.policy for alert in fleet.alerts.value or ()].count("GCP budget") == 0


async def test_a_clock_that_does_not_answer_fails_every_source_and_asks_none() -> None:
    bench = Bench()
    bench.clock.known, bench.clock.failure = False, unavailable()
    fleet = await bench.once()
    assert fleet.now is None
    assert {fleet.state(name) for name in fleet.sources} == {SourceState.FAILED}
    assert not bench.ports.calls


# ------------------------------------------------------------------------------------------------------------- cadence


async def test_each_source_is_read_at_its_own_cadence() -> None:
    async with Bench(Ports(listed_objectives=(objective(),))).running() as bench:
        calls = await bench.calls_in(3600)
    assert calls["services"] == pytest.approx(120, rel=0.1)
    assert calls["revisions"] == pytest.approx(60, rel=0.15)
    assert calls["requests/60"] == pytest.approx(30, rel=0.15)
    assert calls["latency_p95"] == pytest.approx(30, rel=0.15)
    assert calls["objectives"] == pytest.approx(12, abs=2)
    assert calls["requests/3600"] == pytest.approx(12, abs=2)
    assert calls["queue_depth"] == pytest.approx(60, rel=0.15)
    assert calls["daily_costs"] <= 1
    assert calls["quota_limits"] == 0


async def test_a_canary_makes_it_look_more_often() -> None:
    split = (TrafficTarget("api-00041-abc", 95), TrafficTarget("api-00042-def", 5))
    async with Bench(Ports(fleet=(service(desired=split, serving=split),))).running() as bench:
        calls = await bench.calls_in(600)
    assert calls["services"] == pytest.approx(60, rel=0.1)
    assert calls["requests/60"] == pytest.approx(10, abs=1)


async def test_a_change_is_followed_closely_for_a_minute_and_its_revisions_are_read_at_once() -> None:
    async with Bench(Ports(fleet=(service(),))).running() as bench:
        await bench.timing.advance(300)
        bench.ports.fleet = (service(generation=42, latest_created="api-00042-def"),)
        await bench.timing.advance(35)
        revisions = bench.ports.calls["revisions"]
        after = await bench.calls_in(20)
        assert after["services"] == pytest.approx(10, abs=2)
        assert bench.ports.calls["revisions"] >= revisions
        await bench.timing.advance(60)
        assert (await bench.calls_in(120))["services"] == pytest.approx(4, abs=1)


async def test_new_revisions_are_read_as_soon_as_a_service_tells_of_them() -> None:
    async with Bench(Ports(fleet=(service(),))).running() as bench:
        await bench.timing.advance(62)
        bench.ports.fleet = (service(generation=42, latest_created="api-00042-def"),)
        told = bench.ports.calls["services"]
        before = bench.ports.calls["revisions"]
        while bench.ports.calls["services"] == told:
            await bench.timing.advance(0.5)
        await bench.timing.advance(2.5)
        assert bench.ports.calls["revisions"] == before + 1


async def test_at_any_speed_a_source_is_left_alone_for_a_real_second() -> None:
    async with Bench(speed=3600).running() as bench:
        calls = await bench.calls_in(60)
        assert calls["services"] <= 60
        assert bench.fleet.state("services") is SourceState.LIVE
        assert bench.fleet.sources["services"].cadence_s == 3600


async def test_in_a_fast_simulation_data_is_not_stale_for_the_time_a_call_takes() -> None:
    bench = Bench(speed=60)
    answer = bench.ports.services

    async def slowly() -> tuple[Service, ...]:
        await bench.timing.sleep(5)
        return await answer()

    bench.ports.services = slowly  # type: ignore[method-assign]
    async with bench.running():
        await bench.timing.advance(30)
        assert bench.fleet.services.age_s(bench.fleet.now) >= 300
        assert bench.fleet.state("services") is SourceState.LIVE


async def test_in_one_look_what_answered_first_is_not_stale_for_having_waited_for_the_rest() -> None:
    bench = Bench(speed=1000)
    answer = bench.ports.changes

    async def slowly(since: datetime, limit: int) -> tuple[Change, ...]:
        await bench.timing.sleep(5)
        return await answer(since, limit)

    bench.ports.changes = slowly  # type: ignore[method-assign]
    looking = asyncio.create_task(bench.once())
    await bench.timing.advance(6)
    fleet = await looking
    assert fleet.services.age_s(fleet.now) == 5000
    assert {name for name in fleet.sources if fleet.state(name) is not SourceState.LIVE} == set()


async def test_cadence_runs_in_service_time() -> None:
    async with Bench(speed=10).running() as bench:
        assert (await bench.calls_in(60))["services"] == pytest.approx(20, abs=2)


# ------------------------------------------------------------------------------------------------- failure and recovery


@pytest.mark.parametrize("method", METHODS)
async def test_a_failing_source_keeps_its_last_value_with_its_age_and_recovers_by_itself(method: str) -> None:
    async with Bench(Ports(listed_objectives=(objective(),))).running() as bench:
        source = SOURCE_OF[method]
        before = bench.fleet.reading(source)
        assert before.known
        bench.ports.failing[method] = unavailable()
        await bench.timing.advance(4000 if source == "spend" else 700)
        failing = bench.fleet.reading(source)
        assert failing.known
        assert "connection refused" in (failing.error or "")
        assert failing.as_of is not None
        assert before.as_of is not None
        assert failing.as_of <= before.as_of + timedelta(seconds=60)
        assert failing.failed_at is not None
        assert failing.failed_at > START
        del bench.ports.failing[method]
        await bench.timing.advance(130)
        assert bench.fleet.reading(source).error is None


async def test_a_part_that_fails_for_a_moment_is_asked_again_long_before_the_next_cadence() -> None:
    async with Bench().running() as bench:
        bench.ports.failing["monthly_budget"] = unavailable()
        await bench.timing.advance(4000)
        assert bench.fleet.spend.known
        assert "connection refused" in (bench.fleet.spend.error or "")
        queries = bench.ports.calls["daily_costs"]
        del bench.ports.failing["monthly_budget"]
        await bench.timing.advance(130)
        assert bench.fleet.spend.error is None
        assert bench.ports.calls["daily_costs"] == queries, "BigQuery bills each query"


async def test_a_stalled_call_is_given_up_and_asked_again() -> None:
    async with Bench().running() as bench:
        bench.ports.hanging.add("services")
        await bench.timing.advance(70)
        assert bench.fleet.services.known
        assert bench.fleet.services.error == "Cloud Run: no answer within 30 s"
        bench.ports.hanging.clear()
        await bench.timing.advance(60)
        assert bench.fleet.services.error is None


async def test_a_call_cancelled_by_its_own_library_does_not_end_the_loop() -> None:
    async with Bench().running() as bench:
        bench.ports.failing["services"] = asyncio.CancelledError()
        await bench.timing.advance(40)
        assert "cancelled" in (bench.fleet.services.error or "")
        bench.ports.failing.clear()
        await bench.timing.advance(60)
        assert bench.fleet.services.error is None


async def test_failures_are_retried_ever_more_rarely() -> None:
    async with Bench().running() as bench:
        bench.ports.failing["services"] = unavailable()
        early = (await bench.calls_in(60))["services"]
        await bench.timing.advance(600)
        late = (await bench.calls_in(600))["services"]
        assert early >= 2
        assert late < 60
        assert late < early * 10


async def test_a_server_that_says_when_to_come_back_is_obeyed_even_by_a_refresh() -> None:
    async with Bench().running() as bench:
        bench.ports.failing["services"] = SourceFailure(
            FailureKind.QUOTA, "Cloud Run", "read_regional", "quota spent", retry_after_s=40
        )
        asked = bench.ports.calls["services"]
        while bench.ports.calls["services"] == asked:
            await bench.timing.advance(1)
        asked = bench.ports.calls["services"]
        bench.observer.refresh()
        await bench.timing.advance(38)
        assert bench.ports.calls["services"] == asked
        await bench.timing.advance(4)
        assert bench.ports.calls["services"] == asked + 1


@pytest.mark.parametrize("kind", [FailureKind.PERMISSION, FailureKind.UNAUTHENTICATED])
def test_a_refusal_is_asked_again_more_rarely_but_always(kind: FailureKind) -> None:
    backoff, refused, broken = Backoff(), SourceFailure(kind, "Cloud Run", "p", "no"), unavailable()

    def longest(failures: int, failure: SourceFailure) -> float:
        return max(backoff.delay_s(failures, failure, random.Random(seed)) for seed in range(200))

    for failures in (1, 3, 50, 5000):
        assert longest(failures, refused) > longest(failures, broken)
        assert longest(failures, refused) <= 120
        assert longest(failures, broken) <= 60
    assert min(backoff.delay_s(9, broken, random.Random(seed)) for seed in range(200)) >= 1


async def test_the_time_becoming_known_starts_the_sources() -> None:
    bench = Bench()
    bench.clock.known, bench.clock.failure = False, unavailable()
    async with bench.running():
        await bench.timing.advance(5)
        assert bench.fleet.now is None
        assert not bench.ports.calls
        bench.clock.failure = None
        await bench.timing.advance(70)
        assert bench.fleet.now is not None
        assert {bench.fleet.state(name) for name in bench.fleet.sources} == {SourceState.LIVE}


async def test_a_clock_that_fails_later_stops_nothing() -> None:
    async with Bench().running() as bench:
        bench.clock.failure = unavailable()
        assert (await bench.calls_in(600))["services"] >= 18
        assert bench.clock.asked >= 5
        assert bench.fleet.services.error is None


# ---------------------------------------------------------------------------------------------------------- publishing


async def test_snapshots_come_at_most_four_times_a_second_and_the_last_state_always_comes() -> None:
    bench = Bench(Ports(services_wanted=2), speed=600)
    async with bench.running():
        await bench.timing.advance(60)
        moments = [at for at, _ in bench.published]
        assert min(later - earlier for earlier, later in itertools.pairwise(moments)) >= 0.25
        bench.ports.fleet = (service("renamed"),)
        await bench.timing.advance(3)
        assert [entry.name for entry in bench.fleet.services.value or ()] == ["renamed"]


async def test_what_was_learnt_just_before_the_end_is_still_published() -> None:
    bench = Bench()
    async with bench.running():
        await bench.timing.advance(10)
        count = len(bench.published)
        bench.observer.watch("api")
        await bench.timing.settle()
        bench.observer.watch(None)
    assert len(bench.published) > count
    assert bench.fleet.watched is None


async def test_a_snapshot_is_never_changed_afterwards() -> None:
    async with Bench().running() as bench:
        first = bench.fleet
        kept = replace(first)
        bench.ports.failing["services"] = unavailable()
        await bench.timing.advance(300)
        assert first == kept
        assert bench.fleet is not first


# --------------------------------------------------------------------------------------------------- refresh and watch


async def test_a_refresh_reads_everything_but_spend_and_not_twice_within_two_seconds() -> None:
    async with Bench().running() as bench:
        await bench.timing.advance(5)
        before = dict(bench.ports.calls)
        for _ in range(15):
            bench.observer.refresh()
            await bench.timing.advance(0.1)
        once = {method: count - before[method] for method, count in bench.ports.calls.items()}
        assert once["services"] == once["requests/60"] == once["changes"] == 1
        assert once["daily_costs"] == once["quota_limits"] == 0
        await bench.timing.advance(2.0)
        assert bench.ports.calls["services"] - before["services"] == 2
        await bench.timing.advance(1900)
        spend = bench.ports.calls["daily_costs"]
        bench.observer.refresh()
        await bench.timing.advance(1)
        assert bench.ports.calls["daily_costs"] == spend + 1


async def test_the_page_of_a_service_has_a_source_while_it_is_open() -> None:
    async with Bench().running() as bench:
        assert "latency_by_revision" not in bench.fleet.sources
        bench.observer.watch("api")
        await bench.timing.advance(1)
        assert bench.fleet.watched == "api"
        assert bench.fleet.state("latency_by_revision") is SourceState.LIVE
        assert list(bench.fleet.latency_by_revision.value or ()) == ["api-00041-abc"]
        assert (await bench.calls_in(300))["latency_p95_by_revision"] == pytest.approx(5, abs=1)
        bench.observer.watch("filler-001")
        await bench.timing.advance(1)
        assert list(bench.fleet.latency_by_revision.value or ()) == ["filler-001-00041-abc"]
        bench.observer.watch(None)
        await bench.timing.advance(1)
        assert "latency_by_revision" not in bench.fleet.sources
        assert not bench.fleet.latency_by_revision.known
        assert (await bench.calls_in(300))["latency_p95_by_revision"] == 0


async def test_an_answer_for_a_page_that_was_left_is_dropped() -> None:
    async with Bench().running() as bench:
        bench.ports.hanging.add("latency_p95_by_revision")
        bench.observer.watch("api")
        await bench.timing.advance(1)
        bench.observer.watch("filler-001")
        await bench.timing.advance(1)
        bench.ports.hanging.clear()
        await bench.timing.advance(40)
        assert bench.fleet.watched == "filler-001"
        assert list(bench.fleet.latency_by_revision.value or ()) == ["filler-001-00041-abc"]
        assert bench.fleet.latency_by_revision.error is None


# -------------------------------------------------------------------------------------------------------------- upkeep


async def test_the_pace_of_billed_series_is_known_after_a_while() -> None:
    async with Bench(Ports(services_wanted=10)).running() as bench:
        assert bench.fleet.series_per_day is None
        await bench.timing.advance(3600)
        # 10 series each: requests, latency, instances, cold starts every 120 s, two long windows every 300 s.
        assert bench.fleet.series_per_day == pytest.approx(10 * (4 * 720 + 2 * 288), rel=0.25)


async def test_nothing_piles_up_over_many_refreshes() -> None:
    bench = Bench(Ports(listed_objectives=(objective(), objective("filler-001", "latency"))))

    async def objects_after(rounds: int) -> int:
        for number in range(rounds):
            bench.ports.failing = {"queue_depth": unavailable()} if number % 3 == 0 else {}
            await bench.timing.advance(30)
            await bench.observer.once()
        gc.collect()
        return len(gc.get_objects())

    early = await objects_after(30)
    late = await objects_after(300)
    assert late <= early * 1.01
