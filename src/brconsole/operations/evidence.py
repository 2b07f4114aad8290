"""Gathers what the gates of one service look at: since the start of the step, closed minutes only.

What cannot be read stays without a value, or keeps its last good one with its age: the gates make a hold of both, never
a pass. Answers are kept for the minute that they speak of, so that looking every few seconds asks no more often than
the metrics change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from brconsole.domain import freeze
from brconsole.domain.alert import AlertReport
from brconsole.domain.decision import Evidence, Heartbeat
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet, RequestSeries
from brconsole.domain.freshness import Reading
from brconsole.domain.gates import BudgetEvidence, GateInputs, LatencyRule, evaluate
from brconsole.domain.intent import AFTER_PROMOTION, BEFORE_TRAFFIC, Rollout
from brconsole.domain.judge import Minute, closed_minutes
from brconsole.domain.migration_proof import ReleaseSchema, recorded_reads
from brconsole.domain.needs import evidence_since, sign_of_life
from brconsole.domain.requests import RequestTable
from brconsole.domain.series import Series, summed
from brconsole.domain.service import Revision, Service
from brconsole.domain.slo import Objective
from brconsole.domain.slo import report as slo_report
from brconsole.operations.alerts import AlertReader
from brconsole.operations.objectives import ObjectiveReader, events_by_window, read_long_window
from brconsole.operations.ports import Beacon, Cloud, GateMetrics
from brconsole.operations.reading import Answer, closed_minute, sentence
from brconsole.operations.sources import MONITORING, RUN
from brconsole.operations.timing import RealTiming, Timing, within

T = TypeVar("T")

PART_WITHIN_S = 10.0
"""Real seconds for one part with all its calls."""
LONGEST_S = 7 * 86_400
"""A step that lasts longer is judged by its last week."""
REVISIONS_FRESH = timedelta(seconds=15)
BUDGET_FRESH = timedelta(seconds=240)
RULES_FRESH = timedelta(hours=1)
ALERTS_FRESH = timedelta(seconds=60)
HEARTBEAT_FRESH = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence of a moment, with what the gates were evaluated from (for the chart of the e-value)."""

    evidence: Evidence
    inputs: GateInputs | None
    """None where no candidate is known."""


