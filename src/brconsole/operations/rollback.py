"""Rollback: where to, whether it can, and doing it, for one service or the whole release group.

    card = await rollbacks.card("api", fleet)            # what `B` opens, and what is pre-checked all the time
    made = await rollbacks.propose("api", reason)        # a Proposal on the card's target
    rollbacks.arm(made)                                  # `a`, in an environment that is read-only by default
    outcome = await gateway.send(made, BY_KEY)           # `y`
    group = await rollbacks.propose_group(reason); outcome = await rollbacks.send_group(group, by_name("prod"))

Only Cloud Run's write is needed. Monitoring, Logging and the journal's history make the card better where they answer
in time; none of them, nor a read of the service, is waited for longer than a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from brconsole.domain import undo
from brconsole.domain.decision import Actor, Wait, Write
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.intent import PREV_TAG, UNKNOWN_REVISION, Phase, Rollout, intent_of
from brconsole.domain.job import repository_of
from brconsole.domain.migration_proof import reads_of, recorded_reads
from brconsole.domain.migration_view import MigrationView
from brconsole.domain.plan import Base, Confirmation, Plan, base_of, confirmation
from brconsole.domain.rates import service_rates
from brconsole.domain.service import Change, Revision, Service
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget
from brconsole.domain.undo import (
    NoTarget,
    RollbackProgress,
    RollbackTarget,
    SchemaFit,
    TargetSource,
    rollback_target,
    schema_fit,
)
from brconsole.operations.emergency import Rollback
from brconsole.operations.gateway import (
    EMERGENCY_READ_S,
    SERVED_WITHIN_S,
    Gateway,
    Progress,
    Proposal,
    WriteAction,
    propose_rollback,
)
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind, worst
from brconsole.operations.ports import Cloud, LiveService
from brconsole.operations.reading import closed_minute
from brconsole.operations.timing import RealTiming, Timing, within

BESIDE_S = 1.0
"""Real seconds that a rollback waits for what is good to know: revisions, history, permission."""
KNOWN_FRESH = timedelta(minutes=10)
"""An observed service that is older is not worth being shown as the present."""
HISTORY_SINCE = timedelta(days=30)
HISTORY_LIMIT = 50
HISTORY_KEPT_S = 30.0
"""Real seconds in which the audit log is not asked again, whether it answered or not."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked of a target; `ok` is None where it is not known, which stops nothing."""

    name: str
    ok: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class RollbackCard:
    """What a person sees before a rollback."""

    service: str
    target: RollbackTarget | NoTarget
    before: Mapping[str, int] | None
    """Percent by revision that is asked for now, None where the service could not be read."""
    checks: tuple[Check, ...]
    next_deploy: str
    as_of: datetime | None

    @property
    def ready(self) -> bool:
        """Whether nothing that is known speaks against it."""
        return isinstance(self.target, RollbackTarget) and all(check.ok is not False for check in self.checks)


@dataclass(frozen=True, slots=True)
class GroupProposal:
    """The rollbacks of a release group, put to a person as one act."""

    proposals: tuple[Proposal, ...]
    settled: tuple[Outcome, ...]
    """Services with nothing to do, or without a target."""
    confirmation: Confirmation

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plans, for arming and for the dialog."""
        return tuple(made.plan for made in self.proposals)


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """How a group's rollback ended, service by service."""

    outcomes: tuple[Outcome, ...]
    left: tuple[Outcome, ...] = ()
    """Services that have nowhere to go back to: said, but no failure of the act."""

    @property
    def kind(self) -> OutcomeKind:
        """The worst of them."""
        return worst(self.outcomes or self.left)

    @property
    def exit_status(self) -> int:
        """The command's exit status."""
        return Outcome(self.kind, "").exit_status

    @property
    def sentence(self) -> str:
        """All of them in one line."""
        good = sum(outcome.good for outcome in self.outcomes)
        rest = [outcome.sentence for outcome in (*self.outcomes, *self.left) if not outcome.good]
        return "; ".join((f"{good} of {len(self.outcomes)} services rolled back", *rest))


