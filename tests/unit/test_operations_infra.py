"""Looks at infrastructure in the background: one run at a time, and the last good one stays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.domain.infra import ActiveRollout, Verdict
from brconsole.domain.infra_outputs import Output
from brconsole.domain.intent import ANNOTATION
from brconsole.domain.service import Service
from brconsole.domain.terraform_plan import TerraformPlan, parse
from brconsole.operations.background import FeedThread
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.infra import Infra
from brconsole.operations.infra_desk import BackgroundInfra, InfraSeen
from plans import change, document, service

STAGING = Environment("staging", "br-stage-4821", "us-central1")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
WITHIN_S = 20.0
BROKEN = Service(
    "api", None, True, None, False, 1, 1, "e", NOW, NOW, None, None, None, (), (), annotations={ANNOTATION: "{"}
)


class FakeTerraform:
    """A folder that answers when the test lets it."""

    folder = "infra/envs/staging"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.plans = 0
        self.problem: SourceFailure | None = None
        self.outputs_problem: SourceFailure | None = None

    async def initialise(self) -> None:
        raise AssertionError("nobody asked for it")

    async def plan(self) -> TerraformPlan:
        self.plans += 1
        await asyncio.to_thread(self.go.wait, WITHIN_S)
        if self.problem is not None:
            raise self.problem
        return parse(document(change(service(), service(instances=3))))

    async def outputs(self) -> tuple[Output, ...]:
        if self.outputs_problem is not None:
            raise self.outputs_problem
        return (Output("project_id", "br-stage-4821"),)


class Looks:
    """Waits for what a desk finds."""

    def __init__(self, desk: BackgroundInfra) -> None:
        self.desk = desk
        self._changed = threading.Condition()
        desk.subscribe(self._looked)

    def _looked(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def until(self, condition: Callable[[InfraSeen], bool]) -> InfraSeen:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.desk.seen("staging")), WITHIN_S)
        return self.desk.seen("staging")


@pytest.fixture
def thread() -> Iterator[FeedThread]:
    running = FeedThread()
    yield running
    running.stop()


@pytest.fixture
def terraform() -> FakeTerraform:
    return FakeTerraform()


@pytest.fixture
def looks(thread: FeedThread, terraform: FakeTerraform) -> Looks:
    fleet = Fleet(STAGING, NOW, services=Reading((BROKEN,), NOW))
    return Looks(BackgroundInfra((STAGING,), lambda _: terraform, thread, {"staging": lambda: fleet}))


def test_nothing_runs_until_it_is_asked_for(looks: Looks, terraform: FakeTerraform) -> None:
    assert looks.desk.seen("staging") == InfraSeen()
    assert terraform.plans == 0


def test_a_look_finds_drift_outputs_and_the_rollouts_of_the_fleet(looks: Looks) -> None:
    looks.desk.look("staging")
    seen = looks.until(lambda seen: seen.outputs is not None and not seen.running)
    assert seen.view is not None
    assert seen.view.report.verdict is Verdict.UNEXPECTED
    assert seen.view.report.rollouts == (ActiveRollout("api", "a rollout whose record cannot be read"),)
    assert seen.outputs is not None
    assert seen.outputs.differences == ()
    assert seen.folder == "infra/envs/staging"
    assert seen.read_at is not None


def test_asking_again_while_it_runs_starts_nothing(looks: Looks, terraform: FakeTerraform) -> None:
    terraform.go.clear()
    looks.desk.look("staging")
    looks.until(lambda _: terraform.plans == 1 or bool(looks.desk.seen("staging").folder))
    looks.desk.look("staging")
    assert looks.desk.seen("staging").running
    terraform.go.set()
    looks.until(lambda seen: not seen.running)
    assert terraform.plans == 1


def test_a_failure_keeps_the_last_good_look_and_says_why(looks: Looks, terraform: FakeTerraform) -> None:
    looks.desk.look("staging")
    before = looks.until(lambda seen: not seen.running)
    terraform.problem = SourceFailure(FailureKind.NOT_CONFIGURED, "Terraform", "infra/envs/staging", "not initialised")
    looks.desk.look("staging")
    after = looks.until(lambda seen: not seen.running and seen.problem is not None)
    assert after.view is before.view
    assert after.read_at == before.read_at
    assert after.problem == "Terraform: not initialised (infra/envs/staging)"
    terraform.problem = None
    looks.desk.look("staging")
    assert looks.until(lambda seen: not seen.running and seen.problem is None).view is not None


def test_outputs_that_cannot_be_read_leave_the_drift_standing(looks: Looks, terraform: FakeTerraform) -> None:
    terraform.outputs_problem = SourceFailure(FailureKind.UNREADABLE, "Terraform", "x", "no JSON")
    looks.desk.look("staging")
    seen = looks.until(lambda seen: not seen.running)
    assert seen.view is not None
    assert seen.outputs_problem is not None
    assert seen.problem is None


def test_an_environment_that_does_not_exist_is_not_looked_at(looks: Looks, terraform: FakeTerraform) -> None:
    looks.desk.look("nowhere")
    assert looks.desk.seen("nowhere") == InfraSeen()
    assert terraform.plans == 0


async def test_rollouts_that_do_not_come_in_time_are_not_known(terraform: FakeTerraform) -> None:
    async def never() -> tuple[ActiveRollout, ...]:
        await asyncio.Event().wait()
        return ()

    view = await Infra(replace(STAGING), terraform, never).look()
    assert view.report.rollouts == (), "the plan has the service, and no record stands in it"
    assert view.report.verdict is Verdict.UNEXPECTED
