"""What the use cases need of the outside world. Implemented by gcp/, integrations/ and by fakes in tests.

Every method may raise `SourceFailure`; nothing else leaves an adapter. Windows are given by their end, which the caller
aligns to the minute so that consoles share Google's cache keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from brconsole.domain.alert import Condition, Policy
    from brconsole.domain.decision import Heartbeat
    from brconsole.domain.fleet import ApiUse, RequestSeries, RevisionKey
    from brconsole.domain.gates import Attestation, Sentinel
    from brconsole.domain.series import Series
    from brconsole.domain.service import Change, Revision, Service
    from brconsole.domain.slo import Objective
    from brconsole.domain.spend import DailyCost
    from brconsole.domain.traffic import TrafficTarget
    from brconsole.operations.migration_ports import Jobs, JobWriter, MigrationProject
    from brconsole.operations.migration_reader import MigrationReader


class Clock(Protocol):
    """Service time: the emulator's own where one is simulated, else the local clock."""

    simulated: bool
    speed: float
    """Seconds of service time in a real second."""

    def now(self) -> datetime | None:
        """Service time in UTC, None until it is known."""

    async def synchronise(self) -> None:
        """Ask for the time anew where it comes from elsewhere."""

    def skew_s(self) -> float | None:
        """Local time minus the server's, None where unknown or simulated."""


class CloudRun(Protocol):
    """Reading Cloud Run: one (paged) list a region, whatever the number of services."""

    async def services(self) -> tuple[Service, ...]:
        """All services of the environment's region, by name."""

    async def revisions(self) -> Mapping[str, tuple[Revision, ...]]:
        """All revisions of the region (`services/-`) by service, newest first."""


