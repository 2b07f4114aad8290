"""An in-memory Cloud Run for the release engine: v1 and v2, with and without etags enforced, and faults at every step.

Its rules are its own, as the server's are: it takes whole traffic lists, counts generations, reconciles after a while
and can fail to. Every accepted write is kept in `accepted`, in order.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fakes import Ports

from brconsole.domain.decision import Actor, Heartbeat
from brconsole.domain.environment import Environment, PlanStep, RolloutPlan
from brconsole.domain.fleet import RequestSeries
from brconsole.domain.intent import ANNOTATION, Rollout, intent_of, parse
from brconsole.domain.series import Series
from brconsole.domain.service import Revision, Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.operations.agent import Agent
from brconsole.operations.evidence import EvidenceReader
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import Gateway
from brconsole.operations.journal import INTENT, OUTCOME, Entry, JournalFailure, entry_document
from brconsole.operations.modes import Modes
from brconsole.operations.ports import Cloud, LiveService
from brconsole.operations.rollback import Rollbacks
from brconsole.operations.rollouts import Releases
from brconsole.operations.traffic import Shifts
from brconsole.operations.trail import Trail

START = datetime(2026, 11, 23, 14, 0, 0, tzinfo=UTC)
STABLE, CANARY, OLD = "api-00041-abc", "api-00042-def", "api-00040-xyz"


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class VirtualTime:
    """Real and service time in one, which passes only when nothing else can happen."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.simulated = True
        self.seconds = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._order), waiting))
        await waiting

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds * self.speed)

    async def synchronise(self) -> None:
        return None

    def skew_s(self) -> float | None:
        return None

    def wake(self) -> bool:
        """Let time pass to the next sleeper; whether there was one."""
        while self._sleepers:
            at, _, waiting = heapq.heappop(self._sleepers)
            if not waiting.done():
                self.seconds = max(self.seconds, at)
                waiting.set_result(None)
                return True
        return False

    async def until_done(self, *works: Awaitable[Any]) -> list[Any]:
        """Run to the end, letting time pass whenever everybody waits."""
        tasks = [asyncio.ensure_future(work) for work in works]
        while not all(task.done() for task in tasks):
            await quiet()
            if not all(task.done() for task in tasks) and not self.wake():
                await asyncio.sleep(0)
        return [task.result() for task in tasks]


async def quiet() -> None:
    """Until everybody waits for something that only the test can give."""
    ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - the loop's own queue is what is waited for
        await asyncio.sleep(0)


@dataclass
class Accepted:
    """A write that the server took."""

    who: str
    traffic: tuple[TrafficTarget, ...]
    before: dict[str, int]
    after: dict[str, int]
    record_before: Rollout | None
    record: Rollout | None
    at: datetime
    base: LiveService | None
    conditional: bool


