"""The desk on the feeds' thread: orders are answered from there, looks go on, failures are told, nothing waits."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from release_fakes import CANARY, STABLE, FakeRun, Session, unavailable

from brconsole.operations.background import FeedThread
from brconsole.operations.background_desk import BackgroundDesk, SharedClouds
from brconsole.operations.desk import RollBack, Shift, Stage, Watching
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind
from brconsole.operations.ports import Cloud
from brconsole.operations.rollouts import Start

WITHIN_S = 20.0


class Answers:
    """What came back, from another thread."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self._arrived = threading.Condition()

    def __call__(self, *found: Any) -> None:
        with self._arrived:
            self.found.append(found[0] if len(found) == 1 else found)
            self._arrived.notify_all()

    def until(self, condition: Callable[[list[Any]], bool]) -> list[Any]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self.found), WITHIN_S), self.found
            return list(self.found)

    def one(self) -> Any:
        return self.until(bool)[0]


class Scene:
    """A desk on an in-memory Cloud Run whose changes are served at once."""

    def __init__(self) -> None:
        self.run = FakeRun(reconcile_s=0)
        self.run.add()
        self.session = Session(self.run)
        self.thread = FeedThread()
        self.opened = 0
        self.closed = 0
        self.failing: list[Exception] = []
        self.clouds = SharedClouds(self._open)
        self.desk = BackgroundDesk(
            self.session.environment,
            self.clouds.open,
            self.thread,
            self.session.modes,
            lambda: self.session.journal,
            who,
        )

    @asynccontextmanager
    async def _open(self, environment: Any) -> AsyncIterator[Any]:
        self.opened += 1
        if self.failing:
            raise self.failing.pop()
        yield replace(self.session.cloud), self.run.time
        self.closed += 1

    def propose(self, order: Any) -> Any:
        answers = Answers()
        self.desk.propose(order, "a test", answers)
        return answers.one()


async def who(_: Cloud) -> str:
    return "ana@example.com"


@pytest.fixture
def stage() -> Iterator[Scene]:
    made = Scene()
    yield made
    assert made.thread.stop(10)


def test_an_order_is_proposed_and_sent_and_its_stages_are_told(stage: Scene) -> None:
    made = stage.propose(Shift("api", {STABLE: 90, CANARY: 10}))
    assert isinstance(made, Proposal)
    assert made.plan.target == {STABLE: 90, CANARY: 10}
    told, ended = Answers(), Answers()
    stage.desk.send(made, BY_DIALOG, told, ended)
    outcome = ended.one()
    assert outcome.kind is OutcomeKind.DONE
    assert [stage for stage, _ in told.found] == [Stage.ACCEPTED, Stage.SERVING]
    assert stage.run.services["api"].desired_split() == {STABLE: 90, CANARY: 10}
    entries = Answers()
    stage.desk.read_journal("api", entries)
    assert [entry.kind for entry in entries.one()] == ["intent", "outcome"]


def test_what_the_world_did_between_question_and_answer_is_a_conflict(stage: Scene) -> None:
    made = stage.propose(Shift("api", {STABLE: 90, CANARY: 10}))
    stage.run.by_hand("api", {CANARY: 100})
    ended = Answers()
    stage.desk.send(made, BY_DIALOG, Answers(), ended)
    assert ended.one().kind is OutcomeKind.CONFLICT
    assert len(stage.run.accepted) == 1


def test_an_environment_that_does_not_open_is_told_and_opened_again_at_the_next_order(stage: Scene) -> None:
    stage.failing.append(unavailable("no credentials"))
    first = stage.propose(RollBack("api"))
    assert isinstance(first, Outcome)
    assert "no credentials" in first.sentence
    stage.run.by_hand("api", {STABLE: 95, CANARY: 5})
    assert isinstance(stage.propose(RollBack("api", STABLE)), Proposal)


def test_the_card_and_the_rollout_in_front_of_a_person_are_looked_at_until_it_stops(stage: Scene) -> None:
    stage.run.by_hand("api", {STABLE: 95, CANARY: 5})
    looked = Answers()
    stage.desk.subscribe(looked)
    stage.desk.watch(Watching("api", rollout=True))
    stage.desk.start()
    looked.until(lambda _: stage.desk.seen("api").view is not None and stage.desk.seen("api").card is not None)
    found = stage.desk.seen("api").view
    assert found is not None
    assert [finding.kind.value for finding in found.findings] == ["orphan"]
    assert stage.desk.seen("frontend").card is None
    stage.desk.stop()


def test_a_wheel_that_was_taken_does_what_the_reducer_decides(stage: Scene) -> None:
    ended = Answers()
    stage.desk.send(stage.propose(Start("api", manual=False)), BY_DIALOG, Answers(), ended)
    assert ended.one().kind is OutcomeKind.DONE
    said = Answers()
    stage.desk.subscribe(said)
    assert stage.desk.driven == set()
    stage.desk.drive("api", wanted=True)
    said.until(lambda found: any("observe" in text for text in found if text))
    assert stage.run.accepted[-1].after == {STABLE: 95, CANARY: 5}
    beat = stage.session.signals.beats[0]
    assert (beat.who, beat.service, beat.headless) == ("ana@example.com", "api", False)
    stage.desk.drive("api", wanted=False)
    assert stage.desk.driven == set()


def test_an_environment_is_opened_once_for_feed_and_desk_and_closed_by_the_last(stage: Scene) -> None:
    stage.run.by_hand("api", {STABLE: 95, CANARY: 5})
    made = stage.propose(RollBack("api", STABLE))
    ended = Answers()
    stage.desk.send(made, BY_KEY, Answers(), ended)
    ended.one()
    stage.desk.start()
    stage.propose(RollBack("api", STABLE))
    assert stage.opened == 1
    assert stage.thread.stop(10)
    assert stage.closed == 1
