"""What the gates are given: closed minutes of this step only, and no data where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import Ports, objective
from release_fakes import CANARY, STABLE, Arms, FakeRun, Session, quota, record_of, unavailable

from brconsole.domain.alert import Condition, Policy
from brconsole.domain.decision import Evidence, Heartbeat
from brconsole.domain.gates import Gate, Sentinel
from brconsole.domain.intent import Rollout
from brconsole.domain.judge import Verdict
from brconsole.domain.needs import driving
from brconsole.domain.series import Series
from brconsole.domain.service import Revision, Service
from brconsole.operations.evidence import EvidenceReader, Gathered
from brconsole.operations.outcome import BY_DIALOG


@pytest.fixture
def run() -> FakeRun:
    fake = FakeRun()
    fake.add()
    return fake


async def observing(run: FakeRun, seconds: float = 900, **ports: object) -> tuple[Session, Rollout]:
    """A canary at 5 %, so many seconds after it began."""
    session = Session(run, **ports)  # type: ignore[arg-type]
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    await session.do(session.releases.promote("api", BY_DIALOG, "go"))
    run.time.seconds += seconds
    return session, record_of(run.live("api"))


async def gather(session: Session, state: Rollout | None, reader: EvidenceReader | None = None) -> Gathered:
    reader = reader or EvidenceReader(session.environment, session.cloud, timing=session.run.time)
    found: Gathered = await session.do(reader.gather(session.run.live("api"), state, session.run.time.now()))
    return found


def by_name(evidence: Evidence) -> dict[str, Gate]:
    return {entry.name: entry for entry in evidence.gates}


async def test_everything_known_and_well_passes(run: FakeRun) -> None:
    session, state = await observing(run)
    found = await gather(session, state)
    assert found.evidence.seq == state.seq
    assert {name: entry.verdict for name, entry in by_name(found.evidence).items()} == dict.fromkeys(
        ("errors", "latency", "candidate", "budget", "migration", "image", "alerts", "freeze"), Verdict.PASS
    )


async def test_only_closed_minutes_since_the_step_began_are_counted(run: FakeRun) -> None:
    session, state = await observing(run, 900)
    found = await gather(session, state)
    assert found.inputs is not None
    assert found.inputs.minutes is not None
    minutes = found.inputs.minutes.value
    assert minutes is not None
    begun = state.step_started
    closed = (run.time.now() - timedelta(seconds=180)).replace(second=0, microsecond=0)
    first = begun.replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert len(minutes) == (closed - first) / timedelta(minutes=1)
    assert found.inputs.minutes.as_of == closed


async def test_a_step_that_just_began_has_no_minute_yet(run: FakeRun) -> None:
    session, state = await observing(run, 60)
    errors = by_name((await gather(session, state)).evidence)["errors"]
    assert (errors.verdict, "no canary request" in errors.evidence) == (Verdict.HOLD, True)


@pytest.mark.parametrize(
    ("failing", "gates"),
    [
        ("condition", {"alerts"}),
        ("budget_remaining", {"budget"}),
        ("requests/60", {"budget"}),
        ("requests/300", {"budget"}),
        ("objectives", {"budget"}),
    ],
)
async def test_what_cannot_be_read_holds_and_nothing_else(run: FakeRun, failing: str, gates: set[str]) -> None:
    ports = Ports(listed_objectives=(objective(),), failing={failing: unavailable(f"{failing} is down")})
    session, state = await observing(run)
    session.cloud = Session(run, ports=ports).cloud
    told = by_name((await gather(session, state)).evidence)
    assert {name for name, entry in told.items() if entry.verdict is not Verdict.PASS} == gates
    assert all(entry.verdict is Verdict.HOLD for name, entry in told.items() if name in gates)


async def test_metrics_that_are_down_hold_and_convict_nobody(run: FakeRun) -> None:
    session, state = await observing(run)
    session.arms.failing = unavailable("monitoring is down")
    told = by_name((await gather(session, state)).evidence)
    assert (told["errors"].verdict, told["latency"].verdict) == (Verdict.HOLD, Verdict.HOLD)
    assert "monitoring is down" in told["errors"].evidence


async def test_a_conviction_stands_when_the_metrics_go_down_afterwards(run: FakeRun) -> None:
    session, state = await observing(run)
    reader = EvidenceReader(session.environment, session.cloud, timing=run.time)
    session.arms.canary_errors = 0.5
    assert by_name((await gather(session, state, reader)).evidence)["errors"].verdict is Verdict.FAIL
    session.arms.failing = unavailable()
    run.time.seconds += 120
    assert by_name((await gather(session, state, reader)).evidence)["errors"].verdict is Verdict.FAIL


async def test_a_pass_does_not_outlive_its_source(run: FakeRun) -> None:
    session, state = await observing(run)
    reader = EvidenceReader(session.environment, session.cloud, timing=run.time)
    assert by_name((await gather(session, state, reader)).evidence)["errors"].verdict is Verdict.PASS
    session.arms.failing = unavailable()
    run.time.seconds += 600
    errors = by_name((await gather(session, state, reader)).evidence)["errors"]
    assert (errors.verdict, errors.evidence.startswith("out of date")) == (Verdict.HOLD, True)


async def test_a_source_that_hangs_costs_its_own_gate_only(run: FakeRun) -> None:
    session, state = await observing(run)
    session.cloud = Session(run, ports=Ports(hanging={"condition"})).cloud
    began = run.time.seconds
    told = by_name((await gather(session, state)).evidence)
    assert (told["alerts"].verdict, told["errors"].verdict) == (Verdict.HOLD, Verdict.PASS)
    assert "no answer within" in told["alerts"].evidence
    assert run.time.seconds - began <= 11


async def test_revisions_that_cannot_be_read_hold_and_are_not_called_missing(run: FakeRun) -> None:
    session, state = await observing(run)
    run.faults["revisions"] = [quota()]
    found = await gather(session, state)
    assert found.evidence.revisions is None
    assert by_name(found.evidence)["candidate"].verdict is Verdict.HOLD


async def test_looking_again_in_the_same_minute_asks_the_metrics_once(run: FakeRun) -> None:
    session, state = await observing(run)
    reader = EvidenceReader(session.environment, session.cloud, timing=run.time)
    run.time.seconds += 60 - run.time.seconds % 60  # a minute begins
    await gather(session, state, reader)
    calls, others = session.arms.calls, sum(session.ports.calls.values())
    for _ in range(5):
        run.time.seconds += 10
        await gather(session, state, reader)
    assert session.arms.calls == calls
    assert sum(session.ports.calls.values()) == others
    run.time.seconds += 10
    await gather(session, state, reader)
    assert session.arms.calls == calls + 2


async def test_a_spent_budget_holds(run: FakeRun) -> None:
    ports = Ports(listed_objectives=(objective(),), answers={"budget_remaining": 0.0})
    session, state = await observing(run)
    session.cloud = Session(run, ports=ports).cloud
    budget = by_name((await gather(session, state)).evidence)["budget"]
    assert (budget.verdict, budget.page) == (Verdict.HOLD, True)


async def test_the_latency_objective_of_the_service_is_the_rule(run: FakeRun) -> None:
    rule = objective(kind="latency", goal=0.95)
    ports = Ports(listed_objectives=(replace(rule, threshold_ms=400.0),))
    session, state = await observing(run)
    session.cloud = Session(run, ports=ports).cloud
    found = await gather(session, state)
    assert found.inputs is not None
    assert (found.inputs.latency.threshold_ms, round(found.inputs.latency.share, 6)) == (400.0, 0.05)


async def test_a_firing_critical_alert_holds(run: FakeRun) -> None:
    policy = Policy(
        "API error rate", (Condition("threshold", 0.5, filter="f", aligner="ALIGN_DELTA"),), severity="critical"
    )
    session, state = await observing(run)
    end = (run.time.now() - timedelta(seconds=180)).replace(second=0, microsecond=0)
    ports = Ports(listed=(policy,), answers={"condition": (Series(end, 60, (1.0,) * 60),)})
    session.cloud = Session(run, ports=ports).cloud
    assert by_name((await gather(session, state)).evidence)["alerts"].verdict is Verdict.HOLD


async def test_a_worker_is_judged_by_its_jobs(run: FakeRun) -> None:
    run.add("worker-extract")
    session = Session(run, arms=Arms(jobs_failed=0.3))
    await session.do(session.releases.start("worker-extract", BY_DIALOG, "go"))
    await session.do(session.releases.promote("worker-extract", BY_DIALOG, "go"))
    run.time.seconds += 900
    service = run.live("worker-extract")
    reader = EvidenceReader(session.environment, session.cloud, timing=run.time)
    found = await session.do(reader.gather(service, record_of(service), run.time.now()))
    told = by_name(found.evidence)
    assert told["jobs"].verdict is Verdict.FAIL
    assert "errors" not in told


async def test_while_it_soaks_only_the_watch_is_read(run: FakeRun) -> None:
    session, state = await observing(run)
    for _ in range(2):
        await session.do(session.releases.promote("api", BY_DIALOG, "go"))
        run.time.seconds += 1000
    session.ports.calls.clear()
    state = record_of(run.live("api"))
    assert run.live("api").desired_split() == {CANARY: 100}
    told = by_name((await gather(session, state)).evidence)
    assert told["errors"].verdict is Verdict.PASS
    assert set(session.ports.calls) <= {"objectives"}


async def test_without_a_rollout_the_gates_of_a_start_are_told(run: FakeRun) -> None:
    session = Session(run)
    found = await gather(session, None)
    told = by_name(found.evidence)
    assert set(told) == {"candidate", "budget", "migration", "image", "alerts", "freeze"}
    assert CANARY in told["candidate"].evidence
    assert found.evidence.seq is None


class _Proofs:
    """A migration that ran, and was not the one that was reviewed."""

    async def sentinel(self, service: Service, candidate: Revision) -> Sentinel | None:
        return Sentinel("migrate-x7", True, "ae10", "ae10", True, plan_matches=False)


async def test_a_migration_that_is_not_proved_holds(run: FakeRun) -> None:
    session, state = await observing(run)
    session.cloud = replace(session.cloud, migration_proofs=_Proofs())
    migration = by_name((await gather(session, state)).evidence)["migration"]
    assert (migration.verdict, "not the plan that was reviewed" in migration.evidence) == (Verdict.HOLD, True)


async def test_an_agents_heartbeat_speaks_for_the_rollouts_whose_record_names_it(run: FakeRun) -> None:
    session, state = await observing(run)
    session.signals.beats.append(Heartbeat("agent", run.time.now(), headless=True))
    assert (await gather(session, state)).evidence.heartbeat is None  # a person drives
    agent = Session(run, "agent", headless=True, signals=session.signals)
    await agent.do(agent.agent.once())
    state = record_of(run.live("api"))
    assert state.driver is not None
    assert state.driver.headless
    beat = (await gather(agent, state)).evidence.heartbeat
    assert beat is not None
    assert (beat.who, beat.headless) == ("agent", True)
    assert run.live("api").desired_split() == {STABLE: 50, CANARY: 50}


async def test_the_wheel_of_a_console_is_held_by_its_heartbeat_until_it_goes_silent(run: FakeRun) -> None:
    session, state = await observing(run)
    run.time.seconds += 100  # longer than the lease of its last transition
    now = run.time.now()
    assert driving(state, (await gather(session, state)).evidence, now) is None
    await session.do(session.releases.drive("api"))
    (beat,) = session.signals.beats
    assert (beat.who, beat.service, beat.headless) == (session.who, "api", False)
    agent = Session(run, "agent", headless=True, signals=session.signals)
    run.time.seconds += 60
    holder = driving(state, (await gather(agent, state)).evidence, run.time.now())
    assert holder is not None
    assert (holder.who, holder.headless) == (session.who, False)
    run.time.seconds += 60
    assert driving(state, (await gather(agent, state)).evidence, run.time.now()) is None