@dataclass
class EvidenceReader:
    """Gathers for one environment. One reader a session: it keeps what the present minute has said already."""

    environment: Environment
    cloud: Cloud
    on_deadline: Literal["stable", "hold"] = "stable"
    timing: Timing = field(default_factory=RealTiming)
    _kept: dict[tuple[object, ...], tuple[datetime, Reading[Any]]] = field(default_factory=dict)
    _alerts: AlertReader = field(init=False)
    _objectives: ObjectiveReader = field(init=False)

    def __post_init__(self) -> None:
        self._alerts = AlertReader(self.environment, self.cloud.metrics)
        self._objectives = ObjectiveReader(self.cloud.slos)
        self._windows = tuple(freeze.parse(text) for text in self.environment.gates.freeze)

    async def gather(
        self, service: Service, state: Rollout | None, now: datetime, fleet: Fleet | None = None
    ) -> Gathered:
        """Everything for the present step; `state` None asks for the gates that a start would meet.

        `now` is the server's time; `fleet` is what is being observed anyway, used where it is fresh.
        """
        candidate = state.canary if state is not None else service.latest_ready
        revisions, heartbeat = await asyncio.gather(
            self.revisions(service.name, now, fleet), self._heartbeat(service.name, state, now)
        )
        schema = await self.release_schema(service, candidate, state, revisions.value, now)
        if candidate is None:
            return Gathered(self._evidence(state, (), revisions, heartbeat, schema), None)
        inputs = await self._inputs(service, state, candidate, revisions, now, fleet)
        gates = evaluate(inputs, now).gates
        self._forget(now)
        return Gathered(self._evidence(state, gates, revisions, heartbeat, schema), inputs)

    async def revisions(self, service: str, now: datetime, fleet: Fleet | None = None) -> Reading[tuple[Revision, ...]]:
        """The revisions of a service, newest first."""
        if fleet is not None and fleet.revisions.error is None and fleet.revisions.fresh(now, REVISIONS_FRESH):
            return fleet.revisions.map(lambda known: known.get(service, ()))
        read = await self._read(("revisions",), now, REVISIONS_FRESH, RUN, self.cloud.run.revisions)
        return read.map(lambda known: known.get(service, ()))

    def _evidence(
        self,
        state: Rollout | None,
        gates: tuple[Any, ...],
        revisions: Reading[Any],
        heartbeat: Heartbeat | None,
        schema: ReleaseSchema | None,
    ) -> Evidence:
        known = revisions.value if revisions.error is None else None
        return Evidence(
            seq=None if state is None else state.seq,
            gates=gates,
            revisions=known,
            heartbeat=heartbeat,
            on_deadline=self.on_deadline,
            schema=schema,
        )

    async def release_schema(
        self,
        service: Service,
        candidate: str | None,
        state: Rollout | None,
        revisions: tuple[Revision, ...] | None,
        now: datetime,
    ) -> ReleaseSchema | None:
        """What the arms can read of the database, for the record; None where that is recorded already, cannot be read
        or does not apply.
        """
        reader = self.cloud.migrations
        recorded = state is not None and state.schema is not None and state.stable_schema is not None
        if reader is None or recorded or (state is not None and state.standing in AFTER_PROMOTION):
            return None
        stable = state.stable if state is not None else _only(service)
        known = {revision.name: revision for revision in revisions or ()}
        before = None if stable is None else recorded_reads(service, stable)
        arms = known.get(candidate or ""), known.get(stable or "")
        read = await self._read(
            ("schema", candidate, stable), now, REVISIONS_FRESH, RUN, lambda: reader.release_schema(*arms, before)
        )
        return read.value if read.error is None else None

    async def _inputs(
        self,
        service: Service,
        state: Rollout | None,
        candidate: str,
        revisions: Reading[tuple[Revision, ...]],
        now: datetime,
        fleet: Fleet | None,
    ) -> GateInputs:
        inputs = GateInputs(
            self.environment.gates,
            self._windows,
            candidate,
            revisions,
            look=0 if state is None else state.holds,
            session_affinity=service.session_affinity,
        )
        if state is not None and state.standing not in BEFORE_TRAFFIC:
            inputs = await self._traffic(inputs, service, state, now)
        if state is not None and state.standing in AFTER_PROMOTION:
            return inputs  # nothing is promoted any more: only the watch counts
        found = next((revision for revision in revisions.value or () if revision.name == candidate), None)
        budget, alerts, migration, image = await asyncio.gather(
            self._budget(service.name, now),
            self._alert_reports(now, fleet),
            self._migration(service, found, candidate, now),
            self._image(found, candidate, now),
        )
        return replace(inputs, budget=budget, alerts=alerts, migration=migration, image=image)

    # ------------------------------------------------------------------------------------------ what the canary does

    async def _traffic(self, inputs: GateInputs, service: Service, state: Rollout, now: datetime) -> GateInputs:
        end = closed_minute(now)
        since = max(evidence_since(state), now - timedelta(seconds=LONGEST_S))
        window_s = max(60, -(-int((end - since).total_seconds()) // 60) * 60)
        step = (service.name, state.id, state.step_started)
        metrics = self.cloud.gate_metrics
        if service.is_worker:
            jobs = await self._of_step(
                ("jobs", *step), end, metrics, lambda source: self._jobs(source, service, end, window_s, since, now)
            )
            return replace(inputs, jobs=jobs)
        rule = await self._latency_rule(service.name, now)

        async def requests(source: GateMetrics) -> tuple[Minute, ...]:
            return _arms(await source.gate_requests(service.name, end, window_s, 60), state, since, end, now)

        async def slow(source: GateMetrics) -> tuple[Minute, ...]:
            rows = await source.slow_requests(service.name, rule.threshold_ms, end, window_s, 60)
            return _arms(rows, state, since, end, now)

        minutes, slow_minutes = await asyncio.gather(
            self._of_step(("requests", *step), end, metrics, requests),
            self._of_step(("slow", rule.threshold_ms, *step), end, metrics, slow),
        )
        return replace(inputs, minutes=minutes, slow=slow_minutes, latency=rule)

    async def _of_step(
        self,
        key: tuple[object, ...],
        end: datetime,
        metrics: GateMetrics | None,
        ask: Callable[[GateMetrics], Awaitable[tuple[Minute, ...]]],
    ) -> Reading[tuple[Minute, ...]]:
        """A step's minutes up to `end`. A failure keeps what the step has shown so far: a conviction stands."""
        before = self._kept.get(key)
        if before is not None and before[1].error is None and before[1].as_of == end:
            return before[1]
        last: Reading[tuple[Minute, ...]] = Reading() if before is None else before[1]
        if metrics is None:
            return last.failing("the metrics of the gates are not configured", end)
        try:
            minutes = await within(_coroutine(ask(metrics)), PART_WITHIN_S, self.timing)
        except Exception as error:  # noqa: BLE001 - a reply that does not parse is no data, and no data holds
            reading = last.failing(_words(MONITORING, error), end)
        else:
            reading = Reading(minutes, end)
        self._kept[key] = (end, reading)
        return reading

    async def _jobs(
        self, source: GateMetrics, service: Service, end: datetime, window_s: int, since: datetime, now: datetime
    ) -> tuple[Minute, ...]:
        """Finished and failed jobs as the canary's columns; the metric knows no revision, so there is no other arm."""
        outcomes = await source.job_outcomes(service.name, end, window_s, 60)
        complete, bad = outcomes.get("complete"), outcomes.get("failed")
        finished = _added(complete, bad, end, window_s)
        failed = bad or Series(end, 60, (0.0,) * (window_s // 60))
        return closed_minutes(RequestSeries(finished, failed), None, since, end, now)

    async def _latency_rule(self, service: str, now: datetime) -> LatencyRule:
        """The service's latency objective, the default where it has none or none could ever be read."""
        listed = await self._read(("objectives",), now, RULES_FRESH, MONITORING, self.cloud.slos.objectives)
        own: Objective | None = next(
            (
                objective
                for objective in listed.value or ()
                if objective.service == service and objective.kind == "latency" and objective.threshold_ms
            ),
            None,
        )
        if own is None or own.threshold_ms is None:
            return LatencyRule()
        return LatencyRule(own.threshold_ms, 1 - own.goal)

    # ------------------------------------------------------------------------------------------------ what surrounds it

    async def _budget(self, service: str, now: datetime) -> Reading[tuple[BudgetEvidence, ...]]:
        key = ("budget", service)
        return await self._read_answer(key, now, BUDGET_FRESH, lambda: self._budget_answer(service, now))

    async def _budget_answer(self, service: str, now: datetime) -> Answer[tuple[BudgetEvidence, ...]]:
        read = await self._objectives.read(now)
        mine = [facts for facts in read.value if facts.objective.service == service]
        if not mine:
            return Answer((), read.as_of, read.error)
        requests: Reading[Any] = Reading()
        long: Reading[Any] = Reading()
        if any(facts.events is None for facts in mine):
            end = closed_minute(now)
            rows, six_hours = await asyncio.gather(
                self.cloud.metrics.requests(end, 3600, 60), read_long_window(self.cloud.metrics, "burn_6h", now)
            )
            requests, long = Reading(RequestTable(rows, end), end), Reading(six_hours.value, six_hours.as_of)
        listed = []
        for facts in mine:
            events = events_by_window(facts, requests, {"6h": long})
            report = slo_report(facts.objective, facts.budget_remaining_ratio, events, now)
            bad = {window: None if found is None else found.bad for window, found in events.items()}
            listed.append(BudgetEvidence(report, bad))
        return Answer(tuple(listed), read.as_of, read.error)

    async def _alert_reports(self, now: datetime, fleet: Fleet | None) -> Reading[tuple[AlertReport, ...]]:
        if fleet is not None and fleet.alerts.error is None and fleet.alerts.fresh(now, ALERTS_FRESH * 5):
            return fleet.alerts
        return await self._read_answer(("alerts",), now, ALERTS_FRESH, lambda: self._alerts.read(now))

    async def _migration(
        self, service: Service, found: Revision | None, candidate: str, now: datetime
    ) -> Reading[Any] | None:
        proofs = self.cloud.migration_proofs
        if proofs is None:
            return None
        if found is None:
            return Reading(error=f"{candidate} could not be read")
        read = await self._read(
            ("migration", candidate), now, REVISIONS_FRESH, RUN, lambda: proofs.sentinel(service, found)
        )
        return None if read.value is None and read.error is None else read

    async def _image(self, found: Revision | None, candidate: str, now: datetime) -> Reading[Any] | None:
        attestations = self.cloud.attestations
        if attestations is None:
            return None
        if found is None:
            return Reading(error=f"{candidate} could not be read")
        return await self._read(("image", candidate), now, RULES_FRESH, RUN, lambda: attestations.attestation(found))

    async def _heartbeat(self, service: str, state: Rollout | None, now: datetime) -> Heartbeat | None:
        """The sign of life of whoever drives this rollout."""
        beacon: Beacon | None = self.cloud.beacon
        if beacon is None or state is None:
            return None
        read = await self._read(("heartbeats",), now, HEARTBEAT_FRESH, MONITORING, lambda: beacon.heartbeats(now))
        return sign_of_life(state, service, read.value or (), now)

    # ---------------------------------------------------------------------------------------------------------- reading

    async def _read(
        self,
        key: tuple[object, ...],
        now: datetime,
        fresh: timedelta,
        api: str,
        ask: Callable[[], Awaitable[T]],
    ) -> Reading[T]:
        async def answer() -> Answer[T]:
            return Answer(await ask(), now)

        return await self._read_answer(key, now, fresh, answer, api)

    async def _read_answer(
        self,
        key: tuple[object, ...],
        now: datetime,
        fresh: timedelta,
        ask: Callable[[], Awaitable[Answer[T]]],
        api: str = MONITORING,
    ) -> Reading[T]:
        """A part as read within `fresh`, else read anew; after a failure the last good value with the failure."""
        before = self._kept.get(key)
        if before is not None and before[1].error is None and timedelta() <= now - before[0] < fresh:
            return before[1]
        last: Reading[T] = Reading() if before is None else before[1]
        try:
            answer = await within(_coroutine(ask()), PART_WITHIN_S, self.timing)
        except Exception as error:  # noqa: BLE001 - whatever a reply does to its reader is no data, and no data holds
            reading = last.failing(_words(api, error), now)
        else:
            reading = Reading(answer.value, answer.as_of)
            if answer.error is not None:
                reading = reading.failing(answer.error, now)
        self._kept[key] = (now, reading)
        return reading

    def _forget(self, now: datetime) -> None:
        """Steps that ended are not looked at again."""
        self._kept = {key: kept for key, kept in self._kept.items() if now - kept[0] < timedelta(hours=2)}


def _only(service: Service) -> str | None:
    """The one revision that serves, None where there is not one."""
    split = service.desired_split()
    return next(iter(split)) if len(split) == 1 else None


async def _coroutine(work: Awaitable[T]) -> T:
    return await work


def _words(api: str, error: BaseException) -> str:
    return f"{api}: no answer within {PART_WITHIN_S:g} s" if isinstance(error, TimeoutError) else sentence(api, error)


def _arms(
    rows: Mapping[str, RequestSeries], state: Rollout, since: datetime, end: datetime, now: datetime
) -> tuple[Minute, ...]:
    return closed_minutes(rows.get(state.canary), rows.get(state.stable), since, end, now)


def _added(one: Series | None, other: Series | None, end: datetime, window_s: int) -> Series:
    return summed(row for row in (one, other) if row is not None) or Series(end, 60, (0.0,) * (window_s // 60))
