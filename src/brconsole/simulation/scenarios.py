"""What happens by itself: every world's history, the candidate of a scenario, the colleagues of the demo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from brconsole.simulation import pipeline
from brconsole.simulation.catalogue import DEV, PROD, STAGING, ServiceSpec, template_of
from brconsole.simulation.faults import Fault
from brconsole.simulation.model import Project, Target, Template
from brconsole.simulation.noise import stream, uniform
from brconsole.simulation.queues import Extra
from brconsole.simulation.stages import Edit, Stage, Write
from brconsole.simulation.timeline import UPDATE

NAMES = ("demo", "quiet", "release-ready", "bad-5xx", "bad-latency", "bad-crash")

DEFAULT_START = 1782223200.0
"""2026-06-23T14:00:00Z, a Tuesday."""

_DAY = 86400.0
_SLOT_S = 240.0
_PEOPLE = (
    "maya.chen@bytereview.ai",
    "jonas.weber@bytereview.ai",
    "priya.nair@bytereview.ai",
    "tomas.silva@bytereview.ai",
)

Place = tuple[str, str]
"""Project id and service."""


@dataclass(frozen=True, slots=True)
class Story:
    """How a service came to be as it is when the world starts."""

    first_number: int
    releases: tuple[float, ...]
    """Days before the start, oldest first; each makes a revision and gives it all traffic."""
    canaried: bool


def deployer(project: Project) -> str:
    """The pipeline's service account."""
    return f"ci-deployer@{project.id}.iam.gserviceaccount.com"


_PROD_STORIES = {
    "api": Story(30, (66, 59, 53, 47, 41, 35, 26.9, 20.0, 13.1, 6.05, 2.1), canaried=True),
    "frontend": Story(17, (61, 45, 33, 19.1, 5.05), canaried=True),
    "worker-extract": Story(9, (52, 27.05, 8.1), canaried=False),
    "worker-import": Story(6, (49, 13.05), canaried=False),
    "worker-cron": Story(3, (40.05,), canaried=False),
}


def story(project: Project, service: str) -> Story:
    """The history of one of the five services."""
    prod = _PROD_STORIES[service]
    if project.environment == "prod":
        return prod
    earlier = 1.2 if project.environment == "staging" else 2.4
    further = (4.1, 1.2) if project.environment == "dev" else (1.1,)
    releases = tuple(days + earlier for days in prod.releases) + further
    return Story(prod.first_number, tuple(sorted(set(releases), reverse=True)), canaried=False)


def first_traffic(project: Project, service: str) -> Callable[[Sequence[str]], tuple[Target, ...]]:
    """The split that a service starts its life with. LATEST carries traffic in dev only."""

    def traffic(names: Sequence[str]) -> tuple[Target, ...]:
        if project.environment == "dev" and service != "api":
            return (Target(None, 100),)
        return (Target(names[-1], 100),)

    return traffic


# ------------------------------------------------------------------------------------------------------------- history


def history(seed: int, start: float, project: Project, spec: ServiceSpec) -> Iterator[Write]:
    """The releases of one of the five services before the start."""
    told = story(project, spec.name)
    actor = deployer(project)
    key = stream(seed, "history", project.id, spec.name)
    for index, days in enumerate(told.releases):
        at = start - days * _DAY + 5400 * (uniform(key, index) - 0.5)
        number = told.first_number + 1 + index
        yield _write(at, (0, 10 * index), actor, _deploy(template_of(project.id, spec, number)))
        if any(target.revision is None for target in first_traffic(project, spec.name)([""])):
            continue
        if told.canaried:
            yield _write(at + 600, (0, 10 * index + 1), actor, _canary(5))
            yield _write(at + 1500, (0, 10 * index + 2), actor, _canary(50))
            yield _write(at + 2400, (0, 10 * index + 3), actor, _promote)
        else:
            yield _write(at + 300, (0, 10 * index + 1), actor, _promote)