@dataclass
class FakeRun:
    """The server. `api` says how writes are checked: `v1`, `v2` (etag enforced) or `v2-unenforced`."""

    time: VirtualTime = field(default_factory=VirtualTime)
    api: str = "v1"
    reconcile_s: float = 3.0
    services: dict[str, Service] = field(default_factory=dict)
    revisions_by_service: dict[str, tuple[Revision, ...]] = field(default_factory=dict)
    accepted: list[Accepted] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, list[BaseException]] = field(default_factory=dict)
    """By step: `read`, `write.before`, `write.after`, `unread.before`, `unread.after`, `act_as`, `list`, `revisions`.
    """
    never_reconciles: bool = False
    reconcile_fails: bool = False
    may_act: bool | None = True
    at_step: Callable[[str], Awaitable[None]] | None = None
    _done_at: dict[str, float] = field(default_factory=dict)

    def add(self, name: str = "api", split: Mapping[str, int] | None = None, **changes: Any) -> Service:
        """A service with an old, a stable and a newer ready revision; stable serves everything."""
        names = [f"{name}-00040-xyz", f"{name}-00041-abc", f"{name}-00042-def"]
        self.revisions_by_service[name] = tuple(
            Revision(
                revision,
                name,
                f"image/{revision}",
                f"sha256:{index:012x}",
                START - timedelta(days=3 - index),
                True,
                service_account="run@example.com",
            )
            for index, revision in reversed(list(enumerate(names)))
        )
        targets = tuple(TrafficTarget(of, share) for of, share in (split or {names[1]: 100}).items())
        settings: dict[str, Any] = {
            "uri": None,
            "ready": True,
            "reason": None,
            "reconciling": False,
            "generation": 1,
            "observed_generation": 1,
            "etag": "v1",
            "created": START - timedelta(days=90),
            "updated": START - timedelta(hours=3),
            "last_modifier": "pipeline@example.com",
            "latest_ready": names[2],
            "latest_created": names[2],
            "desired": targets,
            "serving": targets,
            **changes,
        }
        self.services[name] = Service(name, **settings)
        return self.services[name]

    async def step(self, name: str) -> None:
        """One point at which a fault or another actor may come in between."""
        self.calls.append(name)
        if self.at_step is not None:
            await self.at_step(name)
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def live(self, name: str) -> Service:
        """The service now, reconciled as far as it is."""
        service = self.services.get(name)
        if service is None:
            raise SourceFailure(FailureKind.NOT_FOUND, "Cloud Run", name, "no such service")
        done_at = self._done_at.get(name)
        if service.reconciling and done_at is not None and self.time.seconds >= done_at and not self.never_reconciles:
            served = service.serving if self.reconcile_fails else service.desired
            reason = "the revision did not come up" if self.reconcile_fails else None
            service = replace(
                service, reconciling=False, observed_generation=service.generation, serving=served, reason=reason
            )
            self.services[name] = service
        return service

    def put(
        self,
        name: str,
        who: str,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        base: LiveService | None = None,
        *,
        conditional: bool = False,
    ) -> None:
        """Take a write, with the server's own checks of the list."""
        service = self.live(name)
        known = {revision.name for revision in self.revisions_by_service[name]}
        if sum(target.percent for target in traffic) != 100:
            raise SourceFailure(FailureKind.INVALID, "Cloud Run", name, "Traffic targets do not sum to 100")
        for target in traffic:
            if target.revision is not None and target.revision not in known:
                raise SourceFailure(
                    FailureKind.INVALID, "Cloud Run", name, f"Revision '{target.revision}' does not exist or is deleted"
                )
        merged = {**service.annotations, **annotations}
        after = replace(
            service,
            desired=tuple(traffic),
            annotations={key: text for key, text in merged.items() if text is not None},
            generation=service.generation + 1,
            etag=f"v{service.generation + 1}",
            reconciling=True,
            updated=self.time.now(),
            last_modifier=who,
        )
        self.services[name] = after
        self._done_at[name] = self.time.seconds + self.reconcile_s
        if self.reconcile_s == 0:
            self.live(name)
        self.accepted.append(
            Accepted(
                who,
                tuple(traffic),
                service.desired_split(),
                after.desired_split(),
                _record(service),
                _record(after),
                self.time.now(),
                base,
                conditional,
            )
        )

    def by_hand(self, name: str, split: Mapping[str, int], who: str = "person@example.com") -> None:
        """`gcloud run services update-traffic`: tags and annotations stay."""
        tags = [target for target in self.live(name).desired if target.tag]
        arms = [TrafficTarget(revision, share) for revision, share in split.items()]
        self.put(name, who, (*arms, *(replace(tag, percent=0) for tag in tags)), {})

    def deploy(self, name: str, revision: str) -> None:
        """A new revision while traffic names others: it gets nothing."""
        service = self.live(name)
        new = replace(
            self.revisions_by_service[name][0], name=revision, digest=f"sha256:{abs(hash(revision)):012x}"[:19]
        )
        self.revisions_by_service[name] = (new, *self.revisions_by_service[name])
        self.services[name] = replace(
            service,
            latest_created=revision,
            latest_ready=revision,
            generation=service.generation + 1,
            observed_generation=service.generation + 1,
            etag=f"v{service.generation + 1}",
            last_modifier="pipeline@example.com",
        )


def _record(service: Service) -> Rollout | None:
    state = intent_of(service)
    return state if isinstance(state, Rollout) else None


