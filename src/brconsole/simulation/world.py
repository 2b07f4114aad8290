"""The simulated ByteReview: one deterministic answer for every moment.

The interface that the emulator stands on. `World(seed, start, scenario, services)` is a pure function of its arguments
and of the events applied to it, in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

from brconsole.simulation import audit, catalogue, metrics, scenarios
from brconsole.simulation import slo as objectives
from brconsole.simulation.catalogue import PROD, ServiceSpec
from brconsole.simulation.demand import HOUR
from brconsole.simulation.faults import KINDS, Fault, Faults
from brconsole.simulation.instances import InstanceModel
from brconsole.simulation.metrics import Sources
from brconsole.simulation.model import (
    AuditEntry,
    Operation,
    Project,
    RawSeries,
    Revision,
    Service,
    Slo,
    Target,
    Template,
    UsageRow,
)
from brconsole.simulation.platform import Platform
from brconsole.simulation.queues import QueueModel, QueueSpec
from brconsole.simulation.queues import specs as queue_specs
from brconsole.simulation.requests import RequestSource
from brconsole.simulation.scenarios import DEFAULT_START
from brconsole.simulation.spend import Spend
from brconsole.simulation.stages import Edit, Stage, Write
from brconsole.simulation.timeline import UPDATE, Timeline

__all__ = ["DEFAULT_START", "SCENARIOS", "UnknownRevision", "World"]

SCENARIOS = scenarios.NAMES
"""What a world can be asked to be; see `scenarios`."""

_DAY = 86400.0
_CORE_HOURS_KEPT = 24 * 33
_FILLER_HOURS_KEPT = 26
_FILLER_REVISIONS = 30


class UnknownRevision(Exception):  # noqa: N818 - the name of the refusal, not of a defect
    """A traffic target names a revision that does not exist."""


class World:
    """ByteReview in three projects."""

    projects: tuple[Project, ...]

    def __init__(self, seed: int, start: float, scenario: str, services: int | None = None) -> None:
        """`services` grows each project's fleet to that many; None, and any number up to five, is ByteReview's own
        five.

        A scenario that is not one of SCENARIOS raises ValueError.
        """
        if scenario not in SCENARIOS:
            raise ValueError(f"scenario '{scenario}' is unknown; there are {', '.join(SCENARIOS)}")
        self.seed = seed
        self.start = start
        self.scenario = scenario
        self.projects = catalogue.PROJECTS
        self._faults = Faults()
        self._spend = Spend(seed)
        self._writes = 0
        self._colleagues = 0
        self._reached = start
        for fault in scenarios.incidents(start):
            self._faults.add(fault)
        self._timelines: dict[str, dict[str, Timeline]] = {}
        self._sources: dict[str, Sources] = {}
        for project in self.projects:
            fillers = catalogue.fillers(seed, project.environment, services or 0)
            timelines = [self._core(project, spec) for spec in catalogue.core_services(project.environment)]
            timelines += [self._filler(project, spec) for spec in fillers]
            self._timelines[project.id] = {
                each.spec.name: each for each in sorted(timelines, key=lambda each: each.spec.name)
            }
            self._sources[project.id] = self._wire(project)
        self._add_candidate()

    # ----------------------------------------------------------------------------------------------------- building

    def _core(self, project: Project, spec: ServiceSpec) -> Timeline:
        told = scenarios.story(project, spec.name)
        timeline = Timeline(
            self.seed,
            project,
            spec,
            self._faults,
            creator=scenarios.deployer(project),
            revisions=[(told.first_number, self.start - spec.created_days * _DAY)],
            traffic=scenarios.first_traffic(project, spec.name),
            labels={"owner": spec.owner, "role": spec.role, "environment": project.environment},
        )
        for write in scenarios.history(self.seed, self.start, project, spec):
            timeline.insert(write)
        return timeline

    def _filler(self, project: Project, spec: ServiceSpec) -> Timeline:
        age = spec.created_days * _DAY
        return Timeline(
            self.seed,
            project,
            spec,
            self._faults,
            creator=scenarios.deployer(project),
            revisions=[
                (number, self.start - age * (_FILLER_REVISIONS + 1 - number) / _FILLER_REVISIONS)
                for number in range(1, _FILLER_REVISIONS + 1)
            ],
            traffic=lambda names: (Target(names[-1], 100), Target(names[-2], 0, "prev")),
            labels={"owner": spec.owner, "role": spec.role, "environment": project.environment},
        )

    def _wire(self, project: Project) -> Sources:
        requests = []
        instances = []
        queues = []
        specs = {spec.name: spec for spec in queue_specs(project.environment)}
        for timeline in self._timelines[project.id].values():
            spec = timeline.spec
            core = spec.created_days > 60
            if spec.profile is not None:
                source = RequestSource(
                    self.seed,
                    timeline,
                    spec.profile,
                    hours_kept=_CORE_HOURS_KEPT if core else _FILLER_HOURS_KEPT,
                    detailed_kept=10 if core else 3,
                )
                requests.append(source)
                instances.append(InstanceModel(self.seed, timeline, source.demand, None, 80 if core else 3))
            if spec.queue is not None:
                queue = self._queue(project, timeline, specs[spec.queue])
                queues.append(queue)
                instances.append(InstanceModel(self.seed, timeline, None, _workers(queue), 80))
        return Sources(project, tuple(requests), tuple(instances), tuple(queues), Platform(self.seed, project))

    def _queue(self, project: Project, timeline: Timeline, spec: QueueSpec) -> QueueModel:
        extra = scenarios.queue_extra(self.scenario, self.start, project, spec.name)
        return QueueModel(self.seed, self.start, timeline, spec, self._faults, extra)

    def _add_candidate(self) -> None:
        timeline = self._timelines[PROD.id]["api"]
        for write in scenarios.candidate(self.scenario, self.start, timeline.spec):
            timeline.insert(write)
        for fault in scenarios.candidate_faults(self.scenario, self.start, timeline.stages()[-1].latest_created):
            self._faults.add(fault)

    # ------------------------------------------------------------------------------------------------------- events

    def _reach(self, moment: float) -> None:
        """Let happen what happens by itself up to a moment."""
        if moment <= self._reached:
            return
        self._reached = moment
        for (project, service), write in scenarios.colleagues(
            self.seed, self.scenario, self.start, moment, self._colleagues
        ):
            self._colleagues += 1
            self._timelines[project][service].insert(write)

    def _timeline(self, project: str, service: str) -> Timeline:
        found = self._timelines.get(project, {}).get(service)
        if found is None:
            raise KeyError(f"service '{service}' does not exist in project '{project}'")
        return found

    def update_service(
        self,
        project: str,
        name: str,
        at: float,
        actor: str,
        *,
        traffic: Sequence[Target] | None = None,
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        template: Template | None = None,
        method: str = UPDATE,
    ) -> Operation:
        """Append a write. None leaves a part as it is; a template that differs mints a revision.

        Reconciling takes seconds and can fail; the split that serves then stays where it was. The caller has validated
        sums and tags. A revision that does not exist raises UnknownRevision, a service KeyError.
        """
        self._reach(at)
        timeline = self._timeline(project, name)
        for target in traffic or ():
            if target.revision is not None and not timeline.knows(target.revision, at):
                raise UnknownRevision(target.revision)
        self._writes += 1
        operation_id = catalogue.uid(self.seed, "operation", self._writes)
        edit = Edit(
            None if traffic is None else tuple(traffic),
            None if annotations is None else dict(annotations),
            None if labels is None else dict(labels),
            template,
        )
        timeline.insert(Write(at, (1, self._writes), actor, method, _always(edit), operation_id))
        operation = timeline.operation(operation_id)
        if operation is None:
            raise AssertionError(f"the write {operation_id} was not folded")
        return operation

    def operation(self, project: str, operation_id: str) -> Operation | None:
        """A long-running operation by its id."""
        for timeline in self._timelines.get(project, {}).values():
            found = timeline.operation(operation_id)
            if found is not None:
                return found
        return None

    def set_fault(self, at: float, kind: str, target: str, magnitude: float, until: float | None = None) -> None:
        """Append a fault of the world itself; `faults.KINDS` says what there is and how targets are named.

        A fault replaces an earlier one of its kind and target from then on; magnitude 0 (1 for factors) ends it.
        An unknown kind or project raises ValueError.
        """
        if kind not in KINDS:
            raise ValueError(f"fault '{kind}' is unknown; there are {', '.join(KINDS)}")
        project, _, name = target.partition("/")
        if project not in self._timelines:
            raise ValueError(f"fault target '{target}' names no project; there are {', '.join(self._timelines)}")
        if magnitude < 0:
            raise ValueError(f"magnitude {magnitude} of fault '{kind}' is negative")
        self._check_target(kind, project, name, at)
        self._reach(at)
        self._faults.add(Fault(at, kind, target, magnitude, math.inf if until is None else until))
        for timeline in self._timelines[project].values():
            timeline.faults_changed(at)

    def _check_target(self, kind: str, project: str, name: str, at: float) -> None:
        timelines = self._timelines[project]
        if kind == "slow-database":
            known = not name
            wanted = "a project alone"
        elif kind in ("stuck-worker", "queue-flood"):
            queues = [queue.spec.name for queue in self._sources[project].queues]
            known = name in queues
            wanted = f"PROJECT/QUEUE with one of {', '.join(queues)}"
        else:
            known = name in timelines or any(each.knows(name, at) for each in timelines.values())
            wanted = "PROJECT/SERVICE or PROJECT/REVISION that exists"
        if not known:
            raise ValueError(f"fault '{kind}' needs as its target {wanted}, not '{project}/{name}'")

    # --------------------------------------------------------------------------------------------------------- fleet

    def services(self, project: str, at: float) -> tuple[Service, ...]:
        """The services of a project at a moment, by name."""
        self._reach(at)
        found = (timeline.service(at) for timeline in self._timelines.get(project, {}).values())
        return tuple(service for service in found if service is not None)

    def service(self, project: str, name: str, at: float) -> Service | None:
        """One service at a moment, None where there is none."""
        self._reach(at)
        timeline = self._timelines.get(project, {}).get(name)
        return None if timeline is None else timeline.service(at)

    def revisions(self, project: str, service: str | None, at: float) -> tuple[Revision, ...]:
        """The revisions of a service (None: of all services), newest first."""
        self._reach(at)
        timelines = self._timelines.get(project, {})
        if service is not None:
            return timelines[service].revisions(at) if service in timelines else ()
        found = [revision for timeline in timelines.values() for revision in timeline.revisions(at)]
        found.sort(key=attrgetter("created"), reverse=True)
        return tuple(found)

    # ------------------------------------------------------------------------------------------------------- figures

    def metric_types(self) -> Mapping[str, tuple[str, str, str]]:
        """The metric types written: kind, value type, resource type."""
        return {name: (each.kind, each.value_type, each.resource_type) for name, each in metrics.TYPES.items()}

    def series(self, project: str, metric: str, start: float, end: float, step_s: int = 60) -> tuple[RawSeries, ...]:
        """Everything written for a metric type with points ending in (start, end], at `step_s` 60 or 3600.

        3600 gives the exact sums of the minutes (of counts and histograms) or the last sample (of gauges). No lag here:
        the emulator hides what is younger than the metric's delay. An interval without a request, a start or a call
        has no point.
        """
        sources = self._sources.get(project)
        if sources is None or metric not in metrics.TYPES:
            return ()
        self._reach(_whole_hour(end))
        return metrics.collect(sources, metric, start, end, step_s)

    def slos(self, project: str) -> tuple[Slo, ...]:
        """The SLOs of a project."""
        return objectives.objectives(catalogue.BY_ID[project]) if project in catalogue.BY_ID else ()

    def slo_counts(self, slo: Slo, start: float, end: float, step_s: int) -> tuple[tuple[float, int, int], ...]:
        """(interval end, good, bad) over (start, end], oldest first, in steps of 60 or 3600 s; agrees with `series`."""
        self._reach(_whole_hour(end))
        source = next(each for each in self._sources[slo.project].requests if each.timeline.spec.name == slo.service)
        return objectives.counts(slo, source, start, end, step_s)

    def audit(self, project: str, start: float, end: float) -> tuple[AuditEntry, ...]:
        """Who changed services in (start, end], oldest first."""
        self._reach(end)
        return audit.entries(self._timelines.get(project, {}).values(), start, end)

    def usage(self, project: str, start: float, end: float) -> tuple[UsageRow, ...]:
        """Billing rows whose usage starts in [start, end); the caller hides what is not exported yet."""
        return tuple(self._rows(project, start, end))

    def _rows(self, project: str, start: float, end: float) -> Iterator[UsageRow]:
        if project in catalogue.BY_ID:
            yield from self._spend.rows(catalogue.BY_ID[project], start, end)


def _whole_hour(moment: float) -> float:
    """The end of the hour in which a moment lies: hours are worked out whole."""
    return math.ceil(moment / HOUR) * HOUR


def _always(edit: Edit) -> Callable[[Stage], Edit]:
    return lambda _: edit


def _workers(queue: QueueModel) -> Callable[[float], int]:
    return lambda moment: queue.at(moment).workers
