"""A desk that a test answers for, and releases as they may stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import samples

from brconsole.domain.decision import Actor, Evidence, Wait
from brconsole.domain.environment import Environment, GateSettings, PlanStep
from brconsole.domain.findings import findings
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.domain.gates import Gate, GateInputs, Gates
from brconsole.domain.intent import ANNOTATION, Driver, Phase, Rollout, dump, plan_id, traffic_list
from brconsole.domain.judge import Minute, Verdict
from brconsole.domain.plan import Plan, confirmation, plan
from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.domain.undo import RollbackTarget, TargetSource
from brconsole.operations.desk import MigrationSeen, RollBack, RollBackGroup, Seen, Shift, Stage, Watching
from brconsole.operations.emergency import Rollback
from brconsole.operations.gateway import Proposal
from brconsole.operations.journal import Entry, entry_document
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind
from brconsole.operations.rollback import Check, GroupProposal, RollbackCard
from brconsole.operations.rollouts import RolloutView
from brconsole.tui.console import Console

STABLE, NEW = "api-00041-abc", "api-00042-def"
STEPS = (PlanStep(5, 900), PlanStep(50, 900), PlanStep(100, 900))


@dataclass
class Sent:
    """What was handed over to be sent, and how to say what becomes of it."""

    made: Any
    confirmed: Confirmed
    told: Callable[[Stage, str], None]
    ended: Callable[[Any], None]


@dataclass
class FakeDesk:
    """Keeps what it is asked for; answers with what the test gives it, at once or when it is told to."""

    environment: Environment
    fleet: Fleet
    answer: Callable[[Any, str], Any] | None = None
    """None: the answer is still to come."""
    asked: list[Any] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    waiting: list[Callable[[Any], None]] = field(default_factory=list)
    sights: dict[str, Seen] = field(default_factory=dict)
    entries: tuple[Entry, ...] | str = ()
    watching: list[Watching | None] = field(default_factory=list)
    driven: set[str] = field(default_factory=set)
    looked: list[Callable[[str | None], None]] = field(default_factory=list)
    migrations: MigrationSeen = field(default_factory=MigrationSeen)
    watching_migrations: bool = False

    def start(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def watch(self, watching: Watching | None) -> None:
        """Remember it."""
        self.watching.append(watching)

    def seen(self, service: str) -> Seen:
        """What the test says was seen."""
        return self.sights.get(service, Seen())

    def subscribe(self, looked: Callable[[str | None], None]) -> Callable[[], None]:
        """Call it when the test says so."""
        self.looked.append(looked)
        return lambda: self.looked.remove(looked)

    def propose(self, order: Any, reason: str, answered: Callable[[Any], None]) -> None:
        """Answer as the test wants it."""
        self.asked.append(order)
        self.reasons.append(reason)
        if self.answer is None:
            self.waiting.append(answered)
        else:
            answered(self.answer(order, reason))

    def send(self, made: Any, confirmed: Confirmed, told: Callable[..., None], ended: Callable[[Any], None]) -> None:
        """Keep it."""
        self.sent.append(Sent(made, confirmed, told, ended))

    def read_journal(self, service: str | None, answered: Callable[[Any], None]) -> None:
        """What the test wrote."""
        answered(self.entries)

    def watch_migrations(self, wanted: bool) -> None:
        """Remember it."""
        self.watching_migrations = wanted

    def migration_seen(self) -> MigrationSeen:
        """What the test says was seen."""
        return self.migrations

    def propose_migration(self, order: Any, reason: str, answered: Callable[[Any], None]) -> None:
        """Answer as the test wants it."""
        self.propose(order, reason, answered)

    def send_migration(
        self, made: Any, confirmed: Confirmed, told: Callable[..., None], ended: Callable[[Any], None]
    ) -> None:
        """Keep it."""
        self.send(made, confirmed, told, ended)

    def drive(self, service: str, wanted: bool) -> None:
        """Remember it."""
        self.driven = self.driven | {service} if wanted else self.driven - {service}

    # -- proposals ----------------------------------------------------------------------------------------------------

    def service(self, name: str = "api") -> Service:
        """The service as observed."""
        found = self.fleet.service(name)
        assert found is not None
        return found

    def proposal(self, order: Any, reason: str) -> Any:
        """What the engine would make of an order, near enough for a dialog."""
        if isinstance(order, RollBackGroup):
            made = tuple(self.rollback(name, reason) for name in ("api", "frontend"))
            level = confirmation(self.environment, True, emergency=True, whole_group=True)
            return GroupProposal(made, (), level)
        if isinstance(order, RollBack):
            return self.rollback(order.service, reason, order.to)
        split = dict(order.split) if isinstance(order, Shift) else {STABLE: 50, NEW: 50}
        return Proposal(self.plan(order.service, split, reason, "traffic.shift"))

    def plan(self, name: str, split: Mapping[str, int], reason: str, action: str, *, emergency: bool = False) -> Plan:
        """A plan on the service as observed."""
        service = self.service(name)
        targets = traffic_list(service.desired, split, {}, frozenset())
        level = confirmation(self.environment, True, emergency=emergency)
        return plan(
            action, self.environment, service, targets, reason, level, requests_per_s=400.0, emergency=emergency
        )

    def rollback(self, name: str, reason: str, to: str | None = None) -> Proposal:
        """Everything back."""
        target = to or next(iter(self.service(name).desired_split()))
        order = Rollback(name, RollbackTarget(target, TargetSource.RECORDED, True, True, False), Actor("ana"), reason)
        return Proposal(self.plan(name, {target: 100}, reason, "release.rollback", emergency=True), rollback=order)


def card(target: str = STABLE) -> RollbackCard:
    """A card whose target is ready."""
    return RollbackCard(
        "api",
        RollbackTarget(target, TargetSource.RECORDED, True, True, False),
        {STABLE: 95, NEW: 5},
        (
            Check("ready", True, "ready"),
            Check("actAs", True, "actAs granted"),
            Check("warm", None, "cold: serves nothing"),
        ),
        f"traffic is pinned to {target}: the next deploy gets 0 % until a rollout of it is started",
        samples.NOW - timedelta(seconds=4),
    )


def rollout(phase: Phase = Phase.OBSERVING, **changes: Any) -> Rollout:
    """A rollout at its first step, six minutes old."""
    settings: dict[str, Any] = {
        "id": "r-20260623-1357-7f3",
        "seq": 3,
        "phase": phase,
        "plan": plan_id("prod-canary", STEPS),
        "steps": STEPS,
        "step": 0,
        "stable": STABLE,
        "canary": NEW,
        "step_started": samples.NOW - timedelta(seconds=372),
        "deadline": samples.NOW + timedelta(hours=3),
        "manual": True,
        "driver": Driver("operator@example.com", samples.NOW + timedelta(seconds=70)),
        "reason": "gates pass before the first step",
        **changes,
    }
    return Rollout(**settings)


def released(state: Rollout, fleet: Fleet | None = None, **changes: Any) -> Fleet:
    """The fleet with the record of a rollout on `api`."""
    base = fleet or samples.watched()
    services = tuple(
        replace(one, annotations={ANNOTATION: dump(state)}, latest_created=NEW, **changes) if one.name == "api" else one
        for one in base.services.value or ()
    )
    return replace(base, services=replace(base.services, value=services))


def gates() -> Gates:
    """One of each verdict, with ages."""
    at = samples.NOW - timedelta(seconds=130)
    return Gates(
        (
            Gate("errors", Verdict.PASS, "e-value 0.4, rolls back at 200 · upper bound 0.12 % ≤ 2 % · n = 7,530", at),
            Gate("budget", Verdict.FAIL, "2.4 % of 2 % spent in the last hour", at),
            Gate("migration", Verdict.PASS, "not applicable: no migrations configured", None, applies=False),
            Gate("dwell", Verdict.HOLD, "9:99 left", samples.NOW),
        )
    )


def view(state: Rollout, fleet: Fleet, **changes: Any) -> RolloutView:
    """What a look found."""
    service = fleet.service("api")
    assert service is not None
    minutes = tuple(Minute(70, 0, 1300, 1) for _ in range(6)) + (Minute(70, 9, 1300, 1),) * 3
    inputs = GateInputs(
        GateSettings(), (), NEW, Reading((), samples.NOW), minutes=Reading(minutes, samples.NOW - timedelta(minutes=3))
    )
    settings: dict[str, Any] = {
        "service": service,
        "state": state,
        "decision": Wait(samples.NOW + timedelta(seconds=528), "dwells at 5 % until 14:12:10 UTC", ("budget: spent",)),
        "gates": gates(),
        "findings": findings(state, service, None, samples.NOW),
        "evidence": Evidence(seq=state.seq),
        "inputs": inputs,
        "driver": "operator@example.com",
        "now": samples.NOW - timedelta(seconds=3),
        **changes,
    }
    return RolloutView(**settings)


def entry(kind: str, at: datetime, **fields: Any) -> Entry:
    """An entry of the journal."""
    return Entry(json.loads(json.dumps(entry_document(kind, fields, at, "0" * 64))))


def seen(fleet: Fleet, **changes: object) -> Seen:
    """A look at the rollout of `api` and at its undo target."""
    state = rollout()
    at = samples.NOW - timedelta(minutes=6)
    entries = (
        entry("outcome", at, service="api", result="done", what=f"api: observe: {STABLE} 100 %", who="ana"),
        entry("outcome", at, service="api", result="accepted, not verified", what="api: accepted", who="ana"),
    )
    found = Seen(view(state, fleet), None, card(), samples.NOW - timedelta(seconds=4), entries)
    return replace(found, **changes)  # type: ignore[arg-type]


def acting(
    fleet: Fleet | None = None, *, read_only: bool | None = None, start: str | None = "prod", **desk: Any
) -> tuple[Console, FakeDesk]:
    """A console that can act on prod through a fake desk."""
    shown = fleet or samples.watched()
    environment = shown.environment
    found = FakeDesk(environment, shown, **desk)
    if found.answer is None and "answer" not in desk:
        found.answer = found.proposal
    console = samples.console(shown, start=start)
    modes = {environment.name: Modes(environment, read_only)}
    return replace(console, desks={environment.name: found}, modes=modes), found


def done(text: str = "api: done", kind: OutcomeKind = OutcomeKind.DONE, **changes: Any) -> Outcome:
    """How something ended."""
    return Outcome(kind, text, "api", **changes)


def targets(split: Mapping[str, int]) -> tuple[TrafficTarget, ...]:
    """A traffic list without tags."""
    return tuple(TrafficTarget(name, share) for name, share in split.items())