@dataclass
class Writer:
    """One client's way to the server (a `TrafficWriter`), and its list (a `CloudRun`)."""

    run: FakeRun
    who: str = "operator@example.com"
    good: dict[str, LiveService] = field(default_factory=dict)

    @property
    def conditional(self) -> bool:
        return self.run.api != "v2-unenforced"

    async def read(self, service: str) -> LiveService:
        await self.run.step("read")
        live = self.run.live(service)
        read = LiveService(live, live.etag, self.run.time.now())
        self.good[service] = read
        return read

    async def write(
        self, base: LiveService, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> datetime:
        name = base.service.name
        await self.run.step("write.before")
        if self.conditional and self.run.live(name).etag != base.version:
            raise SourceFailure(
                FailureKind.CONFLICT, "Cloud Run", name, f"version '{base.version}' is not the current one"
            )
        self.run.put(name, self.who, traffic, annotations, base, conditional=self.conditional)
        await self.run.step("write.after")
        return self.run.time.now()

    async def write_unread(
        self, service: str, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> datetime:
        await self.run.step("unread.before")
        self.run.put(service, self.who, traffic, annotations)
        await self.run.step("unread.after")
        return self.run.time.now()

    async def may_act_as(self, service_account: str) -> bool | None:
        await self.run.step("act_as")
        return self.run.may_act

    async def services(self) -> tuple[Service, ...]:
        await self.run.step("list")
        return tuple(self.run.live(name) for name in sorted(self.run.services))

    async def revisions(self) -> Mapping[str, tuple[Revision, ...]]:
        await self.run.step("revisions")
        return dict(self.run.revisions_by_service)


@dataclass
class MemoryJournal:
    """The journal without a disk, for thousands of runs; `full` refuses what is written."""

    written: list[Entry] = field(default_factory=list)
    full: bool = False
    sent_until: int = 0

    def append(self, kind: str, fields: Mapping[str, object], at: datetime | None) -> Entry:
        if self.full:
            raise JournalFailure("cannot write the journal /state/journal.jsonl: No space left on device; make room")
        entry = Entry(entry_document(kind, fields, at, "0" * 64))
        self.written.append(entry)
        return entry

    def entries(self, environment: str | None = None, service: str | None = None) -> Iterator[Entry]:
        return (
            entry
            for entry in list(self.written)
            if (environment is None or entry.document.get("environment") == environment)
            and (service is None or entry.document.get("service") == service)
        )

    def open_intents(self, environment: str) -> list[Entry]:
        settled = {entry.text("intent") for entry in self.entries(environment) if entry.kind == OUTCOME}
        return [entry for entry in self.entries(environment) if entry.kind == INTENT and entry.id not in settled]

    def unsent(self, environment: str, most: int) -> tuple[list[Entry], int]:
        found = self.written[self.sent_until : self.sent_until + most]
        return found, self.sent_until + len(found)

    def sent(self, environment: str, position: int) -> None:
        self.sent_until = max(self.sent_until, position)


@dataclass
class CloudLog:
    """`brconsole-audit`: takes each id once; `failing` is raised instead."""

    entries: dict[str, Mapping[str, object]] = field(default_factory=dict)
    failing: BaseException | None = None
    batches: int = 0

    async def write(self, entries: Sequence[Mapping[str, object]]) -> None:
        self.batches += 1
        if self.failing is not None:
            raise self.failing
        for entry in entries:
            self.entries.setdefault(str(entry["id"]), entry)


@dataclass
class Signals:
    """The signs of life of those who drive (a `Beacon`)."""

    beats: list[Heartbeat] = field(default_factory=list)
    late: dict[str, list[float]] = field(default_factory=dict)
    failing: BaseException | None = None

    async def heartbeat(self, beat: Heartbeat) -> None:
        if self.failing is not None:
            raise self.failing
        self.beats.append(beat)

    async def overdue(self, service: str, seconds: float, at: datetime) -> None:
        self.late.setdefault(service, []).append(seconds)

    async def heartbeats(self, at: datetime) -> tuple[Heartbeat, ...]:
        return tuple(self.beats)


@dataclass
class Arms:
    """What the gates read (a `GateMetrics`): steady arms, a minute at a time."""

    canary_errors: float = 0.0
    """Share of the canary's requests that fail."""
    slow: float = 0.0
    per_minute: float = 600.0
    failing: BaseException | None = None
    calls: int = 0
    jobs_failed: float = 0.0

    async def gate_requests(
        self, service: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        return self._rows(service, end, window_s, self.canary_errors)

    async def slow_requests(
        self, service: str, threshold_ms: float, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, RequestSeries]:
        return self._rows(service, end, window_s, self.slow)

    async def job_outcomes(self, worker: str, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        self.calls += 1
        if self.failing is not None:
            raise self.failing
        minutes = window_s // 60
        return {
            "complete": Series(end, 60, (self.per_minute * (1 - self.jobs_failed),) * minutes),
            "failed": Series(end, 60, (self.per_minute * self.jobs_failed,) * minutes),
        }

    def _rows(self, service: str, end: datetime, window_s: int, bad: float) -> Mapping[str, RequestSeries]:
        self.calls += 1
        if self.failing is not None:
            raise self.failing
        minutes = window_s // 60

        def arm(share: float) -> RequestSeries:
            asked = Series(end, 60, (self.per_minute,) * minutes)
            return RequestSeries(asked, Series(end, 60, (round(self.per_minute * share),) * minutes))

        return {f"{service}-00041-abc": arm(0.0), f"{service}-00042-def": arm(bad)}


@dataclass
class Session:
    """One console, pipeline or agent on a server: everything that a face is handed."""

    run: FakeRun
    who: str = "operator@example.com"
    headless: bool = False
    read_only: bool | None = False
    environment: Environment = field(default_factory=lambda: environment())  # noqa: PLW0108 - defined further down
    arms: Arms = field(default_factory=Arms)
    signals: Signals = field(default_factory=Signals)
    ports: Ports = field(default_factory=Ports)
    journal: Any = field(default_factory=MemoryJournal)
    log: CloudLog | None = None
    reader: Any = None
    """Evidence by other means than the ports."""
    migration_reader: Any = None
    """The migration job, where there is one."""

    def __post_init__(self) -> None:
        time = self.run.time
        self.writer = Writer(self.run, self.who)
        self.looks: list[float] = []
        self.cloud: Cloud = replace(
            self.ports.cloud(billing=False),
            run=self.writer,
            gate_metrics=self.arms,
            writer=self.writer,
            audit_writer=self.log,
            beacon=self.signals,
            migrations=self.migration_reader,
            migration_proofs=self.migration_reader,
        )
        self.modes = Modes(self.environment, self.read_only, timing=time)
        self.trail = Trail(self.environment, self.journal, self.who, self.log, timing=time, blocking=inline)
        self.gateway = Gateway(
            self.environment,
            self.writer,
            time,
            self.trail,
            self.modes,
            observe=lambda: self.looks.append(time.seconds),
            timing=time,
        )
        evidence = self.reader or EvidenceReader(self.environment, self.cloud, timing=time)
        actor = Actor(self.who, self.headless)
        self.releases = Releases(
            self.environment, self.gateway, evidence, actor, time, beacon=self.signals, timing=time
        )
        self.rollbacks = Rollbacks(self.environment, self.gateway, self.cloud, actor, timing=time)
        self.shifts = Shifts(self.environment, self.gateway, evidence)
        self.agent = Agent(self.environment, self.releases, self.cloud, time, timing=time)

    async def do(self, work: Awaitable[Any]) -> Any:
        """Run one thing to its end, in virtual time."""
        (result,) = await self.run.time.until_done(work)
        return result


def environment(**changes: Any) -> Environment:
    """prod with a plan of 5, 50 and 100 %."""
    settings: dict[str, Any] = {
        "protected": True,
        "release_group": ("api", "frontend", "worker-*"),
        "plan": RolloutPlan((PlanStep(5, 900), PlanStep(50, 900), PlanStep(100, 300)), 4 * 3600),
        **changes,
    }
    return Environment("prod", "bytereview-prod", "us-central1", **settings)


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    """Blocking work done at once."""
    return function(*arguments)


def unavailable(reason: str = "connection lost") -> SourceFailure:
    return SourceFailure(FailureKind.UNAVAILABLE, "Cloud Run", "api", reason)


def quota() -> SourceFailure:
    return SourceFailure(FailureKind.QUOTA, "Cloud Run", "api", "read quota spent")


def record_of(service: Service) -> Rollout:
    """The rollout that a service's annotation records; it must be one."""
    state = parse(service.annotations[ANNOTATION])
    assert isinstance(state, Rollout), state
    return state
