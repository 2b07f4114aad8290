"""Migrations from a desk: what is in front of a person, and orders answered from another thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from migration_fakes import LINE, FakeProject, MigrationSession, world

from brconsole.domain.plan import Confirmation
from brconsole.operations.background import FeedThread
from brconsole.operations.background_desk import BackgroundDesk
from brconsole.operations.desk import ApproveMigration, CancelMigration, LookAtSchema, RunMigration
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, NOT_CONFIRMED, Outcome, OutcomeKind
from brconsole.operations.ports import Cloud

WITHIN_S = 20.0


class Scene:
    """A desk on an in-memory job with an in-memory project."""

    def __init__(self, configured: bool = True) -> None:
        self.run, self.jobs = world()
        self.project = FakeProject()
        self.session = MigrationSession(self.run, self.jobs, project=self.project)
        self.configured = configured
        self.thread = FeedThread()
        self.looked = threading.Condition()
        self.desk = BackgroundDesk(
            self.session.environment,
            self._open,
            self.thread,
            self.session.modes,
            lambda: self.session.journal,
            who,
        )
        self.desk.subscribe(self._noticed)

    def _noticed(self, _: str | None) -> None:
        with self.looked:
            self.looked.notify_all()

    @asynccontextmanager
    async def _open(self, environment: Any) -> AsyncIterator[Any]:
        cloud = replace(self.session.cloud, jobs=self.jobs, job_writer=self.jobs, migration_project=self.project)
        yield cloud if self.configured else replace(cloud, migrations=None), self.run.time

    def until(self, condition: Callable[[], bool]) -> None:
        with self.looked:
            assert self.looked.wait_for(condition, WITHIN_S), self.desk.migration_seen()

    def propose(self, order: Any) -> Any:
        answered: list[Any] = []
        arrived = threading.Event()

        def take(made: Any) -> None:
            answered.append(made)
            arrived.set()

        self.desk.propose_migration(order, "a test", take)
        assert arrived.wait(WITHIN_S)
        return answered[0]

    def send(self, made: Any, confirmed: Any = BY_DIALOG) -> tuple[Outcome, list[str]]:
        said: list[str] = []
        ended: list[Outcome] = []
        arrived = threading.Event()

        def take(outcome: Outcome) -> None:
            ended.append(outcome)
            arrived.set()

        self.desk.send_migration(made, confirmed, lambda _, text: said.append(text), take)
        assert arrived.wait(WITHIN_S)
        return ended[0], said


async def who(_: Cloud) -> str:
    return "ana@example.com"


@pytest.fixture
def stage() -> Iterator[Scene]:
    made = Scene()
    yield made
    assert made.thread.stop(10)


def test_a_migration_goes_from_a_look_to_its_end_by_orders(stage: Scene) -> None:
    looked, _ = stage.send(LookAtSchema("plan"), NOT_CONFIRMED)
    assert looked.good
    approval = stage.propose(ApproveMigration(stage.jobs.plan()[:12]))
    assert isinstance(approval, JobProposal)
    assert stage.send(approval, BY_KEY)[0].good
    run = stage.propose(RunMigration())
    assert isinstance(run, JobProposal)
    assert run.plan.confirmation is Confirmation.DIALOG
    outcome, said = stage.send(run)
    assert (outcome.kind, stage.jobs.applied) == (OutcomeKind.DONE, LINE[-1])
    assert "sentinel said" in said
    seen = stage.desk.migration_seen().run
    assert seen is not None
    assert [line.text for line in seen.lines][-1] == "sentinel said"


def test_what_is_watched_is_seen_with_its_plan_and_the_check_of_it(stage: Scene) -> None:
    stage.send(LookAtSchema("plan"), NOT_CONFIRMED)
    stage.desk.watch_migrations(wanted=True)
    stage.until(lambda: stage.desk.migration_seen().plan is not None)
    seen = stage.desk.migration_seen()
    assert seen.view is not None
    assert seen.plan is not None
    assert seen.plan.plan is not None
    assert (seen.configured, seen.view.live, len(seen.plan.checked.reports)) == (True, 2, 2)
    stage.desk.watch_migrations(wanted=True)  # somebody asks to look again: the same plan is not checked anew
    stage.propose(RunMigration())
    assert stage.project.checks == 1
    stage.desk.watch_migrations(wanted=False)


def test_a_run_that_somebody_else_started_is_seen(stage: Scene) -> None:
    stage.jobs.holds = True
    stage.send(LookAtSchema("plan"), NOT_CONFIRMED)
    stage.send(stage.propose(ApproveMigration(stage.jobs.plan())), BY_KEY)
    other = stage.propose(RunMigration())
    assert isinstance(other, JobProposal)
    stage.jobs.holds = False
    stage.send(other)
    stage.desk.watch_migrations(wanted=True)
    stage.until(lambda: stage.desk.migration_seen().run is not None)
    found = stage.desk.migration_seen().run
    assert found is not None
    assert found.report.execution.mode == "run"
    nothing = stage.propose(CancelMigration())
    assert isinstance(nothing, Outcome)
    assert nothing.kind is OutcomeKind.ALREADY_DONE


def test_an_environment_without_migrations_says_how_to_configure_them() -> None:
    stage = Scene(configured=False)
    stage.desk.watch_migrations(wanted=True)
    stage.until(lambda: stage.desk.migration_seen().configured is False)
    refused = stage.propose(RunMigration())
    assert (refused.kind, "[migrations] alembic" in refused.sentence) == (OutcomeKind.REFUSED, True)
    assert stage.send(LookAtSchema(), NOT_CONFIRMED)[0].kind is OutcomeKind.REFUSED
    assert stage.thread.stop(10)
