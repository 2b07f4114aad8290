"""The vocabulary of the simulated world. Times are seconds since the epoch, UTC, as floats; percents are integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Project:
    """A simulated Google Cloud project."""

    id: str
    number: int
    environment: str
    region: str
    monthly_budget: float


@dataclass(frozen=True, slots=True)
class Target:
    """One traffic entry. `revision` is the short name, None is LATEST."""

    revision: str | None
    percent: int
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What a revision runs."""

    image: str
    digest: str
    service_account: str
    min_instances: int = 0
    max_instances: int = 100
    concurrency: int = 80
    session_affinity: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """A Cloud Run condition: type, state, CommonReason / RevisionReason name where failed, and Google's message."""

    type: str
    state: Literal["succeeded", "failed", "reconciling", "pending"]
    reason: str | None = None
    message: str = ""
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as it stands at the moment asked for."""

    project: str
    service: str
    name: str
    uid: str
    created: float
    template: Template
    conditions: tuple[Condition, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool | None:
        """True, False, or None while not decided."""
        for condition in self.conditions:
            if condition.type == "Ready":
                return {"succeeded": True, "failed": False}.get(condition.state)
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it stands at the moment asked for; `traffic` is desired, `serving` is observed."""

    project: str
    name: str
    uid: str
    created: float
    updated: float
    creator: str
    last_modifier: str
    generation: int
    observed_generation: int
    reconciling: bool
    etag: str
    template: Template
    traffic: tuple[Target, ...]
    serving: tuple[Target, ...]
    latest_ready: str | None
    latest_created: str | None
    terminal: Condition
    conditions: tuple[Condition, ...]
    uri: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running update of a service; `done_at` is when it ends (callers do not know it before that time)."""

    id: str
    project: str
    service: str
    started: float
    done_at: float
    error: str | None = None
    """Why reconciling failed; the observed split then stays where it was."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A distribution with explicit bucket bounds: len(bounds) + 1 counts, underflow first, overflow last."""

    count: int
    mean: float
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_of_squared_deviation: float = 0.0


Value = int | float | bool | Histogram


@dataclass(frozen=True, slots=True)
class RawSeries:
    """A time series as written, before alignment. Points are oldest first: (start, end, value).

    GAUGE points have start == end. DELTA points cover (start, end]. CUMULATIVE points all start at the last reset.
    """

    metric: str
    metric_labels: Mapping[str, str]
    resource_type: str
    resource_labels: Mapping[str, str]
    kind: Literal["GAUGE", "DELTA", "CUMULATIVE"]
    value_type: Literal["INT64", "DOUBLE", "BOOL", "DISTRIBUTION"]
    points: tuple[tuple[float, float, Value], ...]
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class Slo:
    """A service level objective of one service."""

    project: str
    service: str
    name: str
    display_name: str
    goal: float
    period_days: int
    kind: Literal["availability", "latency"]
    threshold_ms: float | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed a service: an Admin Activity audit log entry."""

    at: float
    project: str
    service: str
    principal: str
    method: str
    """Such as `google.cloud.run.v2.Services.UpdateService`."""
    summary: str
    """What moved, in words such as `api-00042-def 0 → 5 %`."""
    insert_id: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row of the standard billing export: a SKU in a project over some hours of a day.

    The cost is before credits; credits are negative.
    """

    project: str
    service_id: str
    service: str
    sku_id: str
    sku: str
    usage_start: float
    usage_end: float
    export_time: float
    cost: float
    currency: str
    credits: tuple[tuple[str, float], ...] = ()
