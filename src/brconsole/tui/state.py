"""What the screens show of an environment, derived from its fleet once and kept while the readings stay the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cached_property

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet, Health, RequestSeries, RevisionKey, ServiceRates
from brconsole.domain.freshness import Reading, SourceState
from brconsole.domain.health import HealthReport, judge
from brconsole.domain.queue import QueueReport, QueueStatus
from brconsole.domain.rates import service_rates, service_requests
from brconsole.domain.requests import RequestTable
from brconsole.domain.service import Revision, Service
from brconsole.domain.slo import SloReport, SloStatus
from brconsole.domain.traffic import TrafficRow
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, shown

COST_PER_SERIES = 0.50 / 1e6
"""US dollars that Monitoring bills for a returned time series."""


SAME_CAUSE = "the same cause as for the services"
"""One failure that everything shares is told once in full."""


class Level(IntEnum):
    """How much a thing needs a look; higher is worse."""

    GOOD = 0
    UNKNOWN = 1
    BUSY = 2
    WARN = 3
    BAD = 4


LEVEL_SIGNS: Mapping[Level, tuple[str, str]] = {
    Level.GOOD: (glyphs.GOOD, "good"),
    Level.UNKNOWN: (glyphs.UNKNOWN, "dim"),
    Level.BUSY: (glyphs.BUSY, "accent"),
    Level.WARN: (glyphs.WARN, "warn"),
    Level.BAD: (glyphs.BAD, "bad"),
}

HEALTH_SIGNS: Mapping[Health, tuple[str, str, str]] = {
    Health.HEALTHY: (glyphs.GOOD, "healthy", "good"),
    Health.DEGRADED: (glyphs.WARN, "DEGRADED", "warn"),
    Health.CRITICAL: (glyphs.BAD, "CRITICAL", "bad"),
    Health.UNKNOWN: (glyphs.UNKNOWN, "unknown", "dim"),
}
HEALTH_RANK = {Health.HEALTHY: 0, Health.UNKNOWN: 1, Health.DEGRADED: 2, Health.CRITICAL: 3}


class Trust(StrEnum):
    """How far a panel can be believed."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"
    PARTIAL = "partial"
    FAILED = "failed"
    OFFLINE = "offline"
    ABSENT = "not set up"


_TRUST_SIGNS: Mapping[Trust, tuple[str, str]] = {
    Trust.LOADING: (glyphs.LOADING, "dim"),
    Trust.LIVE: (glyphs.LIVE, "good"),
    Trust.STALE: (glyphs.STALE, "warn"),
    Trust.PARTIAL: (glyphs.PARTIAL, "warn"),
    Trust.FAILED: (glyphs.BAD, "bad"),
    Trust.OFFLINE: (glyphs.BAD, "bad"),
    Trust.ABSENT: (formats.NOTHING, "dim"),
}


@dataclass(frozen=True, slots=True)
class PanelTrust:
    """A panel's state: its age, and the sentences of what failed."""

    trust: Trust
    age_s: float | None
    causes: tuple[str, ...] = ()
    failed: frozenset[str] = frozenset()

    @property
    def grey(self) -> bool:
        """Whether what is shown is the last good value of a source that fails."""
        return self.trust in (Trust.FAILED, Trust.OFFLINE)

    def badge(self) -> Line:
        """Glyph, word and age for the panel's border."""
        sign, role = _TRUST_SIGNS[self.trust]
        if self.age_s is None or self.trust in (Trust.LOADING, Trust.ABSENT):
            return ((f"{sign} {self.trust}", role),)
        old = formats.age(self.age_s)
        if self.trust is Trust.LIVE:
            return ((sign, role), (f" {old}", "dim"))
        return ((f"{sign} {self.trust} · {old}", role),)


@dataclass(frozen=True, slots=True)
class Share:
    """A revision's part of the traffic."""

    revision: str
    desired: int | None
    serving: int | None
    canary: bool
    tags: tuple[str, ...]


