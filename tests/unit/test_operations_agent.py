"""The headless driver: its passes, its signs of life, and what it does in an environment that is read-only."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from release_fakes import CANARY, STABLE, FakeRun, Session, record_of, unavailable

from brconsole.domain.intent import ANNOTATION, Phase
from brconsole.operations.agent import Passed
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, OutcomeKind


@pytest.fixture
def run() -> FakeRun:
    fake = FakeRun()
    fake.add()
    return fake


async def canary(run: FakeRun) -> Session:
    """A person's canary at 5 %, long enough ago that nobody holds the wheel."""
    person = Session(run)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    run.time.seconds += 300
    return person


async def passes(agent: Session) -> Passed:
    passed: Passed = await agent.do(agent.agent.once())
    return passed


async def test_an_idle_fleet_is_one_list_and_a_heartbeat(run: FakeRun) -> None:
    agent = Session(run, "agent", headless=True)
    passed = await passes(agent)
    assert run.calls == ["list"]
    assert (passed.kind, passed.exit_status, passed.page) == (OutcomeKind.DONE, 0, False)
    assert len(agent.signals.beats) == 1


async def test_it_drives_a_rollout_to_its_end_pass_by_pass(run: FakeRun) -> None:
    await canary(run)
    agent = Session(run, "agent", headless=True)
    for _ in range(400):
        await passes(agent)
        run.time.seconds += 10
        if record_of(run.live("api")).phase is Phase.IDLE:
            break
    assert run.live("api").serving_split() == {CANARY: 100}
    assert record_of(run.live("api")).phase is Phase.IDLE


async def test_past_the_deadline_it_returns_to_stable_and_counts_the_seconds(run: FakeRun) -> None:
    await canary(run)
    agent = Session(run, "agent", headless=True, read_only=None)  # it may only watch
    run.time.seconds += 5 * 3600
    passed = await passes(agent)
    assert agent.signals.late["api"][-1] > 3600
    assert (passed.page, run.live("api").desired_split()) == (True, {STABLE: 95, CANARY: 5})
    driver = Session(run, "agent", headless=True, signals=agent.signals)
    await passes(driver)
    assert run.live("api").desired_split() == {STABLE: 100}
    run.time.seconds += 10
    await passes(driver)
    run.time.seconds += 10
    await passes(driver)
    assert agent.signals.late["api"][-1] == 0.0
    assert "deadline" in record_of(run.live("api")).reason


async def test_in_a_read_only_environment_it_says_what_it_would_do_and_does_nothing(run: FakeRun) -> None:
    await canary(run)
    agent = Session(run, "agent", headless=True, read_only=None)
    agent.arms.canary_errors = 0.5
    run.time.seconds += 900
    passed = await passes(agent)
    (ticked,) = passed.ticked
    assert ticked.outcome is not None
    assert (ticked.outcome.kind, passed.exit_status, passed.page) == (OutcomeKind.REFUSED, 3, True)
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}


async def test_without_a_list_there_is_no_heartbeat(run: FakeRun) -> None:
    agent = Session(run, "agent", headless=True)
    run.faults["list"] = [unavailable()]
    passed = await passes(agent)
    assert (passed.kind, passed.exit_status, passed.page) == (OutcomeKind.UNREACHABLE, 5, True)
    assert agent.signals.beats == []


async def test_a_service_that_cannot_be_read_costs_the_others_nothing(run: FakeRun) -> None:
    run.add("frontend")
    person = await canary(run)
    await person.do(person.releases.start("frontend", BY_DIALOG, "go"))
    run.time.seconds += 300
    agent = Session(run, "agent", headless=True)
    run.faults["read"] = [unavailable()]
    passed = await passes(agent)
    assert (len(passed.failures), len(passed.ticked), len(agent.signals.beats)) == (1, 1, 1)


async def test_signs_of_life_that_cannot_be_given_stop_nothing(run: FakeRun) -> None:
    await canary(run)
    agent = Session(run, "agent", headless=True)
    agent.signals.failing = unavailable("monitoring is down")
    run.time.seconds += 900
    passed = await passes(agent)
    assert passed.problems
    assert run.live("api").desired_split() == {STABLE: 50, CANARY: 50}


async def test_an_orphaned_split_is_reported_and_left_to_a_person(run: FakeRun) -> None:
    await canary(run)
    run.put("api", "person@example.com", run.live("api").desired, {ANNOTATION: None})
    agent = Session(run, "agent", headless=True)
    writes = len(run.accepted)
    passed = await passes(agent)
    assert [finding.kind.value for _, finding in passed.watched] == ["orphan"]
    assert len(run.accepted) == writes


async def test_a_garbled_record_is_reported_and_can_be_rolled_back(run: FakeRun) -> None:
    person = await canary(run)
    run.put("api", "person@example.com", run.live("api").desired, {ANNOTATION: '{"v":1,"id":"\x1b[31m"}'})
    agent = Session(run, "agent", headless=True)
    passed = await passes(agent)
    assert "unreadable" in {finding.kind.value for _, finding in passed.watched}
    run.time.seconds += 10
    outcome = await person.do(person.rollbacks.rollback("api", BY_KEY, "cannot be read"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_it_goes_on_until_it_is_stopped(run: FakeRun) -> None:
    agent = Session(run, "agent", headless=True)
    reports: list[Passed] = []
    enough = asyncio.Event()

    def report(passed: Passed) -> None:
        reports.append(passed)
        if len(reports) == 3:
            enough.set()

    going = asyncio.ensure_future(agent.agent.run(report))
    await run.time.until_done(enough.wait())
    going.cancel()
    times = [passed.at for passed in reports if passed.at is not None]
    assert [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)] == [30.0, 30.0]


async def test_two_agents_drive_as_one(run: FakeRun) -> None:
    await canary(run)
    one, other = Session(run, "agent-1", headless=True), Session(run, "agent-2", headless=True)
    other.signals = one.signals
    run.time.seconds += 900
    before = len(run.accepted)
    await run.time.until_done(one.agent.once(), other.agent.once())
    assert len(run.accepted) == before + 1
    assert run.live("api").desired_split() == {STABLE: 50, CANARY: 50}
