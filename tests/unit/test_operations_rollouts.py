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
