"""Fleets as a person may meet them, at one frozen moment, and a feed that hands them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.domain.fleet import ApiUse, ColdStarts, Fleet, RequestSeries, RevisionKey
from brconsole.domain.freshness import Reading, SourceInfo
from brconsole.domain.queue import QueueReport, QueueStatus
from brconsole.domain.series import Series
from brconsole.domain.service import Change, Revision, Service
from brconsole.domain.slo import Objective, SloReport, SloStatus
from brconsole.domain.spend import SpendReport
from brconsole.domain.traffic import TrafficTarget
from brconsole.tui.console import Console

NOW = datetime(2026, 6, 23, 14, 3, 22, tzinfo=UTC)
MINUTE = NOW.replace(second=0)

DEV = Environment("dev", "br-dev-4821", "us-central1", budget=BudgetSettings(500))
STAGING = Environment("staging", "br-stage-4821", "us-central1", budget=BudgetSettings(1500))
PROD = Environment("prod", "bytereview-prod", "us-central1", protected=True, budget=BudgetSettings(10_000))

SOURCES: Mapping[str, SourceInfo] = {
    "services": SourceInfo("services", "Cloud Run", 10),
    "revisions": SourceInfo("revisions", "Cloud Run", 30),
    "requests": SourceInfo("requests", "Cloud Monitoring", 60, 180),
    "latency": SourceInfo("latency", "Cloud Monitoring", 60, 180),
    "instances": SourceInfo("instances", "Cloud Monitoring", 60, 180),
    "cold_starts": SourceInfo("cold_starts", "Cloud Monitoring", 60, 180),
    "slos": SourceInfo("slos", "Service Monitoring", 60, 180),
    "queues": SourceInfo("queues", "Cloud Monitoring", 60, 180),
    "spend": SourceInfo("spend", "BigQuery", 3600, 86_400),
    "alerts": SourceInfo("alerts", "Cloud Monitoring", 60, 180),
    "changes": SourceInfo("changes", "Cloud Logging", 30, 60),
}
BURNS = ("5m", "30m", "1h", "6h", "3d")


def wave(base: float, swing: float, phase: float = 0.0, length: int = 60) -> tuple[float, ...]:
    """A history that looks like traffic."""
    return tuple(
        max(0.0, base + swing * math.sin(phase + i / 7) + swing / 3 * math.sin(phase * 3 + i / 2.3))
        for i in range(length)
    )


def series(values: tuple[float | None, ...], period_s: int = 60) -> Series:
    """Values up to the last closed minute."""
    return Series(MINUTE, period_s, values)


def revision(
    service: str, name: str, hours_old: float, *, ready: bool | None = True, reason: str | None = None
) -> Revision:
    """A revision of a service."""
    return Revision(
        name,
        service,
        f"us-central1-docker.pkg.dev/bytereview-prod/bytereview/{service}:{name[-3:]}",
        "sha256:" + (name.encode().hex() * 6)[:64],
        NOW - timedelta(hours=hours_old),
        ready,
        reason,
        None if reason is None else "The user-provided container failed to start and listen on PORT=8080.",
        f"{service}@bytereview-prod.iam.gserviceaccount.com",
    )


def service(
    name: str,
    split: Mapping[str, int],
    *,
    serving: Mapping[str, int] | None = None,
    ready: bool | None = True,
    reconciling: bool = False,
    latest: str | None = None,
    minutes_old: float = 600,
    who: str = "ci-deployer@bytereview-prod.iam.gserviceaccount.com",
    tags: Mapping[str, str] | None = None,
) -> Service:
    """A service with its split; `serving` where it differs from what was asked for."""
    tagged = {revision: tag for tag, revision in (tags or {}).items()}

    def targets(shares: Mapping[str, int]) -> tuple[TrafficTarget, ...]:
        listed = tuple(TrafficTarget(name, percent, tagged.get(name)) for name, percent in shares.items())
        return listed + tuple(TrafficTarget(name, 0, tag) for name, tag in tagged.items() if name not in shares)

    latest = latest or list(split)[-1]
    return Service(
        name,
        f"https://{name}-4821-uc.a.run.app",
        ready,
        None if ready else "RevisionFailed",
        reconciling,
        12,
        11 if reconciling else 12,
        "etag",
        NOW - timedelta(days=200),
        NOW - timedelta(minutes=minutes_old),
        who,
        latest,
        latest,
        targets(split),
        targets(serving if serving is not None else split),
    )


def slo(
    service_name: str,
    name: str,
    goal: float,
    left: float | None,
    burns: tuple[float | None, ...],
    status: SloStatus = SloStatus.OK,
) -> SloReport:
    """An objective; it runs out where it burns faster than its period allows."""
    kind = "latency" if name == "latency" else "availability"
    objective = Objective(service_name, name, f"projects/p/services/{service_name}/{name}", goal, 30, kind)
    hour = burns[2]
    out = NOW + timedelta(days=30) * (left / hour) if left is not None and hour and left / hour < 1 else None
    return SloReport(objective, left, dict(zip(BURNS, burns, strict=True)), status, out)


def queue(
    name: str,
    history: tuple[float | None, ...],
    oldest: float | None,
    eta: float | None,
    status: QueueStatus = QueueStatus.OK,
    arrivals: float | None = 4.2,
    done: float | None = 4.6,
) -> QueueReport:
    """A queue with its history."""
    return QueueReport(name, history[-1], oldest, arrivals, done, eta, 10_000, status, series(history))


def healthy(environment: Environment = PROD) -> Fleet:
    """Everything live and well, no split."""
    names = {
        "api": "api-00041-abc",
        "frontend": "frontend-00022-gm8",
        "worker-extract": "worker-extract-00017-hx2",
        "worker-import": "worker-import-00009-pq1",
        "worker-cron": "worker-cron-00004-rw8",
    }
    services = tuple(
        service(
            name,
            {current: 100},
            minutes_old=40 + 700 * index,
            tags={"prev": f"{name}-00001-old"} if name == "api" else None,
        )
        for index, (name, current) in enumerate(sorted(names.items()))
    )
    revisions = {
        name: tuple(
            revision(name, current if i == 0 else f"{name}-000{20 - i:02d}-o{i}z", 3 + 40 * i) for i in range(4)
        )
        for name, current in names.items()
    }
    requests = {
        RevisionKey("api", names["api"]): RequestSeries(series(wave(24_720, 3000)), series(wave(10, 4))),
        RevisionKey("frontend", names["frontend"]): RequestSeries(series(wave(23_280, 2500, 2)), series(wave(2.4, 1))),
    }
    return Fleet(
        environment,
        now=NOW,
        simulated=True,
        services=Reading(services, NOW - timedelta(seconds=12)),
        revisions=Reading(revisions, NOW - timedelta(seconds=24)),
        requests=Reading(requests, MINUTE - timedelta(seconds=60)),
        latency=Reading(
            {"api": series(wave(182, 12)), "frontend": series(wave(96, 6, 1))}, MINUTE - timedelta(seconds=60)
        ),
        cold_starts=Reading({"api": ColdStarts(2140, 3)}, MINUTE),
        instances=Reading(
            {name: series((float(number),) * 60) for name, number in zip(names, (14, 6, 8, 4, 1), strict=True)}, MINUTE
        ),
        slos=Reading(
            (
                slo("api", "availability", 0.999, 0.71, (0.3, 0.4, 0.4, 0.6, 0.9)),
                slo("api", "latency", 0.99, 0.88, (0.1, 0.1, 0.2, 0.2, 0.3)),
                slo("frontend", "availability", 0.995, 0.97, (0.0, 0.0, 0.1, 0.1, 0.1)),
            ),
            MINUTE - timedelta(seconds=60),
        ),
        queues=Reading(
            (
                queue("extract", wave(420, 160), 41.0, 190.0),
                queue("import", wave(112, 50, 1), 4.0, 22.0),
                queue("cron", (0.0,) * 60, 0.0, 0.0, arrivals=0.1, done=0.1),
            ),
            MINUTE,
        ),
        spend=Reading(
            SpendReport(
                "USD",
                4212.4,
                environment.budget.monthly if environment.budget else None,
                5493.0,
                180.0,
                (
                    ("Cloud Run", 1893.0),
                    ("Cloud SQL", 1120.5),
                    ("Vertex AI", 640.2),
                    ("Cloud Storage", 310.0),
                    ("Networking", 248.7),
                ),
                tuple((date(2026, 6, day), 150 + 40 * math.sin(day)) for day in range(1, 24)),
            ),
            NOW - timedelta(hours=5),
        ),
        alerts=Reading(
            tuple(
                AlertReport(name, AlertState.OK, None, value, threshold, severity)  # type: ignore[arg-type]
                for name, value, threshold, severity in (
                    ("5xx ratio", 0.0004, 0.02, "critical"),
                    ("queue depth", 420, 10_000, "warning"),
                    ("p95 latency", 182, 800, "warning"),
                    ("instance count", 14, 80, "warning"),
                    ("spend", 0.42, 0.8, "info"),
                    ("Redis memory", 0.41, 0.8, "warning"),
                    ("Vertex 429 ratio", 0.001, 0.05, "warning"),
                )
            ),
            MINUTE,
        ),
        changes=Reading(
            (
                Change(
                    NOW - timedelta(minutes=38),
                    "api",
                    "ci-deployer@bytereview-prod.iam.gserviceaccount.com",
                    "00040-sx7 → 00041-abc 100 %",
                ),
                Change(
                    NOW - timedelta(hours=2, minutes=10), "worker-extract", "ana@bytereview.ai", "max instances 20 → 40"
                ),
                Change(
                    NOW - timedelta(hours=5),
                    "frontend",
                    "ci-deployer@bytereview-prod.iam.gserviceaccount.com",
                    "00021-aa1 50 → 0 %, 00022-gm8 50 → 100 %",
                ),
                Change(
                    NOW - timedelta(days=2),
                    "worker-import",
                    "ci-deployer@bytereview-prod.iam.gserviceaccount.com",
                    "updated",
                ),
            ),
            NOW - timedelta(seconds=20),
        ),
        sources=SOURCES,
        api_use=(ApiUse("run.googleapis.com", 8, 180), ApiUse("monitoring.googleapis.com", 14, 6000)),
        series_per_day=40_000,
    )


def canary(environment: Environment = PROD) -> Fleet:
    """A canary at 5 %, a queue that fills, an alert that fires and one that is about to, a change five minutes ago."""
    base = healthy(environment)
    stable, new = "api-00041-abc", "api-00042-def"
    services = tuple(
        service("api", {stable: 95, new: 5}, minutes_old=5, tags={"prev": stable, "next": new})
        if one.name == "api"
        else one
        for one in base.services.value or ()
    )
    revisions = dict(base.revisions.value or {})
    revisions["api"] = (revision("api", new, 0.4), *revisions["api"])
    requests = dict(base.requests.value or {})
    requests[RevisionKey("api", stable)] = RequestSeries(series(wave(23_460, 2500)), series(wave(9, 4)))
    grown = (None,) * 52 + wave(1260, 200, 1, 8)
    requests[RevisionKey("api", new)] = RequestSeries(series(grown), series((None,) * 52 + wave(8, 6, 1, 8)))
    rising = tuple(300 + 8000 * (i / 59) ** 2.2 for i in range(60))
    return replace(
        base,
        services=replace(base.services, value=services),
        revisions=replace(base.revisions, value=revisions),
        requests=replace(base.requests, value=requests),
        slos=replace(
            base.slos,
            value=(
                slo("api", "availability", 0.999, 0.41, (3.1, 2.8, 2.2, 1.4, 1.1), SloStatus.SLOW_BURN),
                *(base.slos.value or ())[1:],
            ),
        ),
        queues=replace(
            base.queues,
            value=(queue("extract", rising, 192.0, None, QueueStatus.WARN, 31.0, 22.5), *(base.queues.value or ())[1:]),
        ),
        alerts=replace(
            base.alerts,
            value=(
                AlertReport(
                    "queue depth", AlertState.FIRING, NOW - timedelta(minutes=4), 8300, 8000, "warning", "extract"
                ),
                AlertReport("p95 latency", AlertState.PENDING, NOW - timedelta(minutes=2), 812, 800, "warning", "api"),
                *[alert for alert in base.alerts.value or () if alert.policy not in ("queue depth", "p95 latency")],
            ),
        ),
        changes=replace(
            base.changes,
            value=(
                Change(
                    NOW - timedelta(minutes=5),
                    "api",
                    "ci-deployer@bytereview-prod.iam.gserviceaccount.com",
                    "00042-def 0 → 5 %, 00041-abc 100 → 95 %",
                ),
                *(base.changes.value or ()),
            ),
        ),
    )


def watched(environment: Environment = PROD) -> Fleet:
    """The canary with the page of `api` open."""
    by_revision = {"api-00041-abc": series(wave(180, 12)), "api-00042-def": series((None,) * 52 + wave(240, 30, 1, 8))}
    return replace(canary(environment), watched="api", latency_by_revision=Reading(by_revision, MINUTE))


def drift(environment: Environment = PROD) -> Fleet:
    """What was asked for is not what serves, and the newest revision does not start."""
    base = healthy(environment)
    asked, failing = {"api-00041-abc": 50, "api-00042-def": 50}, "api-00042-def"
    services = tuple(
        service("api", asked, serving={"api-00041-abc": 100}, ready=False, latest="api-00041-abc", minutes_old=3)
        if one.name == "api"
        else one
        for one in base.services.value or ()
    )
    revisions = dict(base.revisions.value or {})
    revisions["api"] = (
        revision("api", failing, 0.1, ready=False, reason="HealthCheckContainerError"),
        *revisions["api"],
    )
    return replace(
        base, services=replace(base.services, value=services), revisions=replace(base.revisions, value=revisions)
    )


def stale(environment: Environment = PROD) -> Fleet:
    """The same values, twenty minutes old, and nobody failed."""
    base = canary(environment)
    old = {name: replace(base.reading(name), as_of=NOW - timedelta(minutes=20)) for name in SOURCES if name != "spend"}
    return replace(base, **old)  # type: ignore[arg-type]


MONITORING_403 = (
    "Cloud Monitoring: permission monitoring.timeSeries.list is missing (projects/bytereview-prod); "
    "grant roles/monitoring.viewer"
)


def partial(environment: Environment = PROD) -> Fleet:
    """Cloud Run answers, Monitoring does not any more: last good values stay."""
    base = canary(environment)
    failing = {
        name: replace(base.reading(name).failing(MONITORING_403, NOW), as_of=NOW - timedelta(minutes=4))
        for name in ("requests", "latency", "instances", "cold_starts", "slos", "queues", "alerts")
    }
    return replace(base, **failing)  # type: ignore[arg-type]


def offline(environment: Environment = PROD) -> Fleet:
    """Nothing answers any more."""
    base = canary(environment)
    cause = "{}: cannot be reached, connection refused (us-central1); check the network"
    failing = {
        name: replace(base.reading(name).failing(cause.format(info.api), NOW), as_of=NOW - timedelta(minutes=7))
        for name, info in SOURCES.items()
    }
    return replace(base, **failing)  # type: ignore[arg-type]


def never(environment: Environment = PROD) -> Fleet:
    """Nothing ever answered: every source failed at the first attempt."""
    cause = "Google Cloud: not authenticated; run `gcloud auth application-default login`, or try --simulate"
    failing = {name: Reading(None, None, cause, NOW) for name in SOURCES}
    return replace(Fleet(environment, now=NOW, sources=SOURCES), **failing)  # type: ignore[arg-type]


def loading(environment: Environment = PROD) -> Fleet:
    """Before the first answer."""
    return Fleet(environment, sources=SOURCES)


def empty(environment: Environment = PROD) -> Fleet:
    """Everything was read, and there is nothing."""
    base = healthy(environment)
    return replace(
        base,
        services=Reading((), NOW),
        revisions=Reading({}, NOW),
        requests=Reading({}, NOW),
        latency=Reading({}, NOW),
        instances=Reading({}, NOW),
        slos=Reading((), NOW),
        queues=Reading((), NOW),
        alerts=Reading((), NOW),
        changes=Reading((), NOW),
        spend=Reading(SpendReport("USD", 0.0, None, None, None, (), ()), NOW),
    )


HOSTILE = (
    "[bold red]x[/] \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eevil\u202c 漢字 👩\u200d🚀\ufe0f [link=file:///] {"
    + "A" * 5000
)


def hostile(environment: Environment = PROD) -> Fleet:
    """Every foreign text tries to break the screen."""
    base = canary(environment)
    text = HOSTILE
    one = service(
        "api", {f"api-{text}": 95, f"new-{text}": 5}, who=f"{text}@x", ready=False, tags={text: f"api-{text}"}
    )
    bad = replace(one, name=text, uri=text, reason=text)
    revisions = {
        text: (
            revision(text, f"api-{text}", 2, ready=False, reason=text),
            revision(text, f"new-{text}", 1, ready=None),
        ),
    }
    nasty_slo = SloReport(
        Objective(text, text, text, 0.99, 30, "other", text), 0.2, dict.fromkeys(BURNS, 20.0), SloStatus.FAST_BURN, NOW
    )
    return replace(
        base,
        environment=replace(environment, project=text, region=text),
        services=Reading((bad, *(base.services.value or ())), NOW),
        revisions=Reading({**(base.revisions.value or {}), **revisions}, NOW),
        slos=Reading((nasty_slo,), NOW),
        queues=Reading((queue(text, wave(10, 5), 3.0, None),), NOW),
        alerts=Reading((AlertReport(text, AlertState.FIRING, NOW, 3.0, 1.0, "critical", text),), NOW),
        changes=Reading((Change(NOW, text, text, text),), NOW, error=text, failed_at=NOW),
        spend=Reading(SpendReport(text, 1.0, 2.0, 3.0, None, ((text, 1.0),), ()), NOW),
    )


def many(environment: Environment = PROD, number: int = 200) -> Fleet:
    """A large fleet."""
    base = healthy(environment)
    names = [f"svc-{index:03d}" for index in range(number)]
    services = tuple(service(name, {f"{name}-00002-aaa": 100}, minutes_old=i) for i, name in enumerate(names))
    revisions = {name: tuple(revision(name, f"{name}-{n:05d}-aaa", n) for n in range(2, 0, -1)) for name in names}
    requests = {
        RevisionKey(name, f"{name}-00002-aaa"): RequestSeries(series(wave(600 + i, 90, i)), series(wave(1, 1, i)))
        for i, name in enumerate(names)
    }
    latency = {name: series(wave(100 + i, 9, i)) for i, name in enumerate(names)}
    return replace(
        base,
        services=Reading(services, NOW - timedelta(seconds=3)),
        revisions=Reading(revisions, NOW - timedelta(seconds=3)),
        requests=Reading(requests, MINUTE),
        latency=Reading(latency, MINUTE),
        instances=Reading({name: series((3.0,) * 60) for name in names}, MINUTE),
    )


class SampleFeed:
    """A feed that says what it is told to, when it is told to; it counts what it was asked for."""

    def __init__(self, environment: Environment, fleet: Fleet | None = None) -> None:
        self.environment = environment
        self.fleet = fleet or loading(environment)
        self.started = 0
        self.stopped = 0
        self.refreshed = 0
        self.watching: list[str | None] = []
        self._observers: list[Callable[[Fleet], None]] = []

    def start(self) -> None:
        """Say what is known, once."""
        self.started += 1
        self.publish(self.fleet)

    def stop(self) -> None:
        """Say no more."""
        self.stopped += 1

    def latest(self) -> Fleet:
        """The newest snapshot."""
        return self.fleet

    def now(self) -> datetime | None:
        """The frozen moment."""
        return self.fleet.now

    def subscribe(self, observed: Callable[[Fleet], None]) -> Callable[[], None]:
        """Call `observed` at each publication."""
        self._observers.append(observed)
        return lambda: self._observers.remove(observed)

    def refresh(self) -> None:
        """Count it."""
        self.refreshed += 1

    def watch(self, service: str | None) -> None:
        """Remember it."""
        self.watching.append(service)

    def publish(self, fleet: Fleet) -> None:
        """A new snapshot."""
        self.fleet = fleet
        for observed in list(self._observers):
            observed(fleet)


def console(
    *fleets: Fleet,
    start: str | None = "prod",
    theme: str = "bytereview-dark",
    keymap: Mapping[str, str] | None = None,
    folders: tuple[Path, ...] = (),
    problems: tuple[str, ...] = (),
) -> Console:
    """A console on sample fleets, one an environment."""
    shown = fleets or (canary(),)
    return Console(
        tuple(fleet.environment for fleet in shown),
        {fleet.environment.name: SampleFeed(fleet.environment, fleet) for fleet in shown},
        start,
        theme,
        folders,
        keymap or {},
        any(fleet.simulated for fleet in shown),
        "read-only",
        problems,
    )


def wall() -> tuple[Fleet, Fleet, Fleet]:
    """Three environments in three states."""
    return healthy(DEV), partial(STAGING), canary(PROD)
