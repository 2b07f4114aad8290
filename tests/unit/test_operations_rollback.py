"""Rollback always works: conflicts, lost answers, a spent quota, everything else down, and the whole group."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import Ports
from release_fakes import (
    CANARY,
    OLD,
    STABLE,
    CloudLog,
    FakeRun,
    Session,
    quota,
    record_of,
    unavailable,
)

from brconsole.domain.intent import ANNOTATION, Phase, intent_of
from brconsole.domain.service import Change
from brconsole.domain.traffic import TrafficTarget
from brconsole.domain.undo import DrainState, NoTarget, RollbackProgress, RollbackTarget, TargetSource
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind, by_name
from brconsole.operations.rollback import GroupProposal


@pytest.fixture
def run() -> FakeRun:
    fake = FakeRun()
    fake.add()
    return fake


async def at_five_percent(run: FakeRun) -> Session:
    """A console on a service with a canary at 5 %."""
    session = Session(run)
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    await session.do(session.releases.promote("api", BY_DIALOG, "go"))
    assert run.live("api").serving_split() == {STABLE: 95, CANARY: 5}
    run.calls.clear()
    return session


def conflict() -> SourceFailure:
    return SourceFailure(FailureKind.CONFLICT, "Cloud Run", "api", "version changed")


async def test_all_traffic_returns_and_the_next_deploy_is_told(run: FakeRun) -> None:
    session = await at_five_percent(run)
    told: list[str] = []
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx", progress=told.append))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.DONE, 0)
    assert run.live("api").serving_split() == {STABLE: 100}
    record = record_of(run.live("api"))
    assert (record.phase, record.failed[0].revision) == (Phase.ROLLED_BACK, CANARY)
    assert any("still serving" in text for text in told)  # rolled back is said only when it is served
    assert any("next deploy gets 0 %" in note for note in outcome.notes)


async def test_a_second_rollback_is_done_already(run: FakeRun) -> None:
    session = await at_five_percent(run)
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    writes = len(run.accepted)
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx", to=STABLE))
    assert (outcome.kind, len(run.accepted)) == (OutcomeKind.ALREADY_DONE, writes)


@pytest.mark.parametrize("conflicts", [1, 2, 5])
async def test_a_conflict_is_read_and_decided_anew(run: FakeRun, conflicts: int) -> None:
    session = await at_five_percent(run)
    run.faults["write.before"] = [conflict() for _ in range(conflicts)]
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert "unread.before" not in run.calls
    assert run.calls.count("write.before") == conflicts + 2  # the last try, and the record's closing


async def test_after_five_conflicts_it_is_sent_without_asking_for_the_version(run: FakeRun) -> None:
    session = await at_five_percent(run)
    run.faults["write.before"] = [conflict() for _ in range(6)]
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.calls.count("unread.before") == 1
    assert run.live("api").serving_split() == {STABLE: 100}


@pytest.mark.parametrize("step", ["write.before", "write.after"])
async def test_a_lost_answer_does_not_stop_it(run: FakeRun, step: str) -> None:
    session = await at_five_percent(run)
    run.faults[step] = [SourceFailure(FailureKind.TIMEOUT, "Cloud Run", "api", "deadline exceeded")]
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_with_the_read_quota_spent_it_goes_by_the_last_good_object(run: FakeRun) -> None:
    session = await at_five_percent(run)
    seq = record_of(run.live("api")).seq
    run.faults["read"] = [quota() for _ in range(1000)]
    told: list[str] = []
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx", progress=told.append))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.ACCEPTED, 1)
    assert "accepted, not verified" in outcome.sentence
    assert any("accepted, not verified" in text for text in told)
    assert run.live("api").desired_split() == {STABLE: 100}
    record = record_of(run.live("api"))
    assert (record.phase, record.stable, record.seq > seq) == (Phase.ROLLING_BACK, STABLE, True)


async def test_it_is_verified_as_soon_as_the_quota_is_back(run: FakeRun) -> None:
    session = await at_five_percent(run)
    run.faults["read"] = [quota() for _ in range(10)]
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert record_of(run.live("api")).phase is Phase.ROLLED_BACK


async def test_a_console_that_never_read_the_service_rolls_back_to_a_named_revision(run: FakeRun) -> None:
    await at_five_percent(run)
    seq = record_of(run.live("api")).seq
    fresh = Session(run)
    run.faults["read"] = [quota() for _ in range(1000)]
    run.faults["revisions"] = [quota()]
    without = await fresh.do(fresh.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert (without.kind, "--to REVISION" in without.sentence) == (OutcomeKind.UNREACHABLE, True)
    run.faults["revisions"] = [quota()]
    outcome = await fresh.do(fresh.rollbacks.rollback("api", BY_KEY, "5xx", to=STABLE))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert run.live("api").desired_split() == {STABLE: 100}
    assert record_of(run.live("api")).seq > seq


async def test_after_a_rollback_without_a_read_the_next_console_closes_the_record(run: FakeRun) -> None:
    session = await at_five_percent(run)
    run.faults["read"] = [quota() for _ in range(500)]
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    run.faults["read"] = []
    run.time.seconds += 10
    agent = Session(run, "agent", headless=True)
    await agent.do(agent.agent.once())
    assert record_of(run.live("api")).phase is Phase.ROLLED_BACK


async def test_monitoring_logging_and_the_disk_are_not_needed(run: FakeRun) -> None:
    session = await at_five_percent(run)
    down = Session(run, log=CloudLog(failing=unavailable("logging is down")), journal=session.journal)
    down.arms.failing = unavailable("monitoring is down")
    down.ports.failing = {"changes": unavailable(), "condition": unavailable(), "objectives": unavailable()}
    down.ports.hanging = {"changes"}
    down.journal.full = True
    outcome = await down.do(down.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_a_read_that_hangs_is_not_waited_for(run: FakeRun) -> None:
    session = await at_five_percent(run)
    began = run.time.seconds
    accepted: list[float] = []

    async def hang(step: str) -> None:
        if step == "read" and not accepted:
            await asyncio.Event().wait()
        if step == "unread.after":
            accepted.append(run.time.seconds)

    run.at_step = hang
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.DONE
    assert accepted[0] - began < 10


async def test_traffic_that_somebody_moves_again_is_brought_back(run: FakeRun) -> None:
    session = await at_five_percent(run)
    moved = 0

    async def move(step: str) -> None:
        nonlocal moved
        if step == "write.after" and moved < 2 and run.accepted[-1].who == session.who:
            moved += 1
            run.by_hand("api", {STABLE: 50, CANARY: 50})

    run.at_step = move
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert (outcome.kind, moved) == (OutcomeKind.DONE, 2)
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_a_rollback_that_cloud_run_failed_to_do_is_written_again(run: FakeRun) -> None:
    session = await at_five_percent(run)
    run.reconcile_fails = True
    failed = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert (failed.kind, failed.page) == (OutcomeKind.FAILED, True)
    run.reconcile_fails = False
    again = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert again.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_one_that_never_reconciles_is_never_called_rolled_back(run: FakeRun) -> None:
    session = await at_five_percent(run)
    run.never_reconciles = True
    outcome = await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert "requested, still serving" in outcome.sentence


async def test_a_target_that_is_gone_is_refused_by_name_and_another_is_offered(run: FakeRun) -> None:
    session = await at_five_percent(run)
    named = await session.do(session.rollbacks.propose("api", "5xx", "api-00001-gone"))
    assert isinstance(named, Outcome)
    assert named.kind is OutcomeKind.REFUSED
    run.revisions_by_service["api"] = tuple(
        revision for revision in run.revisions_by_service["api"] if revision.name != STABLE
    )
    card = await session.do(session.rollbacks.card("api"))
    assert isinstance(card.target, NoTarget)
    assert OLD in card.target.choices
    assert not card.ready


async def test_the_card_says_what_was_checked(run: FakeRun) -> None:
    session = await at_five_percent(run)
    card = await session.do(session.rollbacks.card("api"))
    assert isinstance(card.target, RollbackTarget)
    assert (card.target.revision, card.target.source) == (STABLE, TargetSource.RECORDED)
    told = {check.name: check.ok for check in card.checks}
    assert told == {"exists": True, "ready": True, "tag": True, "warm": True, "schema": None, "actAs": True}
    assert card.ready
    run.may_act = False
    fresh = Session(run)
    card = await fresh.do(fresh.rollbacks.card("api"))
    assert {check.name: check.ok for check in card.checks}["actAs"] is False
    assert not card.ready


async def test_without_a_record_the_last_that_served_everything_is_the_target_and_not_the_second_newest(
    run: FakeRun,
) -> None:
    run.add("api", {CANARY: 100})
    ports = Ports(
        answers={
            "changes": (
                Change(run.time.now(), "api", "p", "", {CANARY: 100}),
                Change(run.time.now() - timedelta(days=1), "api", "p", "", {STABLE: 5, CANARY: 95}),
                Change(run.time.now() - timedelta(days=2), "api", "p", "", {OLD: 100}),
            )
        }
    )
    session = Session(run, ports=ports)
    made = await session.do(session.rollbacks.propose("api", "5xx"))
    assert isinstance(made, Proposal)
    assert made.plan.target == {OLD: 100}
    await session.do(session.gateway.send(made, BY_KEY))
    assert run.live("api").serving_split() == {OLD: 100}


async def test_other_tags_and_annotations_are_left_alone(run: FakeRun) -> None:
    run.add("api", {STABLE: 100}, annotations={"team": "blue"})
    service = run.live("api")
    run.services["api"] = replace(service, desired=(*service.desired, TrafficTarget(OLD, 0, "demo")))
    session = await at_five_percent(run)
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    after = run.live("api")
    assert after.annotations["team"] == "blue"
    assert TrafficTarget(OLD, 0, "demo") in after.desired
    assert set(after.annotations) == {"team", ANNOTATION}


async def test_drained_is_known_from_a_minute_that_began_after_it_was_served(run: FakeRun) -> None:
    session = await at_five_percent(run)
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    run.time.seconds += 10
    served = run.time.now()
    early = await session.do(session.rollbacks.drained("api", STABLE, served))
    assert isinstance(early, RollbackProgress)
    assert early.state is DrainState.SERVING
    run.time.seconds += 600
    still = await session.do(session.rollbacks.drained("api", STABLE, served))
    assert "the others still had 600 requests" in still.text
    session.arms.per_minute = 0
    done = await session.do(session.rollbacks.drained("api", STABLE, served))
    assert done.state is DrainState.DRAINED


async def test_the_group_goes_back_in_one_act_and_each_is_verified(run: FakeRun) -> None:
    for name in ("frontend", "worker-extract", "stray"):
        run.add(name)
    session = Session(run)
    for name in ("api", "frontend"):
        await session.do(session.releases.start(name, BY_DIALOG, "go"))
        await session.do(session.releases.promote(name, BY_DIALOG, "go"))
    group = await session.do(session.rollbacks.propose_group("all bad"))
    assert isinstance(group, GroupProposal)
    assert {plan.service for plan in group.plans} == {"api", "frontend"}
    assert {outcome.service for outcome in group.settled} == {"worker-extract"}  # nowhere to go back to
    refused = await session.do(session.rollbacks.send_group(group, BY_DIALOG))
    assert all(outcome.kind is OutcomeKind.REFUSED for outcome in refused.outcomes)
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}
    sent = await session.do(session.rollbacks.send_group(group, by_name("prod")))
    done = [outcome.service for outcome in sent.outcomes if outcome.kind is OutcomeKind.DONE]
    assert done == ["api", "frontend"]
    assert run.live("frontend").serving_split() == {"frontend-00041-abc": 100}
    assert sent.exit_status == 0
    assert "2 of 2" in sent.sentence
    assert "worker-extract: nothing to roll back to" in sent.sentence


async def test_a_failure_of_one_service_stops_no_other(run: FakeRun) -> None:
    run.add("frontend")
    session = Session(run)
    for name in ("api", "frontend"):
        await session.do(session.releases.start(name, BY_DIALOG, "go"))
        await session.do(session.releases.promote(name, BY_DIALOG, "go"))
    group = await session.do(session.rollbacks.propose_group("all bad", ("api", "frontend")))
    run.faults["write.before"] = [SourceFailure(FailureKind.PERMISSION, "Cloud Run", "api", "denied")]
    sent = await session.do(session.rollbacks.send_group(group, by_name("prod")))
    assert sorted(outcome.kind.value for outcome in sent.outcomes) == ["done", "refused"]
    assert sent.exit_status == 3


async def test_a_read_only_production_arms_a_whole_group_as_one(run: FakeRun) -> None:
    run.add("frontend")
    session = Session(run)
    for name in ("api", "frontend"):
        await session.do(session.releases.start(name, BY_DIALOG, "go"))
    on_call = Session(run, read_only=None)
    group = await on_call.do(on_call.rollbacks.propose_group("all bad", ("api", "frontend")))
    assert isinstance(group, GroupProposal)
    assert on_call.rollbacks.arm(group) is None
    sent = await on_call.do(on_call.rollbacks.send_group(group, by_name("prod")))
    assert [outcome.kind for outcome in sent.outcomes] == [OutcomeKind.DONE] * 2


async def test_a_rollback_without_a_record_leaves_one_that_the_next_release_starts_from(run: FakeRun) -> None:
    run.add("api", {CANARY: 100})
    session = Session(run)
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx", to=STABLE))
    assert record_of(run.live("api")).phase is Phase.ROLLED_BACK
    run.time.seconds += 60
    again = await session.do(session.releases.start("api", BY_DIALOG, "fixed", revision=OLD))
    assert again.good, again
    assert intent_of(run.live("api")) is not None