def incidents(start: float, api: Project = PROD) -> Iterator[Fault]:
    """What went wrong in the last 30 days, and cost a part of the error budget."""
    yield Fault(start - 11.3 * _DAY, "error-rate", f"{api.id}/api", 0.062, start - 11.3 * _DAY + 24 * 60)
    yield Fault(start - 18.4 * _DAY, "latency", f"{api.id}/api", 2.4, start - 18.4 * _DAY + 70 * 60)
    yield Fault(start - 22.2 * _DAY, "error-rate", f"{api.id}/frontend", 0.03, start - 22.2 * _DAY + 15 * 60)
    yield Fault(start - 9.2 * _DAY, "error-rate", f"{STAGING.id}/api", 0.05, start - 9.2 * _DAY + 30 * 60)


# ----------------------------------------------------------------------------------------------------------- candidate


def candidate(scenario: str, start: float, spec: ServiceSpec) -> Iterator[Write]:
    """The candidate of `api` in prod, and what traffic it has at the start."""
    if scenario == "quiet":
        return
    told = story(PROD, "api")
    number = told.first_number + len(told.releases) + 1
    actor = deployer(PROD)
    yield _write(start - 35 * 60, (0, 1000), actor, _deploy(template_of(PROD.id, spec, number)))
    if scenario == "demo":
        at = start - 6 * 60 - 5
        yield _write(at, (0, 1001), actor, _recorded_canary("api", actor, at))


def candidate_faults(scenario: str, start: float, revision: str) -> Iterator[Fault]:
    """What is wrong with the candidate."""
    wrong = {"bad-5xx": ("error-rate", 0.05), "bad-latency": ("latency", 4.0), "bad-crash": ("crash", 1.0)}.get(
        scenario
    )
    if wrong is not None:
        yield Fault(start - 40 * 60, wrong[0], f"{PROD.id}/{revision}", wrong[1])


# ---------------------------------------------------------------------------------------------------------- colleagues


def colleagues(seed: int, scenario: str, start: float, upto: float, done: int) -> Iterator[tuple[Place, Write]]:
    """The changes by somebody else up to a moment, from the `done`th on: in the demo one every two to six minutes."""
    if scenario != "demo":
        return
    key = stream(seed, "colleagues")
    slot = done
    while True:
        at = start + _SLOT_S * slot + 60.0 + 120.0 * uniform(key, 4 * slot)
        if at > upto:
            return
        yield _change(key, slot, at)
        slot += 1


def _change(key: bytes, slot: int, at: float) -> tuple[Place, Write]:
    what = uniform(key, 4 * slot + 1)
    where = uniform(key, 4 * slot + 2)
    who = _PEOPLE[int(uniform(key, 4 * slot + 3) * len(_PEOPLE))]
    order = (0, 2000 + slot)
    if what < 0.35:
        services = ("api", "frontend", "worker-extract", "worker-import")
        project = STAGING if where < 0.5 else DEV
        service = services[int(where * 8) % len(services)]
        return (project.id, service), _write(at, order, deployer(project), _rebuild(f"c{slot}"))
    if what < 0.65:
        return (DEV.id, "api"), _write(at, order, who, _tweak((10, 20, 50)[int(where * 3)]))
    project = (DEV, STAGING, PROD, PROD)[int(where * 4)]
    service = ("frontend", "worker-cron", "worker-import")[int(where * 12) % 3]
    return (project.id, service), _write(at, order, who, _relabel("reviewed", f"r{1000 + slot}"))


# --------------------------------------------------------------------------------------------------------------- edits


def _write(at: float, order: tuple[int, int], actor: str, edit: Callable[[Stage], Edit]) -> Write:
    return Write(at, order, actor, UPDATE, edit, "")


def _deploy(template: Template) -> Callable[[Stage], Edit]:
    return lambda _: Edit(template=template)


def _rebuild(mark: str) -> Callable[[Stage], Edit]:
    """Deploy what runs, built again, without traffic: pinned where LATEST would give it some."""

    def edit(stage: Stage) -> Edit:
        template = replace(stage.template, env={**stage.template.env, "BUILD": mark})
        return Edit(traffic=_pinned(stage), template=template)

    return edit


