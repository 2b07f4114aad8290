"""The gates of a release: each says pass, hold or fail, on what evidence, and of when.

What is not known holds: no data is never a pass. What is not configured does not apply, and the gate says so in its
words. Only the canary's own failure fails a gate; a spent error budget, a freeze or an alert holds, and never rolls
back by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.environment import GateSettings
from brconsole.domain.freeze import FreezeWindow, frozen
from brconsole.domain.freshness import Reading
from brconsole.domain.judge import METRIC_LAG_S, Judgement, Limits, Minute, Verdict, judge, percent
from brconsole.domain.service import Revision
from brconsole.domain.slo import BURN_WINDOWS, ENOUGH_BAD_EVENTS, FAST_BURN, BurnWindow, SloReport
from brconsole.domain.text import clean

T = TypeVar("T")

ERRORS = "errors"
LATENCY = "latency"
JOBS = "jobs"
CANDIDATE = "candidate"
BUDGET = "budget"
MIGRATION = "migration"
IMAGE = "image"
ALERTS = "alerts"
FREEZE = "freeze"
DWELL = "dwell"

NEED_TRAFFIC = frozenset({ERRORS, LATENCY, JOBS})
"""Gates on what the canary does with its share; at 0 % there is nothing to judge."""
EVERYWHERE = frozenset({CANDIDATE, BUDGET, MIGRATION, IMAGE, ALERTS, FREEZE})
"""Gates that every step needs."""

MAX_AGE: Mapping[str, timedelta] = {
    ERRORS: timedelta(seconds=METRIC_LAG_S + 60 + 2 * 60),
    LATENCY: timedelta(seconds=METRIC_LAG_S + 60 + 2 * 60),
    JOBS: timedelta(seconds=METRIC_LAG_S + 60 + 2 * 60),
    BUDGET: timedelta(seconds=METRIC_LAG_S + 60 + 2 * 300),
    ALERTS: timedelta(seconds=METRIC_LAG_S + 60 + 2 * 60),
    CANDIDATE: timedelta(seconds=120),
    MIGRATION: timedelta(seconds=120),
    IMAGE: timedelta(seconds=3600),
}
"""How old the evidence of a gate may be: its API's lag plus two cadences (DESIGN §8.12). Metrics arrive up to 180 s
late and a minute must close; an attestation of a digest does not change by itself.
"""
STALE = "out of date"
HOUR_S = BURN_WINDOWS["1h"]
DAY_S = 86_400
LEAST_EXTENSION_S = 300
"""A step without dwell of its own is extended by so much."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate as evaluated. A pass that is older than `fresh_until` is none any more."""

    name: str
    verdict: Verdict
    evidence: str
    as_of: datetime | None
    fresh_until: datetime | None = None
    page: bool = False
    needs_evidence: bool = False
    """Whether it holds for nothing but missing samples, which time may bring."""
    applies: bool = True
    """Not, where what it looks at is not configured."""

    def at(self, now: datetime) -> Gate:
        """The gate as it counts at `now`: what is stale holds, and waiting does not mend it; what failed has failed."""
        if self.verdict is Verdict.FAIL or self.fresh_until is None or now <= self.fresh_until:
            return self
        text = self.evidence if self.evidence.startswith(STALE) else f"{STALE}: {self.evidence}"
        return replace(self, verdict=Verdict.HOLD, evidence=text, needs_evidence=False)


@dataclass(frozen=True, slots=True)
class Gates:
    """All gates of a step with the verdict over them."""

    gates: tuple[Gate, ...]

    @property
    def verdict(self) -> Verdict:
        """Fail if any fails, pass if all pass; no gate at all is no pass."""
        return overall(self.gates)

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """A sentence for each gate that does not pass, failures first."""
        return blocked_by(self.gates)

    @property
    def page(self) -> bool:
        """Whether a person must look now."""
        return any(gate.page for gate in self.gates)


