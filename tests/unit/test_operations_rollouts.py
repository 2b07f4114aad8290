"""A rollout from its start to its end: by a pipeline, by an agent, by a person, and what each is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from release_fakes import CANARY, STABLE, Arms, FakeRun, Session, record_of, unavailable

from brconsole.domain.intent import Phase, intent_of
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind
from brconsole.operations.rollouts import Promote, RolloutView


@pytest.fixture
def run() -> FakeRun:
    fake = FakeRun()
    fake.add()
    return fake


async def test_a_healthy_release_is_driven_through_every_step_to_its_end(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True)
    told: list[str] = []
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly", progress=told.append))
    assert outcome.kind is OutcomeKind.DONE, (outcome, told[-3:])
    splits = [accepted.after for accepted in run.accepted]
    assert splits == [
        {STABLE: 100},
        {STABLE: 95, CANARY: 5},
        {STABLE: 50, CANARY: 50},
        {CANARY: 100},
        {CANARY: 100},
        {CANARY: 100},
    ]
    assert [accepted.record.seq for accepted in run.accepted if accepted.record] == [1, 2, 3, 4, 5, 6]
    assert record_of(run.live("api")).phase is Phase.IDLE


async def test_a_candidate_that_fails_requests_ends_at_stable_and_pages(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True, arms=Arms(canary_errors=0.2))
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly"))
    assert (outcome.kind, outcome.exit_status, outcome.page) == (OutcomeKind.ROLLED_BACK, 20, True)
    assert run.live("api").serving_split() == {STABLE: 100}
    assert max(accepted.after.get(CANARY, 0) for accepted in run.accepted) == 5
    assert [known.revision for known in record_of(run.live("api")).failed] == [CANARY]
    assert any("next deploy gets 0 %" in note for note in outcome.notes)


async def test_a_candidate_that_is_slow_ends_at_stable(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True, arms=Arms(slow=0.5))
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly"))
    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert "latency" in outcome.sentence


async def test_a_candidate_that_dies_ends_at_stable(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True)
    await pipeline.do(pipeline.releases.start("api", BY_DIALOG, "go"))
    first, *others = run.revisions_by_service["api"]
    run.revisions_by_service["api"] = (replace(first, ready=False), *others)
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly"))
    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_without_metrics_nothing_is_promoted_and_nothing_rolled_back_until_the_deadline(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True, arms=Arms(failing=unavailable("monitoring is down")))
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly"))
    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert "deadline" in outcome.sentence
    first_canary = next(accepted for accepted in run.accepted if accepted.after.get(CANARY))
    back = next(accepted for accepted in run.accepted[2:] if not accepted.after.get(CANARY))
    assert max(accepted.after.get(CANARY, 0) for accepted in run.accepted) == 5
    assert (back.at - first_canary.at).total_seconds() > 3.9 * 3600
    assert record_of(run.live("api")).failed == ()  # nobody proved anything against it


async def test_a_canary_without_enough_requests_is_extended_and_then_held_for_a_person(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True, arms=Arms(per_minute=1.0))
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly", stop_when_held=True))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.GATE_HOLD, 10)
    record = record_of(run.live("api"))
    assert (record.phase, record.holds, record.percent) == (Phase.HOLDING, 3, 5)


async def test_a_promotion_before_its_time_is_refused_with_what_stands_against_it(run: FakeRun) -> None:
    person = Session(run)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    assert (await person.do(person.releases.promote("api", BY_DIALOG, "go"))).kind is OutcomeKind.DONE
    refused = await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    assert (refused.kind, refused.exit_status) == (OutcomeKind.GATE_HOLD, 10)
    assert any(text.startswith("dwell") for text in refused.blocked_by)
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}


async def test_two_promotions_of_one_step_are_one_write_and_the_loser_is_told_so(run: FakeRun) -> None:
    one, other = Session(run, "one@example.com"), Session(run, "other@example.com")
    await one.do(one.releases.start("api", BY_DIALOG, "go"))
    run.time.seconds += 120  # the lease of whoever started it ends
    before = len(run.accepted)
    outcomes = await run.time.until_done(
        *(session.releases.promote("api", BY_DIALOG, "go", to_percent=5) for session in (one, other) for _ in range(5))
    )
    assert len(run.accepted) == before + 1
    assert sum(outcome.kind is OutcomeKind.DONE for outcome in outcomes) == 1
    assert all(outcome.exit_status in (0, 3, 4) for outcome in outcomes)
    lost = [outcome for outcome in outcomes if outcome.kind is not OutcomeKind.DONE]
    assert all(
        outcome.kind in (OutcomeKind.ALREADY_DONE, OutcomeKind.CONFLICT, OutcomeKind.REFUSED) for outcome in lost
    )


async def test_a_plan_that_was_looked_at_is_refused_when_traffic_moved_meanwhile(run: FakeRun) -> None:
    person = Session(run)
    made = await person.do(person.releases.propose(Promote("api"), "go"))
    assert isinstance(made, Outcome)  # nothing is under way yet
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    made = await person.do(person.releases.propose(Promote("api"), "go"))
    assert isinstance(made, Proposal)
    run.by_hand("api", {STABLE: 90, CANARY: 10})
    outcome = await person.do(person.gateway.send(made, BY_DIALOG))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.CONFLICT, 4)
    assert "person@example.com" in outcome.sentence
    assert run.live("api").desired_split() == {STABLE: 90, CANARY: 10}


async def test_a_promotion_that_waits_too_long_for_its_answer_reads_its_gates_again(run: FakeRun) -> None:
    person = Session(run)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    made = await person.do(person.releases.propose(Promote("api"), "go"))
    assert isinstance(made, Proposal)
    run.time.seconds += 600
    outcome = await person.do(person.gateway.send(made, BY_DIALOG))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.GATE_HOLD, 10)
    assert run.live("api").desired_split() == {STABLE: 100}


async def test_holding_resuming_and_aborting(run: FakeRun) -> None:
    person = Session(run)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    assert (await person.do(person.releases.hold("api", BY_KEY, "odd logs"))).good
    assert record_of(run.live("api")).phase is Phase.HOLDING
    assert (await person.do(person.releases.hold("api", BY_KEY, "odd logs"))).kind is OutcomeKind.ALREADY_DONE
    assert (await person.do(person.releases.resume("api", BY_KEY, "understood"))).good
    assert record_of(run.live("api")).phase is Phase.OBSERVING
    aborted = await person.do(person.releases.abort("api", BY_KEY, "no"))
    assert aborted.good
    record = record_of(run.live("api"))
    assert (record.phase, run.live("api").serving_split()) == (Phase.ROLLED_BACK, {STABLE: 100})
    assert [known.revision for known in record.failed] == [CANARY]


async def test_an_agent_goes_on_where_a_person_stopped_and_leaves_what_is_held_alone(run: FakeRun) -> None:
    person, agent = Session(run), Session(run, "agent", headless=True)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    run.time.seconds += 120
    passed = await agent.do(agent.agent.once())
    assert [ticked.outcome.kind for ticked in passed.ticked if ticked.outcome] == [OutcomeKind.ACCEPTED]
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}
    run.time.seconds += 120
    await person.do(person.releases.hold("api", BY_KEY, "wait"))
    run.time.seconds += 3600
    passed = await agent.do(agent.agent.once())
    assert [ticked.outcome for ticked in passed.ticked] == [None]
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}


async def test_a_held_canary_that_begins_to_fail_is_rolled_back_by_the_agent(run: FakeRun) -> None:
    person, agent = Session(run), Session(run, "agent", headless=True)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    await person.do(person.releases.hold("api", BY_KEY, "wait"))
    agent.arms.canary_errors = 0.5
    run.time.seconds += 600
    await agent.do(agent.agent.once())
    assert run.live("api").desired_split() == {STABLE: 100}


async def test_a_promoted_canary_that_fails_while_it_soaks_is_rolled_back(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True)
    told: list[str] = []

    def fails_at_full_traffic(text: str) -> None:
        told.append(text)
        if run.live("api").desired_split() == {CANARY: 100}:
            pipeline.arms.canary_errors = 0.5

    outcome = await pipeline.do(pipeline.releases.run("api", "nightly", progress=fails_at_full_traffic))
    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert any(accepted.after == {CANARY: 100} for accepted in run.accepted)
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_a_new_deploy_in_mid_canary_is_seen_and_gets_nothing(run: FakeRun) -> None:
    pipeline = Session(run, "pipeline", headless=True)
    await pipeline.do(pipeline.releases.start("api", BY_DIALOG, "go"))
    run.deploy("api", "api-00043-new")
    view = await pipeline.do(pipeline.releases.look("api"))
    assert isinstance(view, RolloutView)
    assert "new_deploy" in {finding.kind.value for finding in view.findings}
    outcome = await pipeline.do(pipeline.releases.run("api", "nightly"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == {CANARY: 100}


async def test_traffic_moved_by_hand_freezes_the_agent_until_somebody_decides(run: FakeRun) -> None:
    person, agent = Session(run), Session(run, "agent", headless=True)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    run.by_hand("api", {STABLE: 70, CANARY: 30})
    run.time.seconds += 1200
    writes = len(run.accepted)
    passed = await agent.do(agent.agent.once())
    assert len(run.accepted) == writes
    (ticked,) = passed.ticked
    assert "drift" in {finding.kind.value for finding in ticked.view.findings}


async def test_a_candidate_that_failed_before_needs_retry(run: FakeRun) -> None:
    person = Session(run)
    await person.do(person.releases.start("api", BY_DIALOG, "go"))
    await person.do(person.releases.abort("api", BY_KEY, "no"))
    run.time.seconds += 10
    refused = await person.do(person.releases.start("api", BY_DIALOG, "again", revision=CANARY))
    assert (refused.kind, "--retry" in refused.sentence) == (OutcomeKind.REFUSED, True)
    again = await person.do(person.releases.start("api", BY_DIALOG, "again", revision=CANARY, retry=True))
    assert again.good, again


async def test_a_service_that_cannot_be_read_is_unreachable_and_nothing_is_guessed(run: FakeRun) -> None:
    person = Session(run)
    run.faults["read"] = [unavailable(), unavailable()]
    looked = await person.do(person.releases.look("api"))
    assert (looked.kind, looked.exit_status) == (OutcomeKind.UNREACHABLE, 5)
    outcome = await person.do(person.releases.promote("api", BY_DIALOG, "go"))
    assert outcome.exit_status == 5
    assert run.accepted == []


async def test_an_environment_without_a_plan_says_which_key_is_missing(run: FakeRun) -> None:
    person = Session(run, environment=replace(Session(run).environment, plan=None))
    outcome = await person.do(person.releases.start("api", BY_DIALOG, "go"))
    assert outcome.kind is OutcomeKind.REFUSED
    assert "environments.prod.plan" in outcome.sentence
    assert intent_of(run.live("api")) is None
