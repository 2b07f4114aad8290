"""The fleet: one immutable snapshot of an environment, each part with its age and its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from brconsole.domain.freshness import Reading, SourceInfo, SourceState

if TYPE_CHECKING:  # a face starts with an empty fleet: what fills it is imported by whoever reads it
    from brconsole.domain.alert import AlertReport
    from brconsole.domain.environment import Environment
    from brconsole.domain.migration_view import MigrationView
    from brconsole.domain.queue import QueueReport
    from brconsole.domain.series import Series
    from brconsole.domain.service import Change, Revision, Service
    from brconsole.domain.slo import SloReport
    from brconsole.domain.spend import SpendReport


class Health(StrEnum):
    """The one word for an environment (DESIGN §8.11)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevisionKey:
    """A revision within an environment."""

    service: str
    revision: str


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """Requests and 5xx answers of one revision, counts per closed minute."""

    requests: Series
    errors: Series


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """Container start-ups over the last five closed minutes; the p95 of fewer than 20 is their maximum."""

    p95_ms: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceRates:
    """A service over the last five closed minutes; None is unknown, and always so for workers (no requests)."""

    requests_per_s: float | None
    error_ratio: float | None
    latency_p95_ms: float | None
    cold_start_p95_ms: float | None
    instances: float | None


@dataclass(frozen=True, slots=True)
class ApiUse:
    """Calls of one API by this console in the last minute against the live limit a minute (None where unknown)."""

    api: str
    calls_per_minute: int
    limit_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is known of an environment at `now` (service time; None until the clock answered)."""

    environment: Environment
    now: datetime | None = None
    simulated: bool = False
    services: Reading[tuple[Service, ...]] = field(default_factory=Reading)
    revisions: Reading[Mapping[str, tuple[Revision, ...]]] = field(default_factory=Reading)
    """By service, newest first."""
    requests: Reading[Mapping[RevisionKey, RequestSeries]] = field(default_factory=Reading)
    latency: Reading[Mapping[str, Series]] = field(default_factory=Reading)
    """p95 in ms by service, over five-minute intervals."""
    cold_starts: Reading[Mapping[str, ColdStarts]] = field(default_factory=Reading)
    instances: Reading[Mapping[str, Series]] = field(default_factory=Reading)
    slos: Reading[tuple[SloReport, ...]] = field(default_factory=Reading)
    queues: Reading[tuple[QueueReport, ...]] = field(default_factory=Reading)
    spend: Reading[SpendReport] = field(default_factory=Reading)
    alerts: Reading[tuple[AlertReport, ...]] = field(default_factory=Reading)
    changes: Reading[tuple[Change, ...]] = field(default_factory=Reading)
    """Newest first."""
    migration: Reading[MigrationView] = field(default_factory=Reading)
    """The migration job and what its executions told; not read where no migrations are configured."""
    watched: str | None = None
    """The service whose page is open."""
    latency_by_revision: Reading[Mapping[str, Series]] = field(default_factory=Reading)
    """p95 in ms a minute by revision, of the watched service."""
    sources: Mapping[str, SourceInfo] = field(default_factory=dict)
    """The configured sources; a name here is the name of the reading's field."""
    api_use: tuple[ApiUse, ...] = ()
    series_per_day: float | None = None
    """Time series that Monitoring returns in a day at the present pace; it bills by them ($0.50 a million)."""

    def reading(self, source: str) -> Reading[object]:
        """The reading of a source by its name."""
        reading: Reading[object] = getattr(self, source)
        return reading

    def state(self, source: str) -> SourceState:
        """The trust in one source now."""
        return self.reading(source).state(self.now, self.sources[source].max_age)

    def service(self, name: str) -> Service | None:
        """A service by its name."""
        return next((service for service in self.services.value or () if service.name == name), None)