class ServiceRow:
    """One service as the table shows it. What costs is made when it is first asked for."""

    def __init__(self, model: FleetModel, service: Service) -> None:
        self._model = model
        self.service = service
        self.key = service.name
        self.name = shown(service.name, 100)
        self.level, self.notes = _judge_service(model, service)

    @cached_property
    def rates(self) -> ServiceRates:
        """The five-minute columns."""
        return service_rates(self._model.fleet_of(self.key), self.key)

    @cached_property
    def requests(self) -> RequestSeries | None:
        """Requests and errors a minute."""
        return service_requests(self._model.fleet_of(self.key), self.key)

    @property
    def requests_by_revision(self) -> Mapping[RevisionKey, RequestSeries]:
        """Requests and errors a minute of each revision."""
        return self._model.requests_by_revision(self.key)

    def created(self, revision: str) -> datetime | None:
        """When a revision of this service was made."""
        return next((one.created for one in self._model.revisions(self.key) if one.name == revision), None)

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """The split: stable first, then canaries, then what is only tagged."""
        rows = self.service.traffic()
        taking = [row for row in rows if row.serving_percent or row.desired_percent]
        newest = self._newest(taking) if len(taking) > 1 else None
        shares = [
            Share(
                shown(row.revision, 100),
                row.desired_percent,
                row.serving_percent,
                row.revision == newest,
                tuple(shown(tag, 40) for tag in row.tags),
            )
            for row in rows
        ]
        return tuple(sorted(shares, key=lambda share: (not (share.serving or share.desired), share.canary)))

    def _newest(self, taking: Sequence[TrafficRow]) -> str:
        made = {revision.name: revision.created for revision in self._model.revisions(self.key)}
        dated = [(created, row.revision) for row in taking if (created := made.get(row.revision))]
        return max(dated)[1] if dated else max(row.revision for row in taking)

    @cached_property
    def canary(self) -> Share | None:
        """The revision under test, where traffic is split."""
        return next((share for share in self.shares if share.canary), None)

    @cached_property
    def slos(self) -> tuple[SloReport, ...]:
        """The objectives that speak of this service."""
        return self._model.slos_by_service.get(self.key, ())

    @cached_property
    def queue(self) -> QueueReport | None:
        """The queue that a worker works off: `worker-extract` has `extract`."""
        name = self.key.removeprefix("worker-")
        queues = self._model.fleet.queues.value or ()
        return (
            next((queue for queue in queues if queue.name in (name, self.key)), None)
            if self.service.is_worker
            else None
        )

    @property
    def burn_1h(self) -> float | None:
        """The worst burn over one hour of its objectives."""
        return max((burn for slo in self.slos if (burn := slo.burn.get("1h")) is not None), default=None)

    @property
    def budget_left(self) -> float | None:
        """The smallest share of budget left of its objectives."""
        return min((left for slo in self.slos if (left := slo.budget_remaining_ratio) is not None), default=None)

    @property
    def who(self) -> str:
        """Who changed it last, without the domain that all share."""
        return shown((self.service.last_modifier or "").partition("@")[0], 60)