def _tweak(percent: int) -> Callable[[Stage], Edit]:
    """Compare two revisions on a part of the traffic, or end a comparison in favour of the newest."""

    def edit(stage: Stage) -> Edit:
        newest = stage.latest_ready
        arms = [name for name, _ in stage.split]
        if len(arms) > 1:
            other = next(name for name in arms if name != newest)
            return Edit(traffic=(Target(newest, 100), Target(other, 0, "prev")))
        previous = next((target.revision for target in stage.traffic if target.tag == "prev"), None)
        other = newest if arms[0] != newest else previous or newest
        return Edit(traffic=(Target(arms[0], 100 - percent), Target(other, percent), *_tagged(stage)))

    return edit


def _relabel(key: str, value: str) -> Callable[[Stage], Edit]:
    return lambda stage: Edit(labels={**stage.labels, key: value})


def _pinned(stage: Stage) -> tuple[Target, ...]:
    return tuple(
        Target(stage.latest_ready, target.percent, target.tag) if target.revision is None else target
        for target in stage.traffic
    )


def _tagged(stage: Stage) -> tuple[Target, ...]:
    return tuple(target for target in stage.traffic if target.tag)


def _canary(percent: int) -> Callable[[Stage], Edit]:
    """Give the newest revision a part of the traffic of the others."""

    def edit(stage: Stage) -> Edit:
        new = stage.latest_ready
        stable = max((part for part in stage.split if part[0] != new), key=lambda part: (part[1], part[0]))[0]
        return Edit(traffic=(Target(stable, 100 - percent), Target(new, percent), *_tagged(stage)))

    return edit


def _recorded_canary(service: str, actor: str, at: float) -> Callable[[Stage], Edit]:
    """Give the newest revision the first step of a release, with its record and the tags of both ways."""

    def edit(stage: Stage) -> Edit:
        canary = stage.latest_ready
        stable = max((part for part in stage.split if part[0] != canary), key=lambda part: (part[1], part[0]))[0]
        percent = pipeline.STEPS[0][0]
        text = pipeline.record(service, stable, canary, stage.template.digest, actor, at)
        return Edit(
            traffic=(
                Target(stable, 100 - percent),
                Target(canary, percent),
                Target(stable, 0, "prev"),
                Target(canary, 0, "canary"),
            ),
            annotations={**stage.annotations, pipeline.RECORD: text},
        )

    return edit


def _promote(stage: Stage) -> Edit:
    """Give the newest revision everything, and tag the one before it so that it stays within reach."""
    new = stage.latest_ready
    previous = max((part for part in stage.split if part[0] != new), key=lambda part: (part[1], part[0]))[0]
    return Edit(traffic=(Target(new, 100), Target(previous, 0, "prev")))


# -------------------------------------------------------------------------------------------------------------- queues

_BURST_PERIOD_S = 75 * 60
_BURST_S = 20 * 60
_BURST_BEFORE_START_S = 11 * 60
_LOAD_TEST_PERIOD_S = 9 * 60
_LOAD_TEST_DONE_PER_MIN = 330
"""What staging's two workers take out of the queue in the minute that the generator fills."""
_LOAD_TEST_BEFORE_START_S = 6 * 60


def queue_extra(scenario: str, start: float, project: Project, queue: str) -> Extra | None:
    """The batches of the demo: customers' batches in prod's extract queue, a load test on staging's import queue."""
    if scenario != "demo":
        return None
    if (project, queue) == (PROD, "extract"):
        return lambda at, _: _batch(start, at)
    if (project, queue) == (STAGING, "import"):
        return lambda at, depth: _load_test(start, at, depth)
    return None


def _batch(start: float, at: float) -> int:
    """A customer's batch: 20 minutes in which more arrives than the workers can do."""
    hour = at % _DAY / 3600
    if not 6 <= hour < 23:
        return 0
    phase = (at - (start - _BURST_BEFORE_START_S)) % _BURST_PERIOD_S
    return 690 if phase < _BURST_S else 0


def _load_test(start: float, at: float, depth: int) -> int:
    """A load generator that keeps the queue near 10,000: above for six and a half minutes, below for two and a half."""
    phase = (at + 60 - (start - _LOAD_TEST_BEFORE_START_S)) % _LOAD_TEST_PERIOD_S
    wave = math.sin(math.pi * phase / 390) if phase < 390 else -math.sin(math.pi * (phase - 390) / 150)
    if at < start - 3 * 3600:
        return 0
    return max(0, round(10_000 + _LOAD_TEST_DONE_PER_MIN + 620 * wave) - depth)
