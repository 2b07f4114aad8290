"""The world is a function of seed, events and time; writes reconcile, fail, and leave the past alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from brconsole.simulation.model import Service, Target
from brconsole.simulation.world import DEFAULT_START, SCENARIOS, UnknownRevision, World

PROD = "bytereview-prod"
DEV = "br-dev-4821"
REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
START = DEFAULT_START
ME = "ada@bytereview.ai"


def api(world: World, at: float) -> Service:
    service = world.service(PROD, "api", at)
    assert service is not None
    return service


def split(targets: tuple[Target, ...]) -> dict[str | None, int]:
    return {target.revision: target.percent for target in targets if target.percent}


def revision(world: World, name: str, at: float, project: str = PROD, service: str = "api") -> bool | None:
    return next(each.ready for each in world.revisions(project, service, at) if each.name == name)


# --------------------------------------------------------------------------------------------------------- determinism

Question = Callable[[World], object]


def series_question(metric: str, start: float, end: float, step_s: int) -> Question:
    return lambda world: world.series(PROD, metric, start, end, step_s)


def questions() -> list[Question]:
    asked: list[Question] = [
        lambda world: world.services(PROD, START + 400),
        lambda world: world.services(DEV, START + 3000),
        lambda world: world.revisions(PROD, None, START + 500),
        lambda world: world.audit("br-stage-4821", START - 86400, START + 7200),
        lambda world: world.usage(DEV, START - 5 * 86400, START),
        lambda world: world.slo_counts(world.slos(PROD)[0], START - 7200, START + 3600, 3600),
        lambda world: world.slo_counts(world.slos(PROD)[1], START - 600, START + 900, 60),
    ]
    for metric in World(7, START, "quiet").metric_types():
        asked += [series_question(metric, START - 900, START + 1200, 60)]
        asked += [series_question(metric, START - 7200, START + 7200, 3600)]
    return asked


QUESTIONS = questions()


def written(world: World) -> World:
    """A world in which two people and a fault have been at work."""
    candidate = api(world, START).latest_ready
    stable = next(iter(split(api(world, START).serving)))
    world.update_service(PROD, "api", START + 130, ME, traffic=[Target(stable, 50), Target(candidate, 50)])
    world.set_fault(START + 420, "error-rate", f"{PROD}/{candidate}", 0.1, START + 700)
    world.update_service(PROD, "api", START + 610, ME, traffic=[Target(stable, 100)])
    return world


REFERENCE = [repr(question(written(World(7, START, "demo")))) for question in QUESTIONS]


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(range(len(QUESTIONS))))
def test_the_order_of_questions_never_changes_an_answer(order: list[int]) -> None:
    world = written(World(7, START, "demo"))
    for index in order:
        assert repr(QUESTIONS[index](world)) == REFERENCE[index]


@settings(max_examples=6, deadline=None)
@given(early=st.lists(st.integers(0, len(QUESTIONS) - 1), max_size=12))
def test_what_was_asked_before_a_write_never_changes_an_answer_after_it(early: list[int]) -> None:
    world = World(7, START, "demo")
    for index in early:
        QUESTIONS[index](world)
    written(world)
    assert [repr(question(world)) for question in QUESTIONS] == REFERENCE


def test_another_seed_is_another_world() -> None:
    ours, theirs = World(7, START, "demo"), World(8, START, "demo")
    assert api(ours, START).latest_ready != api(theirs, START).latest_ready
    assert ours.series(PROD, REQUESTS, START - 600, START) != theirs.series(PROD, REQUESTS, START - 600, START)


DIGEST = """
import hashlib
from brconsole.simulation.world import DEFAULT_START as S, World
world = World(7, S, "demo")
answers = [world.services("bytereview-prod", S), world.audit("br-dev-4821", S, S + 7200)]
answers.append(world.usage("br-dev-4821", S - 86400, S))
answers += [world.series("bytereview-prod", metric, S - 1800, S + 1800) for metric in sorted(world.metric_types())]
print(hashlib.sha256(repr(answers).encode()).hexdigest())
"""


def interpreters() -> list[str]:
    found = [
        sys.executable,
        *(shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin") for minor in range(11, 15)),
    ]
    return [each for each in found if each]


def test_a_run_repeats_bit_for_bit_in_other_processes_and_on_other_pythons() -> None:
    source = str(Path(sys.modules[World.__module__].__file__ or "").parents[2])
    digests = {
        subprocess.run(
            [interpreter, "-c", DIGEST],
            env={**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for number, interpreter in enumerate([*interpreters(), sys.executable])
    }
    assert len(digests) == 1
    assert len(digests.pop()) == len(hashlib.sha256().hexdigest())


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="quiet"):
        World(7, START, "calm")


# --------------------------------------------------------------------------------------------------------------- writes


def test_a_traffic_write_is_desired_at_once_and_serves_when_reconciling_ends() -> None:
    world = World(7, START, "release-ready")
    before = api(world, START)
    candidate = before.latest_ready
    stable = next(iter(split(before.serving)))
    operation = world.update_service(
        PROD, "api", START + 10, ME, traffic=[Target(stable, 95), Target(candidate, 5), Target(stable, 0, "prev")]
    )
    assert operation.error is None
    assert 2 <= operation.done_at - operation.started <= 6.5
    during = api(world, START + 10.5)
    assert during.reconciling
    assert during.terminal.state == "reconciling"
    assert split(during.traffic) == {stable: 95, candidate: 5}
    assert split(during.serving) == {stable: 100}
    assert during.generation == before.generation + 1
    assert during.observed_generation == before.generation
    assert during.etag != before.etag
    assert during.last_modifier == ME
    after = api(world, operation.done_at)
    assert not after.reconciling
    assert after.terminal.state == "succeeded"
    assert after.observed_generation == after.generation
    assert split(after.serving) == {stable: 95, candidate: 5}
    assert world.operation(PROD, operation.id) == operation
    assert world.operation(PROD, "none-such") is None


def test_a_label_or_annotation_write_mints_no_revision() -> None:
    world = World(7, START, "quiet")
    before = world.revisions(PROD, "api", START)
    operation = world.update_service(PROD, "api", START + 5, ME, annotations={"a": "1"}, labels={"b": "2"})
    after = api(world, operation.done_at)
    assert world.revisions(PROD, "api", operation.done_at) == before
    assert (after.annotations, after.labels) == ({"a": "1"}, {"b": "2"})
    assert after.serving == api(world, START).serving


def test_a_new_template_mints_a_revision_that_gets_traffic_through_latest_only() -> None:
    world = World(7, START, "quiet")
    for service, follows in (("api", False), ("frontend", True)):
        before = world.service(DEV, service, START)
        assert before is not None
        template = replace(before.template, env={"RELEASE": "9"})
        operation = world.update_service(DEV, service, START + 5, ME, template=template)
        assert 5 <= operation.done_at - operation.started <= 16
        during = world.service(DEV, service, START + 6)
        after = world.service(DEV, service, operation.done_at)
        assert during is not None
        assert after is not None
        minted = after.latest_created
        assert minted is not None
        assert minted != before.latest_created
        assert during.latest_created == minted
        assert during.latest_ready == before.latest_ready
        assert after.latest_ready == minted
        assert revision(world, minted, START + 6, DEV, service) is None
        assert revision(world, minted, operation.done_at, DEV, service) is True
        assert minted not in {each.name for each in world.revisions(DEV, service, START + 4)}
        late = world.series(DEV, REQUESTS, operation.done_at + 60, operation.done_at + 600)
        serving = {
            each.resource_labels["revision_name"] for each in late if each.resource_labels["service_name"] == service
        }
        assert serving == ({minted} if follows else {before.latest_ready})


def test_the_same_template_mints_nothing() -> None:
    world = World(7, START, "quiet")
    before = api(world, START)
    operation = world.update_service(PROD, "api", START, ME, template=replace(before.template))
    assert api(world, operation.done_at).latest_created == before.latest_created


def test_a_revision_that_does_not_exist_is_refused_and_nothing_is_written() -> None:
    world = World(7, START, "quiet")
    before = api(world, START + 10)
    with pytest.raises(UnknownRevision, match="api-00099-zzz"):
        world.update_service(PROD, "api", START, ME, traffic=[Target("api-00099-zzz", 100)])
    assert api(world, START + 10) == before


def test_a_failed_build_leaves_the_old_revision_serving_and_says_why() -> None:
    world = World(7, START, "quiet")
    before = world.service(DEV, "frontend", START)
    assert before is not None
    world.set_fault(START, "crash", f"{DEV}/frontend", 1.0)
    operation = world.update_service(DEV, "frontend", START + 5, ME, template=replace(before.template, env={}))
    after = world.service(DEV, "frontend", operation.done_at)
    assert after is not None
    assert operation.error is not None
    assert after.latest_created is not None
    assert f"Revision '{after.latest_created}' is not ready and cannot serve traffic." in operation.error
    assert revision(world, after.latest_created, operation.done_at, DEV, "frontend") is False
    assert after.latest_ready == before.latest_ready
    assert after.terminal.state == "failed"
    assert after.observed_generation == before.generation
    assert after.serving == before.serving


def test_a_failed_reconcile_changes_the_desired_split_and_not_the_served_one() -> None:
    world = World(7, START, "bad-crash")
    candidate = api(world, START).latest_ready
    assert candidate is not None
    stable = next(iter(split(api(world, START).serving)))
    first = world.update_service(PROD, "api", START + 5, ME, traffic=[Target(stable, 95), Target(candidate, 5)])
    assert first.error is None
    down = first.done_at + 30
    assert revision(world, candidate, first.done_at) is True
    assert revision(world, candidate, down) is False
    away = world.update_service(PROD, "api", down, ME, traffic=[Target(stable, 100)])
    assert away.error is None
    again = world.update_service(PROD, "api", down + 60, ME, traffic=[Target(stable, 50), Target(candidate, 50)])
    assert again.error == f"Revision '{candidate}' is not ready and cannot serve traffic."
    service = api(world, again.done_at)
    assert not service.reconciling
    assert split(service.traffic) == {stable: 50, candidate: 50}
    assert split(service.serving) == {stable: 100}
    assert service.terminal.state == "failed"
    assert service.observed_generation < service.generation
    back = world.update_service(PROD, "api", down + 120, ME, traffic=[Target(stable, 100)])
    assert back.error is None
    assert api(world, back.done_at).terminal.state == "succeeded"


def test_a_write_during_reconciling_lands_after_the_one_before_it() -> None:
    world = World(7, START, "release-ready")
    candidate = api(world, START).latest_ready
    stable = next(iter(split(api(world, START).serving)))
    first = world.update_service(PROD, "api", START + 5, ME, traffic=[Target(stable, 90), Target(candidate, 10)])
    second = world.update_service(PROD, "api", START + 5.5, ME, traffic=[Target(stable, 100)])
    assert first.done_at < second.done_at
    assert world.operation(PROD, first.id) == first
    between = api(world, (first.done_at + second.done_at) / 2)
    assert between.reconciling
    assert split(between.serving) == {stable: 90, candidate: 10}
    assert split(api(world, second.done_at).serving) == {stable: 100}


def past(world: World, upto: float) -> str:
    """Everything that can be known about the time up to a moment."""
    told: list[object] = []
    for project in world.projects:
        told += [world.services(project.id, at) for at in (START - 900, upto - 30, upto - 0.001)]
        told.append(world.revisions(project.id, None, upto - 0.001))
        told.append(world.audit(project.id, START - 86400, upto - 0.001))
        for metric in world.metric_types():
            told.append(world.series(project.id, metric, upto - 2400, upto))
            told.append(world.series(project.id, metric, upto - 3 * 3600, upto, 3600))
    return json.dumps(repr(told))


@settings(max_examples=5, deadline=None)
@given(delay=st.integers(0, 3000), ask_ahead=st.booleans())
def test_a_write_or_a_fault_leaves_the_past_as_it_was(delay: int, ask_ahead: bool) -> None:
    world = World(7, START, "demo")
    at = START + delay
    if ask_ahead:
        world.series(PROD, REQUESTS, START, START + 7200)
    upto = at // 60 * 60
    before = past(world, upto)
    candidate = api(world, at).latest_ready
    world.update_service(PROD, "api", at, ME, traffic=[Target(candidate, 100)])
    world.update_service(DEV, "frontend", at, ME, template=replace(api(world, at).template, env={"X": str(delay)}))
    world.set_fault(at, "slow-database", PROD, 3.0)
    world.set_fault(at, "crash", f"{PROD}/{candidate}", 1.0)
    world.set_fault(at, "stuck-worker", f"{PROD}/extract", 1.0)
    world.set_fault(at, "queue-flood", f"{PROD}/import", 900.0)
    assert past(world, upto) == before


def test_every_write_has_an_audit_entry_that_says_who_and_what_moved() -> None:
    world = World(7, START, "release-ready")
    candidate = api(world, START).latest_ready
    stable = next(iter(split(api(world, START).serving)))
    traffic = [Target(stable, 95), Target(candidate, 5), Target(stable, 0, "prev")]
    world.update_service(PROD, "api", START + 10, ME, traffic=traffic, method="run.v1.replaceService")
    world.update_service(PROD, "api", START + 20, ME, annotations={"note": "x"})
    first, second = world.audit(PROD, START, START + 60)
    assert (first.principal, first.method, first.service, first.at) == (ME, "run.v1.replaceService", "api", START + 10)
    assert first.summary == f"{candidate} 0 → 5 %, {stable} 100 → 95 %, tag prev → {stable}"
    assert second.summary == "annotation note = x"
    assert first.insert_id != second.insert_id
    assert world.audit(PROD, START + 10, START + 19) == ()


def test_what_does_not_exist_is_empty_or_none() -> None:
    world = World(7, START, "quiet")
    assert world.services("nowhere", START) == ()
    assert world.service(PROD, "nothing", START) is None
    assert world.revisions(PROD, "nothing", START) == ()
    assert world.series("nowhere", REQUESTS, START - 60, START) == ()
    assert world.series(PROD, "run.googleapis.com/unheard_of", START - 60, START) == ()
    assert world.usage("nowhere", START - 86400, START) == ()
    assert world.slos("nowhere") == ()
    with pytest.raises(KeyError, match="nothing"):
        world.update_service(PROD, "nothing", START, ME, labels={})


@pytest.mark.parametrize(
    ("kind", "target", "magnitude", "complaint"),
    [
        ("meteor", PROD, 1.0, "slow-database"),
        ("latency", "elsewhere/api", 2.0, "br-dev-4821"),
        ("latency", f"{PROD}/apii", 2.0, "apii"),
        ("stuck-worker", f"{PROD}/worker-extract", 1.0, "cron, extract, import"),
        ("slow-database", f"{PROD}/api", 2.0, "a project alone"),
        ("latency", f"{PROD}/api", -1.0, "negative"),
    ],
)
def test_a_fault_that_names_nothing_is_refused_with_what_there_is(
    kind: str, target: str, magnitude: float, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        World(7, START, "quiet").set_fault(START, kind, target, magnitude)


def test_a_large_fleet_has_as_many_services_and_revisions_as_asked_for() -> None:
    world = World(7, START, "quiet", services=40)
    for project in world.projects:
        services = world.services(project.id, START)
        assert len(services) == 40
        assert [service.name for service in services] == sorted(service.name for service in services)
        assert {"api", "svc-001", "svc-035"} <= {service.name for service in services}
        assert len({service.labels["owner"] for service in services}) > 3
    revisions = world.revisions(PROD, None, START)
    assert len([each for each in revisions if each.service == "svc-010"]) == 30
    assert [each.created for each in revisions] == sorted((each.created for each in revisions), reverse=True)
    assert len({each.name for each in revisions}) == len(revisions)
    counted = {each.resource_labels["service_name"] for each in world.series(PROD, REQUESTS, START - 600, START)}
    assert len(counted) == 37
    operation = world.update_service(PROD, "svc-001", START + 1, ME, labels={"mine": "yes"})
    changed = world.service(PROD, "svc-001", operation.done_at)
    assert changed is not None
    assert changed.labels == {"mine": "yes"}


def test_fewer_services_than_five_are_still_the_five() -> None:
    assert len(World(7, START, "quiet", services=3).services(PROD, START)) == 5


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("start", [START, 1770000000.0, 1796083201.0])
def test_any_scenario_at_any_start_has_a_history_in_which_every_write_succeeded(scenario: str, start: float) -> None:
    world = World(11, start, scenario)
    for project in world.projects:
        for service in world.services(project.id, start):
            assert service.terminal.state == "succeeded"
            assert service.observed_generation == service.generation
            assert not service.reconciling
            assert sum(target.percent for target in service.serving) == 100
