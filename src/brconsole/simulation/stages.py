"""What a service is between one write and the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from brconsole.simulation.faults import Behaviour
from brconsole.simulation.model import Target, Template

Split = tuple[tuple[str, int], ...]


class Edit(NamedTuple):
    """What a write changes; None leaves a part as it is."""

    traffic: tuple[Target, ...] | None = None
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A service between one write and the next; what has landed and what is only desired."""

    at: float
    actor: str
    method: str
    operation_id: str
    generation: int
    template: Template
    traffic: tuple[Target, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    landed: float
    error: str | None
    error_reason: str | None
    observed_generation: int
    serving: tuple[Target, ...]
    split: Split
    """`serving` with LATEST resolved, tags merged and zeros left out."""
    latest_created: str
    latest_ready: str
    minted: str | None
    revision_count: int
    down: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Revisions that stop being ready while this stage serves, and from when until when."""


@dataclass(frozen=True, slots=True)
class Write:
    """A change of a service at a moment. The edit may depend on how the service stands then."""

    at: float
    order: tuple[int, int]
    actor: str
    method: str
    edit: Callable[[Stage], Edit]
    operation_id: str


class Piece(NamedTuple):
    """A stretch of time in which a service is served alike: revision, share (0…1), behaviour."""

    start: float
    end: float
    mix: tuple[tuple[str, float, Behaviour], ...]


def resolve(traffic: Sequence[Target], latest_ready: str) -> Split:
    """Who serves how many percent; an empty list is 100 % to the latest ready revision."""
    split: dict[str, int] = {}
    for target in traffic or (Target(None, 100),):
        if target.percent > 0:
            name = target.revision or latest_ready
            split[name] = split.get(name, 0) + target.percent
    return tuple(sorted(split.items()))
