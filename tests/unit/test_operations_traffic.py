"""Splits by hand: any split that sums to 100, what is refused, and the split before."""

from __future__ import annotations

import pytest
from release_fakes import CANARY, OLD, STABLE, FakeRun, Session

from brconsole.domain.traffic import TrafficTarget
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind


@pytest.fixture
def run() -> FakeRun:
    fake = FakeRun()
    fake.add()
    return fake


async def test_any_number_of_arms_is_written_as_one_whole_list(run: FakeRun) -> None:
    session = Session(run)
    split = {OLD: 10, STABLE: 60, CANARY: 30}
    outcome = await session.do(session.shifts.shift("api", split, BY_DIALOG, "compare three"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").serving_split() == split
    assert all(target.revision for target in run.accepted[-1].traffic)


@pytest.mark.parametrize("split", [{STABLE: 50}, {STABLE: 101}, {STABLE: 150, CANARY: -50}, {}])
async def test_what_does_not_sum_to_100_is_refused(run: FakeRun, split: dict[str, int]) -> None:
    session = Session(run)
    outcome = await session.do(session.shifts.shift("api", split, BY_DIALOG, "try"))
    assert (outcome.kind, run.accepted) == (OutcomeKind.REFUSED, [])
    assert "sum to 100" in outcome.sentence


async def test_an_unknown_revision_is_refused_with_the_nearest(run: FakeRun) -> None:
    session = Session(run)
    outcome = await session.do(session.shifts.shift("api", {"api-00041-abd": 100}, BY_DIALOG, "try"))
    assert outcome.kind is OutcomeKind.REFUSED
    assert "the nearest is api-00041-abc" in outcome.sentence


async def test_the_plan_shows_before_and_after_and_the_command(run: FakeRun) -> None:
    session = Session(run)
    made = await session.do(session.shifts.propose("api", {STABLE: 90, CANARY: 10}, "try"))
    assert isinstance(made, Proposal)
    assert (made.plan.before, made.plan.target) == ({STABLE: 100}, {STABLE: 90, CANARY: 10})
    assert "--to-revisions=api-00041-abc=90,api-00042-def=10" in made.plan.gcloud
    assert "10 % of the requests move" in made.plan.blast_radius


async def test_during_a_rollout_traffic_moves_by_hand_only_while_it_is_held(run: FakeRun) -> None:
    session = Session(run)
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    await session.do(session.releases.promote("api", BY_DIALOG, "go"))
    refused = await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    assert (refused.kind, "hold or abort it first" in refused.sentence) == (OutcomeKind.REFUSED, True)
    await session.do(session.releases.hold("api", BY_KEY, "wait"))
    moved = await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    assert moved.good


async def test_the_split_before_comes_back_and_can_be_taken_back_too(run: FakeRun) -> None:
    session = Session(run)
    await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    undone = await session.do(session.shifts.propose_undo("api", "no"))
    assert (await session.do(session.gateway.send(undone, BY_DIALOG))).good
    assert run.live("api").serving_split() == {STABLE: 100}
    again = await session.do(session.shifts.propose_undo("api", "yes"))
    assert (await session.do(session.gateway.send(again, BY_DIALOG))).good
    assert run.live("api").serving_split() == {STABLE: 80, CANARY: 20}


async def test_nothing_is_undone_that_somebody_changed_since(run: FakeRun) -> None:
    session = Session(run)
    await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    run.by_hand("api", {STABLE: 50, CANARY: 50})
    undone = await session.do(session.shifts.propose_undo("api", "no"))
    assert isinstance(undone, Outcome)
    assert (undone.kind, "person@example.com" in undone.sentence) == (OutcomeKind.CONFLICT, True)


async def test_a_rollback_is_not_undone_by_the_way(run: FakeRun) -> None:
    session = Session(run)
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    await session.do(session.releases.promote("api", BY_DIALOG, "go"))
    await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    undone = await session.do(session.shifts.propose_undo("api", "no"))
    assert isinstance(undone, Outcome)
    assert (undone.kind, "release.rollback" in undone.sentence) == (OutcomeKind.REFUSED, True)


async def test_without_anything_to_undo_it_says_so(run: FakeRun) -> None:
    session = Session(run)
    undone = await session.do(session.shifts.propose_undo("api", "no"))
    assert isinstance(undone, Outcome)
    assert undone.kind is OutcomeKind.REFUSED


async def test_a_service_on_latest_is_pinned_by_its_own_split(run: FakeRun) -> None:
    run.add("api", desired=(TrafficTarget(None, 100),), serving=(TrafficTarget(None, 100),))
    session = Session(run)
    outcome = await session.do(session.shifts.shift("api", {CANARY: 100}, BY_DIALOG, "pin"))
    assert outcome.kind is OutcomeKind.DONE
    assert run.live("api").desired == (TrafficTarget(CANARY, 100),)


async def test_a_split_that_is_so_already_is_not_written(run: FakeRun) -> None:
    session = Session(run)
    outcome = await session.do(session.shifts.shift("api", {STABLE: 100}, BY_DIALOG, "same"))
    assert (outcome.kind, run.accepted) == (OutcomeKind.ALREADY_DONE, [])