class Rollbacks:
    """The rollbacks of one environment in one session. All methods belong to one loop."""

    def __init__(
        self,
        environment: Environment,
        gateway: Gateway,
        cloud: Cloud,
        actor: Actor,
        *,
        fleet: Callable[[], Fleet | None] | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.environment = environment
        self.gateway = gateway
        self.actor = actor
        self._cloud = cloud
        self._fleet = fleet or _no_fleet
        self._timing = timing or RealTiming()
        self._changes: tuple[float, tuple[Change, ...] | None] = (float("-inf"), None)

    # ------------------------------------------------------------------------------------------------------- the card

    async def card(self, service: str, to: str | None = None) -> RollbackCard:
        """The target and its checks, from what is observed where that is fresh, else read."""
        known = await self._known(service)
        target = rollback_target_of(known, service, to)
        checks = await self._checks(known, target)
        before = None if known.service is None else known.service.desired_split()
        name = target.revision if isinstance(target, RollbackTarget) else "the target"
        return RollbackCard(service, target, before, checks, undo.next_deploy(name), known.as_of)

    async def _checks(self, known: _Known, target: RollbackTarget | NoTarget) -> tuple[Check, ...]:
        if isinstance(target, NoTarget):
            choices = f"; ready are: {', '.join(target.choices)}" if target.choices else ""
            return (Check("target", False, target.reason + choices),)
        found = next((revision for revision in known.revisions or () if revision.name == target.revision), None)
        return (
            Check("exists", target.exists, _three(target.exists, "exists", "does not exist", "not known to exist")),
            Check("ready", target.ready, _three(target.ready, "ready", "not ready", "not known to be ready")),
            self._tagged(known.service, target.revision),
            self._warm(known.service, found, target.revision),
            _schema(known, found, target.revision),
            await self._act_as(found),
        )

    def _tagged(self, service: Service | None, target: str) -> Check:
        if service is None:
            return Check("tag", None, "tags are not known")
        tagged = any(entry.tag == PREV_TAG and entry.revision == target for entry in service.desired)
        return Check("tag", tagged or None, f"tagged {PREV_TAG}" if tagged else f"not tagged {PREV_TAG}")

    def _warm(self, service: Service | None, found: Revision | None, target: str) -> Check:
        """Whether instances run: only a revision with traffic is known to have some (facts §1.4)."""
        share = 0 if service is None else service.serving_split().get(target, 0)
        if share:
            return Check("warm", True, f"warm: serves {share} %")
        least = "" if found is None or not found.min_instances else f" (min instances {found.min_instances})"
        return Check("warm", None, f"cold: serves nothing now, the first requests wait for a start{least}")

    async def _act_as(self, found: Revision | None) -> Check:
        if found is None or not found.service_account:
            return Check("actAs", None, "the target's identity is not known")
        may = await self.gateway.may_act_as(found.service_account)
        words = _three(may, "actAs granted", f"no actAs on {clean(found.service_account, 100)}", "actAs not known")
        return Check("actAs", may, words)

    # ------------------------------------------------------------------------------------------------------ proposing

    async def propose(self, service: str, reason: str, to: str | None = None) -> Proposal | Outcome:
        """The rollback of a service. `to` is a person's choice; else the recorded stable, the tag `prev`, or the last
        that served everything.
        """
        refused = self.gateway.refusal(WriteAction.ROLLBACK, service)
        if refused is not None:
            return refused
        return self._proposed(await self._known(service), service, reason, to)

    async def propose_group(self, reason: str, services: tuple[str, ...] | None = None) -> GroupProposal | Outcome:
        """The rollbacks of the release group: every service of it that has somewhere to go back to."""
        refused = self.gateway.refusal(WriteAction.ROLLBACK)
        if refused is not None:
            return refused
        names = services or await self._group()
        if not names:
            text = f"no service of the release group of {self.environment.name} is known; name them one by one"
            return Outcome(OutcomeKind.UNREACHABLE, text)
        known = await asyncio.gather(*(self._known(name) for name in names))
        made = [self._proposed(part, name, reason, None) for part, name in zip(known, names, strict=True)]
        level = confirmation(self.environment, moves_traffic=True, emergency=True, whole_group=True)
        proposals = tuple(
            replace(part, plan=replace(part.plan, confirmation=level)) for part in made if isinstance(part, Proposal)
        )
        return GroupProposal(proposals, tuple(part for part in made if isinstance(part, Outcome)), level)

    def _proposed(self, known: _Known, name: str, reason: str, to: str | None) -> Proposal | Outcome:
        target = rollback_target_of(known, name, to)
        if isinstance(target, NoTarget):
            choices = f"; ready are: {', '.join(target.choices)}" if target.choices else ""
            text = f"{name}: nothing to roll back to: {target.reason}{choices}; name one with --to REVISION"
            kind = OutcomeKind.UNREACHABLE if known.service is None else OutcomeKind.REFUSED
            return Outcome(kind, text, name)
        if target.exists is False:
            text = f"{name}: {clean(target.revision, 63)} does not exist any more"
            return Outcome(OutcomeKind.REFUSED, text, name)
        order = Rollback(name, target, self.actor, reason, known.revisions or ())
        found = next((revision for revision in known.revisions or () if revision.name == target.revision), None)
        schema = _schema(known, found, target.revision)
        loud = (f"{name}: {schema.text}: it may fail on this database",) if schema.ok is False else ()
        notes = (*loud, *target.skipped)
        if known.service is not None and known.as_of is not None:
            decided = order.decide(known.service, known.as_of)
            if isinstance(decided, Write) or (isinstance(decided, Wait) and known.live):
                return propose_rollback(
                    self.environment,
                    WriteAction.ROLLBACK,
                    known.service,
                    decided,
                    order,
                    requests_per_s=self._rate(name),
                    notes=notes,
                )
            if known.live:
                split = known.service.desired_split()
                return Outcome(OutcomeKind.ALREADY_DONE, f"{name}: {decided.reason}", name, split, split)
        return Proposal(self._blind_plan(order, known), None, order, notes=notes)

    def _blind_plan(self, order: Rollback, known: _Known) -> Plan:
        """The plan of a rollback whose service could not be read: before is unknown, and shown as such."""
        after = (TrafficTarget(order.target.revision, 100),)
        nothing = Base(etag="", generation=0, seq=None, annotation=None, desired=(), latest_ready=None)
        base = nothing if known.service is None else base_of(known.service)
        return Plan(
            WriteAction.ROLLBACK.value,
            self.environment.name,
            self.environment.project,
            self.environment.region,
            order.service,
            base,
            after,
            None,
            clean(order.reason, 500),
            None,
            confirmation(self.environment, moves_traffic=True, emergency=True),
            emergency=True,
        )

    # -------------------------------------------------------------------------------------------------------- sending

    def arm(self, made: Proposal | GroupProposal) -> Outcome | None:
        """Arm this one act where the environment is read-only by default; None where it is armed (or need not be)."""
        if self.gateway.modes.state().writable:
            return None
        plans = made.plans if isinstance(made, GroupProposal) else (made.plan,)
        why = self.gateway.modes.arm(plans)
        return None if why is None else Outcome(OutcomeKind.REFUSED, why)

    async def send_group(
        self,
        group: GroupProposal | Outcome,
        confirmed: Confirmed,
        progress: Progress | None = None,
        wait_s: float = SERVED_WITHIN_S,
    ) -> GroupOutcome:
        """Send all of them at once; each is verified by itself, and the failure of one stops no other."""
        if isinstance(group, Outcome):
            return GroupOutcome((group,))
        sent = await asyncio.gather(*(self.gateway.send(made, confirmed, progress, wait_s) for made in group.proposals))
        left = tuple(outcome for outcome in group.settled if outcome.kind is OutcomeKind.REFUSED)
        return GroupOutcome((*sent, *(outcome for outcome in group.settled if outcome not in left)), left)

    async def rollback(
        self,
        service: str,
        confirmed: Confirmed,
        reason: str,
        *,
        to: str | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """`brconsole rollback`."""
        return await self.gateway.send(await self.propose(service, reason, to), confirmed, progress)

    # ------------------------------------------------------------------------------------------------------- draining

    async def drained(self, service: str, target: str, served_since: datetime) -> RollbackProgress | Outcome:
        """How far a rollback is: serving, and whether the other revisions' requests have ended.

        Told by the newest closed minute that began after serving matched, so about four minutes later at the earliest.
        """
        try:
            live = await self.gateway.read(service)
        except Exception as error:  # noqa: BLE001 - what cannot be read is not known to be drained
            return Outcome(OutcomeKind.UNREACHABLE, f"{service}: {clean(str(error), 300)}", service)
        others = await self._others_requests(service, target, served_since, live.server_time)
        return undo.progress(live.service, target, others)

    async def _others_requests(self, service: str, target: str, since: datetime, now: datetime) -> int | None:
        end = closed_minute(now)
        metrics = self._cloud.gate_metrics
        if metrics is None or end - timedelta(seconds=60) < since:
            return None
        rows = await self._beside(metrics.gate_requests(service, end, 60, 60))
        if rows is None:
            return None
        return round(sum(sum(row.requests.known_until(end, 60)) for name, row in rows.items() if name != target))

    # --------------------------------------------------------------------------------------------------- what is known

    async def _known(self, service: str) -> _Known:
        """The service, its revisions and its history, each as far as it answers within a moment."""
        fleet = self._fleet()
        live, revisions, migration = await asyncio.gather(
            self._live(service), self._revisions(service, fleet), self._migration(fleet)
        )
        good = live or self.gateway.last_good(service)
        if good is not None:
            known = _Known(good.service, good.server_time, revisions, None, migration, live=live is not None)
        else:
            seen = None if fleet is None else fleet.service(service)
            as_of = fleet.services.as_of if fleet is not None and seen is not None else None
            known = _Known(seen, as_of, revisions, None, migration)
        if _says_its_target(known.service):
            return known
        return replace(known, history=await self._history(service, fleet))

    async def _live(self, service: str) -> LiveService | None:
        try:
            return await within(self.gateway.read(service), EMERGENCY_READ_S, self._timing)
        except Exception:  # noqa: BLE001 - no failure to read stops a rollback
            return None

    async def _revisions(self, service: str, fleet: Fleet | None) -> tuple[Revision, ...] | None:
        if fleet is not None and fleet.revisions.fresh(fleet.now, KNOWN_FRESH) and fleet.revisions.value is not None:
            return fleet.revisions.value.get(service, ())
        listed = await self._beside(self._cloud.run.revisions())
        return None if listed is None else listed.get(service, ())

    async def _migration(self, fleet: Fleet | None) -> MigrationView | None:
        """What is known of the schema: as observed, however long ago, else as it can be read in a moment."""
        if fleet is not None and fleet.migration.value is not None:
            return fleet.migration.value
        reader = self._cloud.migrations
        return None if reader is None else await self._beside(reader.read())

    async def _history(self, service: str, fleet: Fleet | None) -> tuple[str, ...] | None:
        """The revisions that served 100 %, newest first: by this machine's journal, then by the audit log."""
        own = await self._beside(self.gateway.trail.entries(service))
        found = [
            (entry.at, name)
            for entry in own or ()
            if entry.kind == "outcome"
            and entry.text("result") == OutcomeKind.DONE.value
            and entry.at is not None
            and (name := _all_of(entry.split_after)) is not None
        ]
        now = self.gateway.now()
        changes = None if fleet is None else fleet.changes.value
        if changes is None and now is not None:
            changes = await self._audited(now)
        found += [
            (change.at, name)
            for change in changes or ()
            if change.service == service and (name := _all_of(change.split)) is not None
        ]
        if own is None and changes is None:
            return None
        newest = sorted(found, key=lambda one: one[0], reverse=True)
        return tuple(dict.fromkeys(name for _, name in newest))

    async def _audited(self, now: datetime) -> tuple[Change, ...] | None:
        """The audit log's changes, asked for once in a while: a log that is down costs the card a moment, no key."""
        at, known = self._changes
        if self._timing.monotonic() - at > HISTORY_KEPT_S:
            known = await self._beside(self._cloud.audit.changes(now - HISTORY_SINCE, HISTORY_LIMIT))
            self._changes = self._timing.monotonic(), known
        return known

    async def _group(self) -> tuple[str, ...]:
        fleet = self._fleet()
        services = fleet.services.value if fleet is not None else None
        if services is None:
            services = await self._beside(self._cloud.run.services(), EMERGENCY_READ_S)
        return tuple(service.name for service in services or () if self.environment.in_release_group(service.name))

    async def _beside(self, work: Awaitable[T], seconds: float = BESIDE_S) -> T | None:
        """What is good to know, None where it does not come in time."""

        async def asked() -> T:
            return await work

        try:
            return await within(asked(), seconds, self._timing)
        except Exception:  # noqa: BLE001 - nothing of this may stop a rollback
            return None

    def _rate(self, service: str) -> float | None:
        fleet = self._fleet()
        return None if fleet is None else service_rates(fleet, service).requests_per_s


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a service for a rollback; None is "could not be read"."""

    service: Service | None
    as_of: datetime | None
    revisions: tuple[Revision, ...] | None
    history: tuple[str, ...] | None
    migration: MigrationView | None = None
    live: bool = False
    """Whether the service was read just now."""


def rollback_target_of(known: _Known, name: str, to: str | None) -> RollbackTarget | NoTarget:
    """The target by what is known; a named one is taken at its word where nothing is."""
    if known.service is not None:
        return rollback_target(known.service, intent_of(known.service), known.history, known.revisions, to)
    exists = None if known.revisions is None else any(revision.name == to for revision in known.revisions)
    if to is not None:
        return RollbackTarget(to, TargetSource.NAMED, exists, None, serves_all=False)
    choices = tuple(revision.name for revision in known.revisions or () if revision.ready)
    return NoTarget(f"{name} could not be read and was not seen before", choices)


def _says_its_target(service: Service | None) -> bool:
    """Whether the service's own record names the target, so that no history is asked for."""
    record = None if service is None else intent_of(service)
    if service is None or not isinstance(record, Rollout) or record.phase is Phase.RELEASED:
        return False
    return undo.in_force(record, service)


def _schema(known: _Known, found: Revision | None, target: str) -> Check:
    """Whether the target can live with the database as it is. It stops no rollback: it is said."""
    recorded = None if known.service is None else recorded_reads(known.service, target)
    view = known.migration
    if view is None or view.job is None:
        if recorded is None:
            return Check("schema", None, "no schema is recorded")
        return _fit(schema_fit(None, recorded))
    same = found is not None and repository_of(found.image) == repository_of(view.job.image)
    if not same and recorded is None:
        return Check("schema", None, "no schema is recorded")
    reads = reads_of(found.digest if found is not None and same else None, recorded, view.reports)
    return _fit(schema_fit(view.live, reads))


def _fit(found: SchemaFit) -> Check:
    return Check("schema", found.fits, found.text)


def _three(known: bool | None, yes: str, no: str, unknown: str) -> str:
    return unknown if known is None else yes if known else no


def _all_of(split: Mapping[str, int] | None) -> str | None:
    whole = [name for name, share in (split or {}).items() if share == 100]
    return whole[0] if whole and whole[0] != UNKNOWN_REVISION else None


def _no_fleet() -> Fleet | None:
    return None