class FleetModel:
    """One environment: its newest fleet, and what the panels need of it."""

    def __init__(self, environment: Environment, number: int) -> None:
        self.environment = environment
        self.name = shown(environment.name, 24)
        self.number = number
        """Its digit on the keyboard."""
        self.fleet = Fleet(environment)
        self.now: datetime | None = None
        self._rows: tuple[ServiceRow, ...] = ()
        self._rows_of: tuple[object, ...] = ()
        self._requests: Mapping[str, Mapping[RevisionKey, RequestSeries]] = {}
        self._requests_of: object = None
        self._health: HealthReport | None = None

    @property
    def colour(self) -> str:
        """What the palette calls the environment's colour."""
        environment = self.environment
        if environment.colour and environment.colour.startswith("#") and len(environment.colour) == 7:
            return environment.colour
        return environment.colour or ("prod" if environment.protected else environment.name)

    def observe(self, fleet: Fleet) -> None:
        """Take a newer snapshot."""
        self.fleet = fleet
        self.now = fleet.now or self.now
        self._health = None
        self.__dict__.pop("slos_by_service", None)
        self.__dict__.pop("alerts_by_subject", None)

    @property
    def health(self) -> HealthReport:
        """The one word and its reasons."""
        if self._health is None:
            self._health = judge(self.fleet)
        return self._health

    @property
    def unjudged(self) -> tuple[str, ...]:
        """What "healthy" rests on and is not known: without it nothing is green."""
        fleet = self.fleet
        judged = (name for name in ("revisions", "alerts") if not fleet.sources or name in fleet.sources)
        return tuple(name for name in judged if not fleet.reading(name).known or fleet.reading(name).error is not None)

    def health_sign(self) -> tuple[str, str, str]:
        """Glyph, word and role of the environment. Healthy is said only where what it rests on is known."""
        health = self.health.health
        if health is Health.HEALTHY and self.unjudged:
            if any(self.fleet.reading(name).error is not None for name in self.unjudged):
                return glyphs.PARTIAL, "PARTLY KNOWN", "warn"
            return glyphs.LOADING, "loading", "dim"
        if health is Health.UNKNOWN and self.fleet.services.value is None and self.fleet.services.error is None:
            return glyphs.LOADING, "loading", "dim"
        return HEALTH_SIGNS[health]

    @property
    def rank(self) -> int:
        """How much it needs a look, higher is worse."""
        health = self.health.health
        return HEALTH_RANK[Health.UNKNOWN] if health is Health.HEALTHY and self.unjudged else HEALTH_RANK[health]

    @property
    def pending_alerts(self) -> tuple[AlertReport, ...]:
        """Alerts that are over their threshold, but not yet for long enough to fire."""
        return tuple(alert for alert in self.fleet.alerts.value or () if alert.state is AlertState.PENDING)

    @property
    def worries(self) -> int:
        """What may become worse: alerts about to fire, queues over their limit, services that are not well."""
        pending = sum(alert.state is not AlertState.OK for alert in self.fleet.alerts.value or ())
        queues = sum(queue.status is QueueStatus.CRITICAL for queue in self.fleet.queues.value or ())
        return pending + queues + sum(row.level >= Level.WARN for row in self.rows)

    @cached_property
    def slos_by_service(self) -> Mapping[str, tuple[SloReport, ...]]:
        """Objectives by the service they speak of."""
        grouped: dict[str, tuple[SloReport, ...]] = {}
        for slo in self.fleet.slos.value or ():
            grouped[slo.objective.service] = (*grouped.get(slo.objective.service, ()), slo)
        return grouped

    @cached_property
    def alerts_by_subject(self) -> Mapping[str, tuple[AlertReport, ...]]:
        """Alerts that fire or are about to, by each word of their subject."""
        grouped: defaultdict[str, tuple[AlertReport, ...]] = defaultdict(tuple)
        for alert in self.fleet.alerts.value or ():
            if alert.state in (AlertState.FIRING, AlertState.PENDING):
                for word in alert.subject.split(" "):
                    grouped[word] = (*grouped[word], alert)
        return grouped

    @property
    def rows(self) -> tuple[ServiceRow, ...]:
        """The services by name."""
        fleet = self.fleet
        parts = (
            fleet.services.value,
            fleet.revisions.value,
            fleet.requests.value,
            fleet.latency.value,
            fleet.instances.value,
            fleet.cold_starts.value,
            fleet.slos.value,
            fleet.alerts.value,
            fleet.queues.value,
        )
        if len(parts) != len(self._rows_of) or any(a is not b for a, b in zip(parts, self._rows_of, strict=True)):
            self._rows_of = parts
            self._rows = tuple(ServiceRow(self, service) for service in fleet.services.value or ())
        return self._rows

    def row(self, name: str) -> ServiceRow | None:
        """A service by its name."""
        return next((row for row in self.rows if row.key == name), None)

    def revisions(self, service: str) -> tuple[Revision, ...]:
        """The revisions of a service, newest first."""
        return (self.fleet.revisions.value or {}).get(service, ())

    def requests_by_revision(self, service: str) -> Mapping[RevisionKey, RequestSeries]:
        """The request series of one service."""
        table = self.fleet.requests.value
        if table is not self._requests_of:
            grouped: defaultdict[str, dict[RevisionKey, RequestSeries]] = defaultdict(dict)
            for key, series in (table or {}).items():
                grouped[key.service][key] = series
            self._requests, self._requests_of = grouped, table
        return self._requests.get(service, {})

    def fleet_of(self, service: str) -> Fleet:
        """The fleet with the request series of one service only, so that 200 services do not walk 200 times through
        all.
        """
        if self.fleet.requests.value is None or isinstance(self.fleet.requests.value, RequestTable):
            return self.fleet  # a table has its sums ready
        return replace(self.fleet, requests=Reading(self.requests_by_revision(service), self.fleet.requests.as_of))

    def trust(self, main: str, *others: str) -> PanelTrust:
        """How far a panel on these sources can be believed; without its main source it shows nothing new."""
        fleet = self.fleet
        if fleet.sources and main not in fleet.sources:
            return PanelTrust(Trust.ABSENT, None)
        names = [name for name in (main, *others) if name in fleet.sources]
        states = {name: self.source_state(name) for name in names}
        failed = frozenset(name for name, state in states.items() if state is SourceState.FAILED)
        causes = tuple(dict.fromkeys(shown(fleet.reading(name).error or "", 400) for name in names if name in failed))
        if main != "services" and fleet.services.error and causes == (shown(fleet.services.error, 400),):
            causes = (SAME_CAUSE,)
        reading = fleet.reading(main)
        age_s = reading.age_s(self.now)
        if main in failed:
            return PanelTrust(Trust.OFFLINE if self.offline else Trust.FAILED, age_s, causes, failed)
        if not reading.known:
            return PanelTrust(Trust.LOADING, None, causes, failed)
        if failed:
            return PanelTrust(Trust.PARTIAL, age_s, causes, failed)
        if states.get(main) is SourceState.STALE:
            return PanelTrust(Trust.STALE, age_s)
        stale = [
            fleet.reading(name).age_s(self.now) or 0.0 for name, state in states.items() if state is SourceState.STALE
        ]
        return PanelTrust(Trust.STALE, max(stale)) if stale else PanelTrust(Trust.LIVE, age_s)

    def source_state(self, source: str) -> SourceState:
        """The trust in one source at this moment, not at that of the snapshot."""
        return self.fleet.reading(source).state(self.now, self.fleet.sources[source].max_age)

    @property
    def offline(self) -> bool:
        """Whether every source that was asked fails."""
        states = [self.source_state(name) for name in self.fleet.sources]
        return SourceState.FAILED in states and all(
            state in (SourceState.FAILED, SourceState.NEVER) for state in states
        )

    def connection(self) -> PanelTrust:
        """The trust in the environment as a whole, for the header."""
        fleet = self.fleet
        states = {name: self.source_state(name) for name in fleet.sources}
        failed = frozenset(name for name, state in states.items() if state is SourceState.FAILED)
        ages = [age for name in states if (age := fleet.reading(name).age_s(self.now)) is not None]
        causes = tuple(
            dict.fromkeys(shown(fleet.reading(name).error or "", 400) for name in fleet.sources if name in failed)
        )
        newest = min(ages, default=None)
        if failed and self.offline:
            return PanelTrust(Trust.OFFLINE, newest, causes, failed)
        if failed:
            return PanelTrust(Trust.PARTIAL, newest, causes, failed)
        if newest is None:
            return PanelTrust(Trust.LOADING, None)
        stale = [
            fleet.reading(name).age_s(self.now) or 0.0 for name, state in states.items() if state is SourceState.STALE
        ]
        return PanelTrust(Trust.STALE, max(stale)) if stale else PanelTrust(Trust.LIVE, newest)

    @property
    def api_share(self) -> float | None:
        """The most used API's calls over its limit."""
        shares = [use.calls_per_minute / use.limit_per_minute for use in self.fleet.api_use if use.limit_per_minute]
        return max(shares, default=None)

    @property
    def cost_per_day(self) -> float | None:
        """What looking costs in US dollars a day."""
        pace = self.fleet.series_per_day
        return None if pace is None else pace * COST_PER_SERIES


