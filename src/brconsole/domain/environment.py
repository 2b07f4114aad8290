"""An environment: one Google Cloud project and region with its limits, plan and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

WriteApi = Literal["auto", "v1", "v2"]


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """Where the monthly budget and the spend of an environment are found."""

    monthly: float
    currency: str = "USD"
    billing_account: str | None = None
    export_table: str | None = None
    """`project.dataset.table` of the standard billing export."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a canary: its share of traffic and how long it must be observed."""

    percent: int
    dwell_s: int = 0


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """The canary steps of an environment, in ascending percents, ending in 100."""

    steps: tuple[PlanStep, ...]
    deadline_s: int


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Thresholds of the release gates; ratios are 0…1."""

    error_budget_burn: float = 0.02
    """Share of the 30-day error budget that may be spent in the trailing hour."""
    error_ratio: float = 0.02
    """Upper bound of the canary's 5xx ratio."""
    freeze: tuple[str, ...] = ()
    """Windows in which nothing is promoted, such as `Fri 16:00 - Mon 08:00 Europe/Berlin`."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Limits of one ARQ queue. The queue itself is discovered by the metric's label `queue`."""

    metric: str = "custom.googleapis.com/arq/queue_depth"
    alert_depth: int = 10_000


@dataclass(frozen=True, slots=True)
class Environment:
    """One place where ByteReview runs, with what its configuration says of it."""

    name: str
    project: str
    region: str
    protected: bool = False
    """Opens read-only and asks for typed confirmation."""
    colour: str | None = None
    """A colour of the frame; None takes it from the theme by the environment's name."""
    release_group: tuple[str, ...] = ()
    """Service names or patterns that are released and rolled back together."""
    write_api: WriteApi = "auto"
    budget: BudgetSettings | None = None
    plan: RolloutPlan | None = None
    gates: GateSettings = field(default_factory=GateSettings)
    queues: Mapping[str, QueueSettings] = field(default_factory=dict)

    def in_release_group(self, service: str) -> bool:
        """Whether a service is released together with the others of the group."""
        return any(fnmatchcase(service, pattern) for pattern in self.release_group)