@dataclass(frozen=True, slots=True)
class LatencyRule:
    """Latency is judged by the share of requests over a threshold, never p95 against p95.

    A new revision starts cold, so the first two minutes of a step do not count, and the test is tolerant (twice
    stable's share) and wants slow requests in three different minutes. The absolute limit is the service's latency
    objective where it has one.
    """

    threshold_ms: float = 1000.0
    share: float = 0.1
    """Share of requests over the threshold that is bad whatever stable does (0…1)."""

    @property
    def limits(self) -> Limits:
        """The rule for the judge."""
        return Limits(
            tolerance=2.0,
            ratio=self.share,
            bound=None,
            distinct_minutes=3,
            warm_up_minutes=2,
            word=f"over {self.threshold_ms:,.0f} ms",
        )


@dataclass(frozen=True, slots=True)
class BudgetEvidence:
    """An objective's report with the bad events by window (None where unknown), for the low-traffic guard."""

    report: SloReport
    bad_events: Mapping[BurnWindow, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """What proves that a migration ran (reference: all of it; an exit status alone is no proof). None is unknown."""

    execution: str
    succeeded: bool | None
    applied: str | None
    head: str | None
    image_matches: bool | None
    plan_matches: bool | None
    nothing_to_run: bool = False
    """Whether the candidate's own code looked and found nothing pending, so that no run is there to be proved."""
    pending: tuple[str, ...] = ()
    """What the candidate waits for."""
    live: int | None = None
    """The index of the applied schema."""
    reads: tuple[int, int] | None = None
    """Lowest and highest schema that the candidate can live with."""
    why: str = ""
    """What keeps it from being proved, or what went wrong."""
    remedy: str = ""
    applies: bool = True
    """Not, where the candidate's image is not the one that the migrations come with; `why` says so."""

    @property
    def stands(self) -> bool | None:
        """Whether the candidate can live with the database as it is: at its head, or at a schema within its range."""
        if self.applied is None or self.head is None:
            return None
        if self.live is not None and self.reads is not None:
            return self.reads[0] <= self.live <= self.reads[1]
        return self.applied == self.head


@dataclass(frozen=True, slots=True)
class Attestation:
    """Whether the candidate's image digest is attested, and by whom or why not."""

    attested: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class GateInputs:
    """What is known for the gates of one service. A reading without value and without error was not read yet.

    `minutes` (5xx) is None for a worker, `jobs` (failed of finished, the canary's columns only) for any other service.
    `slow` (over the latency threshold) is None where latency is not judged. `migration` and `image` are None where the
    project has none configured. The `as_of` of minutes is the end of the last of them, with or without requests.
    """

    settings: GateSettings
    windows: tuple[FreezeWindow, ...]
    candidate: str
    revisions: Reading[tuple[Revision, ...]]
    minutes: Reading[tuple[Minute, ...]] | None = None
    slow: Reading[tuple[Minute, ...]] | None = None
    jobs: Reading[tuple[Minute, ...]] | None = None
    budget: Reading[tuple[BudgetEvidence, ...]] = field(default_factory=Reading)
    alerts: Reading[tuple[AlertReport, ...]] = field(default_factory=Reading)
    migration: Reading[Sentinel] | None = None
    image: Reading[Attestation] | None = None
    latency: LatencyRule = field(default_factory=LatencyRule)
    look: int = 0
    """Extensions of the dwell so far."""
    session_affinity: bool = False
    max_age: Mapping[str, timedelta] = field(default_factory=lambda: MAX_AGE)


def evaluate(inputs: GateInputs, now: datetime) -> Gates:
    """All gates of a service now, in the order in which a person reads them."""
    listed = [
        *_traffic_gates(inputs),
        candidate(inputs.candidate, inputs.revisions),
        budget(inputs.budget, inputs.settings.error_budget_burn),
        migration(inputs.migration),
        image(inputs.image),
        alerts(inputs.alerts),
        freeze(inputs.windows, now),
    ]
    return Gates(tuple(_dated(gate, inputs.max_age).at(now) for gate in listed))


def overall(gates: Iterable[Gate]) -> Verdict:
    """Fail if any fails, pass if all pass; no gate at all is no pass."""
    verdicts = {gate.verdict for gate in gates}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts == {Verdict.PASS} else Verdict.HOLD


def blocked_by(gates: Iterable[Gate]) -> tuple[str, ...]:
    """A sentence for each gate that does not pass, failures first."""
    blocking = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    return tuple(
        f"{gate.name}: {gate.evidence}" for gate in sorted(blocking, key=lambda gate: gate.verdict is not Verdict.FAIL)
    )


def judged(
    name: str,
    reading: Reading[tuple[Minute, ...]],
    limits: Limits,
    look: int = 0,
    session_affinity: bool = False,
) -> tuple[Gate, Judgement | None]:
    """A gate on the canary's own events, with the judgement behind it for the chart.

    A conviction stands even when the source fails later; anything milder needs the source.
    """
    if reading.value is None:
        return _unread(name, reading), None
    judgement = judge(reading.value, limits, look, session_affinity)
    gate = Gate(
        name,
        judgement.verdict,
        judgement.evidence,
        reading.as_of,
        page=judgement.page,
        needs_evidence=judgement.needs_evidence,
    )
    return gate, judgement


def error_limits(settings: GateSettings) -> Limits:
    """The limits of the gate on 5xx."""
    return Limits(ratio=settings.error_ratio, bound=settings.error_ratio)


def job_limits(settings: GateSettings) -> Limits:
    """The limits of the gate on a worker's jobs. `arq/jobs` knows no revision, so the whole worker is judged."""
    return Limits(ratio=settings.error_ratio, bound=settings.error_ratio, word="failed jobs")


def candidate(name: str, revisions: Reading[tuple[Revision, ...]]) -> Gate:
    """Whether the candidate exists and is ready."""
    if revisions.value is None:
        return _unread(CANDIDATE, revisions)
    found = next((revision for revision in revisions.value if revision.name == name), None)
    as_of = revisions.as_of
    if found is None:
        return Gate(CANDIDATE, Verdict.FAIL, f"{clean(name)} does not exist any more", as_of)
    if found.ready is None:
        return Gate(CANDIDATE, Verdict.HOLD, f"{name}: Cloud Run has not decided whether it is ready", as_of)
    if not found.ready:
        why = clean(found.message or found.reason or "no reason given", 200)
        return Gate(CANDIDATE, Verdict.FAIL, f"{name} is not ready: {why}", as_of)
    return Gate(CANDIDATE, Verdict.PASS, f"{name} is ready", as_of)


def budget(reading: Reading[tuple[BudgetEvidence, ...]], allowed_per_hour: float) -> Gate:
    """Whether the service's error budget may pay for a release.

    Holds from `allowed_per_hour` of the budget spent in the trailing hour, holds and pages on the multi-window
    conditions of the SRE Workbook or with the budget spent. Few bad events are no evidence (ENOUGH_BAD_EVENTS).
    """
    if reading.value is None:
        return _unread(BUDGET, reading)
    if not reading.value:
        return Gate(BUDGET, Verdict.PASS, "no objective is defined for the service", reading.as_of)
    told = [_budget_of(entry, allowed_per_hour) for entry in reading.value]
    worst = max(told, key=lambda found: (found[0] is not Verdict.PASS, found[1]))
    return Gate(
        BUDGET,
        worst[0],
        "; ".join(text for verdict, _, text in told if verdict is worst[0]),
        reading.as_of,
        page=any(page for _, page, _ in told),
    )


def migration(reading: Reading[Sentinel] | None) -> Gate:
    """Whether the database migration of this release ran: execution, schema, image and reviewed plan all agree."""
    if reading is None:
        return Gate(MIGRATION, Verdict.PASS, "not applicable: no migrations configured", None, applies=False)
    if reading.value is None:
        return _unread(MIGRATION, reading)
    proof = reading.value
    if not proof.applies:
        return Gate(MIGRATION, Verdict.PASS, f"not applicable: {clean(proof.why, 200)}", None, applies=False)
    facts = _migration_facts(proof)
    against = [wrong for holds, _, wrong in facts if holds is False]
    if proof.pending:
        listed = ", ".join(clean(name, 40) for name in proof.pending[:5])
        more = f" and {len(proof.pending) - 5} more" if len(proof.pending) > 5 else ""
        against.insert(0, f"{len(proof.pending)} pending: {listed}{more}")
    why, remedy = (
        f"{before}{clean(text, 200)}" if text else "" for before, text in (("; ", proof.why), ("; ", proof.remedy))
    )
    if against:
        return Gate(MIGRATION, Verdict.HOLD, f"{'; '.join(against)}{why}{remedy}", reading.as_of)
    if any(holds is None for holds, _, _ in facts):
        proved = ", ".join(right for holds, right, _ in facts if holds) or "nothing"
        return Gate(MIGRATION, Verdict.HOLD, f"not proved yet; so far: {proved}{why}{remedy}", reading.as_of)
    return Gate(MIGRATION, Verdict.PASS, ", ".join(right for _, right, _ in facts), reading.as_of)


def _migration_facts(proof: Sentinel) -> tuple[tuple[bool | None, str, str], ...]:
    """(whether it holds, its words if so, its words if not) of each thing that must be so."""
    execution, applied, head = clean(proof.execution, 100), clean(proof.applied or "", 40), clean(proof.head or "", 40)
    at_head = f"at head {head}"
    if proof.applied != proof.head and proof.reads is not None:
        at_head = f"at {applied}, schema {proof.live}: the candidate reads {proof.reads[0]} to {proof.reads[1]}"
    standing = (proof.stands, at_head, f"the database is at {applied}, head is {head}")
    image_same = (proof.image_matches, "digest matches", "the job ran another image than the candidate's")
    if proof.nothing_to_run:
        looked = (proof.succeeded, f"nothing is pending by {execution}", f"{execution} did not succeed")
        return looked, standing, image_same
    return (
        (proof.succeeded, f"{execution} succeeded", f"{execution} did not succeed"),
        standing,
        image_same,
        (proof.plan_matches, "plan matches", "the plan that ran is not the plan that was reviewed"),
    )


def image(reading: Reading[Attestation] | None) -> Gate:
    """Whether the candidate's image is attested."""
    if reading is None:
        return Gate(IMAGE, Verdict.PASS, "not applicable: no attestation is configured", None, applies=False)
    if reading.value is None:
        return _unread(IMAGE, reading)
    detail = clean(reading.value.detail, 200)
    if reading.value.attested:
        return Gate(IMAGE, Verdict.PASS, detail, reading.as_of)
    word = "not known whether it is attested" if reading.value.attested is None else "not attested"
    return Gate(IMAGE, Verdict.HOLD, f"{word}: {detail}", reading.as_of)


def alerts(reading: Reading[tuple[AlertReport, ...]]) -> Gate:
    """Whether a critical alert is open, or cannot be told."""
    if reading.value is None:
        return _unread(ALERTS, reading)
    critical = [alert for alert in reading.value if alert.severity == "critical"]
    firing = [_alert_name(alert) for alert in critical if alert.state is AlertState.FIRING]
    unknown = [_alert_name(alert) for alert in critical if alert.state is AlertState.UNKNOWN]
    if firing:
        return Gate(ALERTS, Verdict.HOLD, f"firing: {', '.join(firing)}", reading.as_of)
    if unknown:
        return Gate(ALERTS, Verdict.HOLD, f"not known: {', '.join(unknown)}", reading.as_of)
    return Gate(ALERTS, Verdict.PASS, f"none of {len(critical)} critical alerts fires", reading.as_of)


def freeze(windows: Sequence[FreezeWindow], now: datetime) -> Gate:
    """Whether a freeze window holds now."""
    held = frozen(windows, now)
    if held is not None:
        local = held.until.astimezone(held.window.zone)
        until = f"{local:%Y-%m-%d %H:%M} {held.window.zone.key}"
        return Gate(FREEZE, Verdict.HOLD, f"frozen until {until} ({held.window.text})", now)
    return Gate(FREEZE, Verdict.PASS, "outside of every window" if windows else "no window is configured", now)


def dwell(started: datetime, dwell_s: int, look: int, now: datetime) -> Gate:
    """Whether the step was observed for its dwell and the extensions so far."""
    left = dwell_ends(started, dwell_s, look) - now
    if left > timedelta():
        minutes, seconds = divmod(round(left.total_seconds()), 60)
        return Gate(DWELL, Verdict.HOLD, f"{minutes}:{seconds:02d} left", now)
    return Gate(DWELL, Verdict.PASS, "over", now)


def dwell_ends(started: datetime, dwell_s: int, look: int) -> datetime:
    """When a step's dwell with `look` extensions ends; each extension is as long as the dwell, but no trifle."""
    return started + timedelta(seconds=dwell_s + look * max(dwell_s, LEAST_EXTENSION_S))


def _traffic_gates(inputs: GateInputs) -> list[Gate]:
    rules = (
        (ERRORS, inputs.minutes, error_limits(inputs.settings)),
        (JOBS, inputs.jobs, job_limits(inputs.settings)),
        (LATENCY, inputs.slow, inputs.latency.limits),
    )
    listed = [
        judged(name, reading, limits, inputs.look, inputs.session_affinity)[0]
        for name, reading, limits in rules
        if reading is not None
    ]
    if inputs.minutes is not None and inputs.slow is None:
        listed.append(Gate(LATENCY, Verdict.PASS, "not applicable: latency is not judged", None, applies=False))
    return listed


def _budget_of(entry: BudgetEvidence, allowed_per_hour: float) -> tuple[Verdict, bool, str]:
    """(verdict, page, sentence) of one objective."""
    report = entry.report
    name = clean(report.objective.display_name or report.objective.name, 60)
    if report.budget_remaining_ratio is not None and report.budget_remaining_ratio <= 0:
        return Verdict.HOLD, True, f"{name}: no error budget left"
    unknown = report.budget_remaining_ratio is None
    for long, short, limit in FAST_BURN:
        long_burn, short_burn, bad = report.burn.get(long), report.burn.get(short), entry.bad_events.get(long)
        if bad is not None and bad < ENOUGH_BAD_EVENTS:
            continue
        if any(burn is not None and burn < limit for burn in (long_burn, short_burn)):
            continue
        if long_burn is not None and short_burn is not None:
            return Verdict.HOLD, True, f"{name}: burns {long_burn:.1f}× over {long} and {short_burn:.1f}× over {short}"
        unknown = True
    hour = report.burn.get("1h")
    if hour is None or unknown:
        return Verdict.HOLD, False, f"{name}: not every burn window and the budget that is left are known"
    spent = hour * HOUR_S / (report.objective.period_days * DAY_S)
    told = f"{name}: {percent(spent)} of {percent(allowed_per_hour)} spent in the last hour"
    if spent < allowed_per_hour:
        return Verdict.PASS, False, told
    bad = entry.bad_events.get("1h")
    if bad is not None and bad < ENOUGH_BAD_EVENTS:
        return Verdict.PASS, False, f"{told}, but {bad:g} bad events are no evidence (warning)"
    return Verdict.HOLD, False, told


def _alert_name(alert: AlertReport) -> str:
    name = clean(alert.policy, 80)
    return f"{name} ({clean(alert.subject, 60)})" if alert.subject else name


def _unread(name: str, reading: Reading[T]) -> Gate:
    why = clean(reading.error, 200) if reading.error else "not read yet"
    return Gate(name, Verdict.HOLD, f"not known: {why}", reading.as_of)


def _dated(gate: Gate, max_age: Mapping[str, timedelta]) -> Gate:
    """The gate with the moment until which it counts; evidence of an unknown age is no pass."""
    age = max_age.get(gate.name)
    if age is None or not gate.applies:
        return gate
    if gate.as_of is None:
        held = Verdict.HOLD if gate.verdict is Verdict.PASS else gate.verdict
        return replace(gate, verdict=held, evidence=f"of an unknown age: {gate.evidence}")
    return replace(gate, fresh_until=gate.as_of + age)