def _judge_service(model: FleetModel, service: Service) -> tuple[Level, tuple[str, ...]]:
    """How a service stands, and why, worst first."""
    notes: list[tuple[Level, str]] = []
    readiness = {revision.name: revision for revision in model.revisions(service.name)}
    for name in service.serving_split():
        revision = readiness.get(name)
        if revision is not None and revision.ready is False:
            why = revision.reason or "not ready"
            notes.append((Level.BAD, f"{shown(name, 60)} serves but is not ready: {shown(why, 80)}"))
    if service.ready is False:
        notes.append((Level.WARN, f"latest revision not ready: {shown(service.reason or 'no reason given', 120)}"))
    if service.drift:
        notes.append((Level.WARN, "serving differs from desired"))
    subjects = {service.name, service.name.removeprefix("worker-")} if service.is_worker else {service.name}
    for alert in (alert for subject in sorted(subjects) for alert in model.alerts_by_subject.get(subject, ())):
        if alert.state is AlertState.FIRING:
            notes.append(
                (Level.BAD if alert.severity == "critical" else Level.WARN, f"alert {shown(alert.policy, 80)}")
            )
        else:
            notes.append((Level.WARN, f"alert {shown(alert.policy, 80)} is pending"))
    for slo in model.slos_by_service.get(service.name, ()):
        words = {
            SloStatus.FAST_BURN: (Level.BAD, "burns fast"),
            SloStatus.EXHAUSTED: (Level.BAD, "budget is spent"),
            SloStatus.SLOW_BURN: (Level.WARN, "burns slowly"),
        }
        if found := words.get(slo.status):
            notes.append((found[0], f"{shown(slo.objective.name, 60)} {found[1]}"))
    if service.reconciling:
        notes.append((Level.BUSY, "Cloud Run is applying a change"))
    elif service.ready is None:
        notes.append((Level.UNKNOWN, "Cloud Run has not decided whether it is ready"))
    notes.sort(key=lambda note: -note[0])
    return (notes[0][0] if notes else Level.GOOD), tuple(text for _, text in notes)
