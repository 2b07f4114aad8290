"""What can be wrong with the world itself: ordered events with a beginning and perhaps an end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

KINDS = ("error-rate", "latency", "crash", "slow-database", "stuck-worker", "queue-flood")
"""
- `error-rate`: a further share (0…1) of the requests fails with 5xx; for a worker, of the jobs. Target PROJECT/SERVICE
  or PROJECT/REVISION.
- `latency`: latencies times the magnitude. Target as above.
- `crash`: PROJECT/REVISION stops being ready once it takes traffic, and answers 503; of PROJECT/SERVICE, revisions
  made meanwhile never get ready.
- `slow-database`: latencies of every service and runtimes of every job of PROJECT times the magnitude.
- `stuck-worker`: the queue PROJECT/QUEUE loses that share (0…1) of its workers' throughput.
- `queue-flood`: that many further jobs a minute arrive in PROJECT/QUEUE.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `until` is infinite where nobody has set an end."""

    at: float
    kind: str
    target: str
    magnitude: float
    until: float = math.inf


class Behaviour(NamedTuple):
    """How a revision behaves at a moment beyond its nature."""

    error_ratio: float = 0.0
    slowness: float = 1.0
    down: bool = False


WELL = Behaviour()


class Faults:
    """All faults of a world, in the order of their beginning."""

    def __init__(self) -> None:
        self._by_target: dict[str, list[Fault]] = {}

    def add(self, fault: Fault) -> None:
        """Append a fault; one of the same kind and target that is still open ends where the new one begins."""
        same = self._by_target.setdefault(fault.target, [])
        for index, other in enumerate(same):
            if other.kind == fault.kind and other.at < fault.at < other.until:
                same[index] = Fault(other.at, other.kind, other.target, other.magnitude, fault.at)
        same.append(fault)
        same.sort(key=lambda each: (each.at, each.kind, each.magnitude, each.until))

    def of(self, kind: str, *targets: str) -> list[Fault]:
        """The faults of a kind that bear on any of the targets."""
        return [fault for target in targets for fault in self._by_target.get(target, ()) if fault.kind == kind]

    def magnitudes(self, kind: str, at: float, *targets: str) -> list[float]:
        """The magnitudes in force at a moment."""
        return [fault.magnitude for fault in self.of(kind, *targets) if fault.at <= at < fault.until]

    def edges(self, start: float, end: float, *targets: str) -> list[float]:
        """The moments in (start, end) at which a fault of the targets begins or ends."""
        moments = {
            moment
            for target in targets
            for fault in self._by_target.get(target, ())
            for moment in (fault.at, fault.until)
        }
        return sorted(moment for moment in moments if start < moment < end)

    def behaviour(self, at: float, down: bool, project: str, *names: str) -> Behaviour:
        """What the faults of a project, a service and a revision make of the revision."""
        targets = tuple(f"{project}/{name}" for name in names)
        if not down and not any(target in self._by_target for target in (project, *targets)):
            return WELL
        error_ratio = min(1.0, sum(self.magnitudes("error-rate", at, *targets)))
        slowness = math.prod(self.magnitudes("latency", at, *targets) + self.magnitudes("slow-database", at, project))
        return Behaviour(error_ratio, slowness, down)
