"""The life of one service: its writes in order of time, folded into stages that any moment can be read from.

A write is desired at once and lands when reconciling ends. Stages are immutable, and a new write only cuts off
those that come after it, so nothing that was answered about an earlier moment can change.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from brconsole.simulation import conditions
from brconsole.simulation.catalogue import ServiceSpec, revision_name, template_of, uid
from brconsole.simulation.faults import Behaviour, Faults
from brconsole.simulation.model import Operation, Project, Revision, Service, Target, Template
from brconsole.simulation.noise import hexadecimal, stream, uniform
from brconsole.simulation.stages import Piece, Stage, Write, resolve

UPDATE = "google.cloud.run.v2.Services.UpdateService"
CREATE = "google.cloud.run.v2.Services.CreateService"

_CRASH_AFTER_S = 8.0
"""A revision with a crash fault serves this long before its instances give up."""


@dataclass(frozen=True, slots=True)
class _Record:
    name: str
    uid: str
    created: float
    ready_at: float
    template: Template


class Timeline:
    """One service over time."""

    def __init__(
        self,
        seed: int,
        project: Project,
        spec: ServiceSpec,
        faults: Faults,
        *,
        creator: str,
        revisions: Sequence[tuple[int, float]],
        traffic: Callable[[Sequence[str]], tuple[Target, ...]],
        labels: Mapping[str, str],
    ) -> None:
        """`revisions` exist at first: number and time of creation, oldest first; `traffic` gets their names."""
        self.project = project
        self.spec = spec
        self._seed = seed
        self._faults = faults
        self._creator = creator
        self._writes: list[Write] = []
        self._listeners: list[Callable[[float], None]] = []
        self._key = stream(seed, "service", project.id, spec.name)
        self._uid = uid(seed, project.id, spec.name)
        self._first_number = revisions[0][0]
        self._created = revisions[0][1]
        self._revision_labels = {"owner": spec.owner, "role": spec.role}
        self._uri = f"https://{spec.name}-{hexadecimal(10, 'uri', seed, project.id)}-uc.a.run.app"
        self._records = [
            self._record(number, created, template_of(project.id, spec, number)) for number, created in revisions
        ]
        names = [record.name for record in self._records]
        first = self._records[-1]
        wanted = traffic(names)
        self._stages = [
            Stage(
                at=first.created,
                actor=creator,
                method=CREATE,
                operation_id="",
                generation=len(names),
                template=first.template,
                traffic=wanted,
                labels=dict(labels),
                annotations={},
                landed=first.ready_at,
                error=None,
                error_reason=None,
                observed_generation=len(names),
                serving=wanted,
                split=resolve(wanted, first.name),
                latest_created=first.name,
                latest_ready=first.name,
                minted=first.name,
                revision_count=len(names),
            )
        ]
        self._folded = 0
        self._view: tuple[tuple[int, int], Service] | None = None
        self._settled: tuple[float, tuple[Revision, ...]] | None = None

    # ------------------------------------------------------------------------------------------------------- events

    def on_change(self, listener: Callable[[float], None]) -> None:
        """Have `listener(at)` called whenever answers about moments after `at` may have changed."""
        self._listeners.append(listener)

    def insert(self, write: Write) -> None:
        """Put a write in its place in time; what came after it is folded anew."""
        place = bisect_right(self._writes, (write.at, write.order), key=lambda each: (each.at, each.order))
        self._writes.insert(place, write)
        if place < self._folded:
            self._cut(place)
        self._changed(write.at)

    def faults_changed(self, at: float) -> None:
        """Fold again what faults from `at` on bear on.

        A landing before `at` knew nothing of them, so it stays as it was.
        """
        place = 0
        self._fold()
        while place < self._folded and self._stages[place + 1].landed < at:
            place += 1
        self._cut(place)
        self._stages[place] = self._with_crashes(self._stages[place])
        self._changed(at)

    def _cut(self, place: int) -> None:
        del self._stages[place + 1 :]
        del self._records[self._stages[place].revision_count :]
        self._folded = place

    def _changed(self, at: float) -> None:
        self._view = None
        self._settled = None
        for listener in self._listeners:
            listener(at)

    # --------------------------------------------------------------------------------------------------------- fold

    def _fold(self) -> list[Stage]:
        while self._folded < len(self._writes):
            write = self._writes[self._folded]
            self._stages.append(self._next(self._stages[-1], write))
            self._folded += 1
        return self._stages

    def _next(self, before: Stage, write: Write) -> Stage:
        edit = write.edit(before)
        traffic = before.traffic if edit.traffic is None else edit.traffic
        template = before.template if edit.template is None else edit.template
        generation = before.generation + 1
        pace = uniform(self._key, generation)
        landed = write.at + 2.0 + 4.0 * pace
        minted = None
        latest_ready = before.latest_ready
        error = reason = None
        if template != before.template:
            record = self._mint(write.at, template)
            minted = record.name
            if math.isinf(record.ready_at):
                landed = write.at + 12.0 + 6.0 * pace
                error = f"{conditions.not_ready(minted)} {conditions.BOOT_FAILURE}"
                reason = "HEALTH_CHECK_CONTAINER_ERROR"
            else:
                landed = record.ready_at
                latest_ready = minted
        landed = max(landed, before.landed + 0.25)
        down = {name: window for name, window in before.down.items() if window[0] < landed < window[1]}
        split = resolve(traffic, latest_ready)
        blocked = next((name for name, _ in split if not self._is_ready(name, landed, down)), None)
        if blocked is not None:
            error = error or conditions.not_ready(blocked)
            reason = reason or "HEALTH_CHECK_CONTAINER_ERROR"
        serving = traffic if blocked is None else before.serving
        return self._with_crashes(
            Stage(
                at=write.at,
                actor=write.actor,
                method=write.method,
                operation_id=write.operation_id,
                generation=generation,
                template=template,
                traffic=traffic,
                labels=before.labels if edit.labels is None else dict(edit.labels),
                annotations=before.annotations if edit.annotations is None else dict(edit.annotations),
                landed=landed,
                error=error,
                error_reason=reason,
                # After a failure this stays that of the last serving state (proto comment of `Service.reconciling`).
                observed_generation=before.observed_generation if error else generation,
                serving=serving,
                split=split if blocked is None else resolve(serving, latest_ready),
                latest_created=minted or before.latest_created,
                latest_ready=latest_ready,
                minted=minted,
                revision_count=len(self._records),
                down=down,
            )
        )

    def _mint(self, at: float, template: Template) -> _Record:
        number = self._first_number + len(self._records)
        broken = any(self._faults.magnitudes("crash", at, f"{self.project.id}/{self.spec.name}"))
        record = self._record(number, at, template, broken=broken)
        self._records.append(record)
        return record

    def _record(self, number: int, created: float, template: Template, *, broken: bool = False) -> _Record:
        return _Record(
            name=revision_name(self._seed, self.project.id, self.spec.name, number),
            uid=f"{self._uid[:24]}{number:012x}",
            created=created,
            ready_at=math.inf if broken else created + self._boot_s(number),
            template=template,
        )

    def _boot_s(self, number: int) -> float:
        return 5.0 + 10.0 * uniform(self._key, -number)

    def _is_ready(self, name: str, at: float, down: Mapping[str, tuple[float, float]]) -> bool:
        if name in down:
            return False
        return any(record.name == name and record.ready_at <= at for record in reversed(self._records))

    def _with_crashes(self, stage: Stage) -> Stage:
        """The stage with the moments at which crash faults take down what it serves; what was down stays down."""
        down: dict[str, tuple[float, float]] = {}
        for name in {*stage.down, *(name for name, _ in stage.split)}:
            for fault in self._faults.of("crash", f"{self.project.id}/{name}"):
                carried = stage.down.get(name)
                onset = max(stage.landed, fault.at) + _CRASH_AFTER_S
                if carried is not None and fault.at < carried[0]:
                    onset = min(onset, carried[0])
                if fault.magnitude > 0 and onset < fault.until:
                    down[name] = (onset, fault.until)
        return stage if down == stage.down else replace(stage, down=down)

    # --------------------------------------------------------------------------------------------------------- read

    def stages(self) -> Sequence[Stage]:
        """Every stage, oldest first; the first is the service as it was created."""
        return self._fold()

    def stage(self, at: float) -> Stage | None:
        """The newest write at or before a moment."""
        stages = self._fold()
        place = bisect_right(stages, at, key=lambda each: each.at) - 1
        return stages[place] if place >= 0 else None

    def landed(self, at: float) -> Stage | None:
        """The newest write that has landed at a moment."""
        stages = self._fold()
        place = bisect_right(stages, at, key=lambda each: each.landed) - 1
        return stages[place] if place >= 0 else None

    def operation(self, operation_id: str) -> Operation | None:
        """The long-running operation of a write."""
        for stage in reversed(self._fold()):
            if stage.operation_id == operation_id:
                return Operation(operation_id, self.project.id, self.spec.name, stage.at, stage.landed, stage.error)
        return None

    def knows(self, revision: str, at: float) -> bool:
        """Whether a revision of that name exists at a moment."""
        self._fold()
        return any(record.name == revision and record.created <= at for record in self._records)

    def service(self, at: float) -> Service | None:
        """The service as it stands."""
        stages = self._fold()
        wanted = bisect_right(stages, at, key=lambda each: each.at) - 1
        if wanted < 0:
            return None
        seen = bisect_right(stages, at, key=lambda each: each.landed) - 1
        if self._view is not None and self._view[0] == (wanted, seen):
            return self._view[1]
        service = self._compose(stages[wanted], stages[seen] if seen >= 0 else None)
        self._view = ((wanted, seen), service)
        return service

    def _compose(self, stage: Stage, landed: Stage | None) -> Service:
        reconciling = landed is not stage
        terminal = conditions.terminal(stage, reconciling)
        return Service(
            project=self.project.id,
            name=self.spec.name,
            uid=self._uid,
            created=self._created,
            updated=stage.at,
            creator=self._creator,
            last_modifier=stage.actor,
            generation=stage.generation,
            observed_generation=landed.observed_generation if landed else 0,
            reconciling=reconciling,
            etag=f'"{hexadecimal(20, "etag", self._uid, stage.generation)}/{stage.generation}"',
            template=stage.template,
            traffic=stage.traffic,
            serving=landed.serving if landed else (),
            latest_ready=landed.latest_ready if landed else None,
            latest_created=stage.latest_created,
            terminal=terminal,
            conditions=(terminal, *conditions.parts(stage, reconciling)),
            uri=self._uri,
            labels=stage.labels,
            annotations=stage.annotations,
        )

    def revisions(self, at: float) -> tuple[Revision, ...]:
        """The revisions that exist, newest first."""
        stages = self._fold()
        last = stages[-1]
        if self._settled is not None and at >= self._settled[0]:
            return self._settled[1]
        landed = self.landed(at)
        down = landed.down if landed else {}
        found = tuple(
            self._revision(record, at, down.get(record.name), landed)
            for record in reversed(self._records)
            if record.created <= at
        )
        if at >= last.landed and not last.down:
            self._settled = (at, found)
        return found

    def _revision(self, record: _Record, at: float, down: tuple[float, float] | None, landed: Stage | None) -> Revision:
        if down is not None and down[0] <= at < down[1]:
            state = conditions.failed(conditions.CRASH_FAILURE, down[0])
        elif record.ready_at <= at:
            state = conditions.ready(record.ready_at)
        elif math.isinf(record.ready_at) and self._given_up(record, landed):
            state = conditions.failed(conditions.BOOT_FAILURE, record.created + 12.0)
        else:
            state = conditions.booting(record.created)
        return Revision(
            project=self.project.id,
            service=self.spec.name,
            name=record.name,
            uid=record.uid,
            created=record.created,
            template=record.template,
            conditions=state,
            labels=self._revision_labels,
        )

    def _given_up(self, record: _Record, landed: Stage | None) -> bool:
        return landed is not None and any(
            self._records[index].name == record.name for index in range(min(landed.revision_count, len(self._records)))
        )

    # --------------------------------------------------------------------------------------------------------- load

    def pieces(self, start: float, end: float) -> list[Piece]:
        """How the service is served in [start, end): stretches without gaps, none where it does not exist yet."""
        stages = self._fold()
        first = bisect_right(stages, start, key=lambda each: each.landed) - 1
        stop = bisect_right(stages, end, key=lambda each: each.landed)
        involved = stages[max(first, 0) : stop]
        if not involved:
            return []
        names = {name for stage in involved for name, _ in stage.split}
        moments = {start, *(stage.landed for stage in involved if start < stage.landed < end)}
        moments.update(
            edge for stage in involved for window in stage.down.values() for edge in window if start < edge < end
        )
        moments.update(
            self._faults.edges(
                start, end, self.project.id, *(f"{self.project.id}/{name}" for name in (self.spec.name, *names))
            )
        )
        pieces: list[Piece] = []
        cuts = [*sorted(moments), end]
        for begin, finish in pairwise(cuts):
            stage = self.landed(begin)
            if stage is None:
                continue
            mix = tuple((name, percent / 100.0, self._behaviour(name, begin, stage)) for name, percent in stage.split)
            if pieces and pieces[-1].mix == mix and pieces[-1].end == begin:
                pieces[-1] = Piece(pieces[-1].start, finish, mix)
            else:
                pieces.append(Piece(begin, finish, mix))
        return pieces

    def _behaviour(self, revision: str, at: float, stage: Stage) -> Behaviour:
        window = stage.down.get(revision)
        down = window is not None and window[0] <= at < window[1]
        return self._faults.behaviour(at, down, self.project.id, self.spec.name, revision)