class Metrics(Protocol):
    """Reading Cloud Monitoring: one grouped call a metric."""

    async def requests(self, end: datetime, window_s: int, period_s: int) -> Mapping[RevisionKey, RequestSeries]:
        """Request and 5xx counts by service and revision."""

    async def latency_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """p95 of request latency in ms by service, over whole distributions (never a percentile of percentiles)."""

    async def latency_p95_by_revision(
        self, service: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, Series]:
        """p95 of request latency in ms by revision of one service."""

    async def cold_start_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """p95 of container start-up latency in ms by service."""

    async def instances(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """Container instances (active and idle) by service."""

    async def queue_depth(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """Due jobs by queue."""

    async def queue_oldest_age_s(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """Age of the oldest due job by queue."""

    async def jobs_finished(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """Jobs that left each queue (complete, failed or retried) per interval."""

    async def condition(self, condition: Condition, end: datetime, window_s: int) -> tuple[Series, ...]:
        """The series that an alert condition compares, aligned and reduced as the condition says; a ratio is already
        divided.
        """

    async def policies(self) -> tuple[Policy, ...]:
        """The enabled and disabled alert policies of the project that the console understands."""

    async def quota_limits(self) -> Mapping[str, int]:
        """Live calls-per-minute limits by quota metric name (`serviceruntime.googleapis.com/quota/limit`)."""


class Slos(Protocol):
    """Reading Service Monitoring."""

    async def objectives(self) -> tuple[Objective, ...]:
        """The SLOs of the project that speak of Cloud Run services, in one list."""

    async def budget_remaining(self, objective: Objective, end: datetime) -> float | None:
        """Share of the error budget left (select_slo_budget_fraction), None where there is no point."""

    async def good_and_bad(
        self, objective: Objective, end: datetime, window_s: int, period_s: int
    ) -> tuple[Series, Series]:
        """Good and bad events per interval (select_slo_counts), for objectives that request counts cannot tell."""


class Billing(Protocol):
    """Reading spend and budget."""

    async def daily_costs(self, since: date, until: datetime) -> tuple[tuple[DailyCost, ...], datetime | None]:
        """Net cost by day and Google service from the billing export, and the export's newest usage end."""

    async def monthly_budget(self) -> tuple[float, str] | None:
        """Amount and currency of the budget that covers the project, None where there is none."""


class AuditLog(Protocol):
    """Reading who changed the fleet."""

    async def changes(self, since: datetime, limit: int) -> tuple[Change, ...]:
        """Writes to services in the Admin Activity audit log, newest first."""


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """One permission that the console wants, whether it is held (None: could not be asked), what needs it and a role
    that holds it.
    """

    permission: str
    resource: str
    held: bool | None
    purpose: str
    role: str
    error: str = ""


class Access(Protocol):
    """Who the console is and what it may do."""

    async def identity(self) -> str:
        """The account of the Application Default Credentials, or a word for a plain loopback channel."""

    async def permissions(self) -> tuple[PermissionCheck, ...]:
        """Every permission of the console tested with TestIamPermissions; reads only."""


class CallMeter(Protocol):
    """The calls made, against the limits."""

    def use(self) -> tuple[ApiUse, ...]:
        """Calls by API in the last minute."""

    def series_returned(self) -> int:
        """Time series that Monitoring has returned since the start."""


class GateMetrics(Protocol):
    """What the release gates read besides the fleet: one service, by revision, a minute at a time."""

    async def gate_requests(
        self, service: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        """Request and 5xx counts of one service by revision: both arms of a canary in one call."""

    async def slow_requests(
        self, service: str, threshold_ms: float, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        """Requests and those slower than a threshold (as `errors`) by revision, from the latency distributions."""

    async def job_outcomes(self, worker: str, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        """Jobs of a worker by outcome (complete, failed, retried) per interval."""


@dataclass(frozen=True, slots=True)
class LiveService:
    """A service as read for a write: its version and the server's own time at the read."""

    service: Service
    version: str
    """Opaque: the v1 `resourceVersion` or the v2 `etag`; never parsed, never ordered."""
    server_time: datetime
    """The Date of the answer (DESIGN §8.6), not the console's clock."""


class MigrationProofs(Protocol):
    """What proves that the migration of a release ran."""

    async def sentinel(self, service: Service, candidate: Revision) -> Sentinel | None:
        """The proof for a candidate, None where its release has no migration."""


class Attestations(Protocol):
    """Whether images are attested."""

    async def attestation(self, revision: Revision) -> Attestation:
        """What is known of a revision's image digest."""


class TrafficWriter(Protocol):
    """The only writing port of Cloud Run. Nothing but the gateway calls its writing methods."""

    conditional: bool
    """Whether the server refuses a write whose base is no longer the live version (v1, or v2 where that was proved)."""

    async def read(self, service: str) -> LiveService:
        """The live object, fresh. Counts against the read quota."""

    async def write(
        self,
        base: LiveService,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        *,
        urgent: bool = False,
    ) -> datetime:
        """Put the whole traffic list and the annotations (None removes one) in one request, if `base` still is live.

        An urgent one, a rollback, takes from the reserved write bucket, as `write_unread` does. Returns the server's
        time of acceptance, which is not yet serving. Raises CONFLICT where the world changed, and TIMEOUT or
        UNAVAILABLE where the outcome is unknown and must be read back. Never retried by itself.
        """

    async def write_unread(
        self, service: str, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> datetime:
        """The same without a read, for a rollback while the read quota is spent (DESIGN §8.2).

        v1 from the last good object; on a conflict or without one, v2 with mask `traffic,annotations`. Takes from the
        reserved write bucket.
        """

    async def may_act_as(self, service_account: str) -> bool | None:
        """Whether it may act as a runtime service account, which every traffic write needs; None if not askable."""


class WriteProbe(Protocol):
    """Finds out whether Run v2 refuses a stale version (DESIGN §8.9). Nothing but the gateway calls it: it writes."""

    async def etag_enforced(self, service: str) -> bool:
        """Send the live traffic list once more under a bogus etag, first for validation only, then in earnest; whether
        that was refused. Where it is not, a generation more is all that is left of it.
        """


class AuditWriter(Protocol):
    """Where journal entries go besides the local journal."""

    async def write(self, entries: Sequence[Mapping[str, object]]) -> None:
        """Append entries to the log `brconsole-audit`; idempotent by each entry's `id` (its insertId)."""


class Beacon(Protocol):
    """What whoever drives tells Cloud Monitoring about itself."""

    async def heartbeat(self, beat: Heartbeat) -> None:
        """Write `custom.googleapis.com/brconsole/heartbeat`."""

    async def overdue(self, service: str, seconds: float, at: datetime) -> None:
        """Write `brconsole/rollout_overdue`: seconds past the deadline, 0 where in time."""

    async def heartbeats(self, at: datetime) -> tuple[Heartbeat, ...]:
        """The newest heartbeat of each driver in the last 10 minutes."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """All ports of one environment. A port that is not configured (no export table, no HTTP side) is None and has no
    source.
    """

    run: CloudRun
    metrics: Metrics
    slos: Slos
    audit: AuditLog
    access: Access
    meter: CallMeter
    billing: Billing | None = None
    endpoints: Sequence[str] = field(default_factory=tuple)
    gate_metrics: GateMetrics | None = None
    writer: TrafficWriter | None = None
    write_probe: WriteProbe | None = None
    audit_writer: AuditWriter | None = None
    beacon: Beacon | None = None
    migration_proofs: MigrationProofs | None = None
    attestations: Attestations | None = None
    jobs: Jobs | None = None
    job_writer: JobWriter | None = None
    migrations: MigrationReader | None = None
    """The migration job as configured, None where no migrations are."""
    migration_project: MigrationProject | None = None
