"""Each gate passes on evidence only, holds on what is not known, and fails only for what the canary itself does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brconsole.domain import gates
from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.environment import GateSettings
from brconsole.domain.freeze import parse
from brconsole.domain.freshness import Reading
from brconsole.domain.gates import Attestation, BudgetEvidence, Gate, GateInputs, LatencyRule, Sentinel
from brconsole.domain.judge import Minute, Verdict
from brconsole.domain.service import Revision
from brconsole.domain.slo import BurnWindow, Objective, SloReport, SloStatus

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)  # a Tuesday
SENTINEL = Sentinel("migrate-db-x7", True, "ae10", "ae10", True, True)
HEALTHY = (Minute(60, 0, 1140, 2),) * 10
BROKEN = (Minute(60, 6, 1140, 2),) * 3


def revision(name: str = "api-00042-def", ready: bool | None = True, **fields: Any) -> Revision:
    return Revision(name, "api", "image", "sha256:9f3c00", NOW, ready, **fields)


def objective(
    burn: Mapping[BurnWindow, float | None] | None = None,
    remaining: float | None = 0.7,
    bad: Mapping[BurnWindow, float | None] | None = None,
) -> BudgetEvidence:
    known: dict[BurnWindow, float | None] = {"5m": 0.1, "30m": 0.1, "1h": 0.1, "6h": 0.1, "3d": 0.1, **(burn or {})}
    named = Objective("api", "availability", "projects/p/services/api/serviceLevelObjectives/a", 0.999, 30)
    counted: dict[BurnWindow, float | None] = {"1h": 50, "6h": 300, **(bad or {})}
    return BudgetEvidence(SloReport(named, remaining, known, SloStatus.OK, None), counted)


def reading(value: Any, age_s: float = 60) -> Reading[Any]:
    return Reading(value, NOW - timedelta(seconds=age_s))


def inputs(**changes: Any) -> GateInputs:
    known = GateInputs(
        settings=GateSettings(),
        windows=(parse("Fri 16:00 - Mon 08:00 Europe/Berlin"),),
        candidate="api-00042-def",
        revisions=reading((revision(), revision("api-00041-abc"))),
        minutes=reading(HEALTHY, 200),
        slow=reading(HEALTHY, 200),
        budget=reading((objective(),), 300),
        alerts=reading((AlertReport("API error rate", AlertState.OK, None, 0.0, 0.02, "critical"),), 200),
        migration=reading(SENTINEL),
        image=reading(Attestation(True, "sha256:9f3c signed")),
    )
    return replace(known, **changes)


def evaluated(name: str, **changes: Any) -> Gate:
    return next(gate for gate in gates.evaluate(inputs(**changes), NOW).gates if gate.name == name)


def test_everything_known_and_good_passes() -> None:
    whole = gates.evaluate(inputs(), NOW)
    assert whole.verdict is Verdict.PASS
    assert whole.blocked_by == ()
    assert [gate.name for gate in whole.gates] == [
        "errors", "latency", "candidate", "budget", "migration", "image", "alerts", "freeze",
    ]  # fmt: skip
    assert all(gate.evidence for gate in whole.gates)


def test_no_gate_at_all_is_no_pass() -> None:
    assert gates.overall(()) is Verdict.HOLD


@pytest.mark.parametrize("source", ["minutes", "slow", "revisions", "budget", "alerts", "migration", "image"])
def test_what_was_never_read_or_cannot_be_read_holds(source: str) -> None:
    for unread in (Reading(), Reading(None, None, "Cloud Monitoring: unavailable")):
        whole = gates.evaluate(inputs(**{source: unread}), NOW)
        assert whole.verdict is Verdict.HOLD
        assert len(whole.blocked_by) == 1
        assert "not known" in whole.blocked_by[0]


@pytest.mark.parametrize("source", ["minutes", "slow", "revisions", "budget", "alerts", "migration", "image"])
def test_what_passed_too_long_ago_holds(source: str) -> None:
    old = replace(getattr(inputs(), source), as_of=NOW - timedelta(hours=2))
    whole = gates.evaluate(inputs(**{source: old}), NOW)
    assert whole.verdict is Verdict.HOLD
    assert "out of date" in whole.blocked_by[0]
    assert not any(gate.needs_evidence for gate in whole.gates)


@pytest.mark.parametrize("source", ["minutes", "slow", "revisions", "budget", "alerts", "migration", "image"])
def test_evidence_of_an_unknown_age_holds(source: str) -> None:
    undated = replace(getattr(inputs(), source), as_of=None)
    whole = gates.evaluate(inputs(**{source: undated}), NOW)
    assert whole.verdict is Verdict.HOLD
    assert "unknown age" in whole.blocked_by[0]


def test_a_conviction_outlives_the_source_that_brought_it() -> None:
    outage = Reading(BROKEN, NOW - timedelta(hours=1), "Cloud Monitoring: unavailable")
    assert evaluated("errors", minutes=outage).verdict is Verdict.FAIL
    assert evaluated("errors", minutes=replace(outage, value=HEALTHY)).verdict is Verdict.HOLD


def test_a_pass_does_not_outlive_its_freshness() -> None:
    gate = evaluated("errors")
    assert gate.at(NOW).verdict is Verdict.PASS
    late = gate.at(NOW + timedelta(minutes=10))
    assert late.verdict is Verdict.HOLD
    assert late.at(NOW + timedelta(minutes=11)).evidence == late.evidence


def test_errors_fail_for_the_canary_and_hold_for_missing_samples() -> None:
    assert evaluated("errors", minutes=reading(BROKEN, 200)).verdict is Verdict.FAIL
    few = evaluated("errors", minutes=reading(HEALTHY[:1], 200))
    assert few.verdict is Verdict.HOLD
    assert few.needs_evidence


def test_latency_is_judged_by_the_share_over_the_threshold() -> None:
    slow = reading((Minute(60, 40, 1140, 30),) * 6, 200)
    gate = evaluated("latency", slow=slow)
    assert gate.verdict is Verdict.FAIL
    assert "over 1,000 ms" in gate.evidence


def test_a_cold_start_does_not_convict_a_canary_of_slowness() -> None:
    cold = (Minute(30, 9, 570, 6), *((Minute(30, 1, 570, 6),) * 9))
    assert evaluated("latency", slow=reading(cold, 200)).verdict is Verdict.PASS


def test_latency_follows_the_objective_of_the_service() -> None:
    rule = LatencyRule(threshold_ms=300, share=0.01)
    gate = evaluated("latency", slow=reading((Minute(600, 60, 0, 0),) * 6, 200), latency=rule)
    assert gate.verdict is Verdict.FAIL
    assert "300 ms" in gate.evidence


def test_a_worker_is_judged_by_its_jobs() -> None:
    failing = gates.evaluate(inputs(minutes=None, slow=None, jobs=reading((Minute(50, 25, 0, 0),) * 2, 200)), NOW)
    assert failing.verdict is Verdict.FAIL
    assert "failed jobs" in failing.blocked_by[0]
    assert "errors" not in {gate.name for gate in failing.gates}
    fine = gates.evaluate(inputs(minutes=None, slow=None, jobs=reading((Minute(100, 0, 0, 0),) * 3, 200)), NOW)
    assert fine.verdict is Verdict.PASS


def test_with_session_affinity_a_broken_canary_holds_and_pages() -> None:
    whole = gates.evaluate(inputs(minutes=reading(BROKEN, 200), session_affinity=True), NOW)
    assert whole.verdict is Verdict.HOLD
    assert whole.page


@pytest.mark.parametrize(
    ("listed", "verdict"),
    [
        ((revision(),), Verdict.PASS),
        ((revision(ready=None),), Verdict.HOLD),
        ((revision(ready=False, reason="HEALTH_CHECK_CONTAINER_ERROR"),), Verdict.FAIL),
        ((revision("api-00041-abc"),), Verdict.FAIL),
    ],
)
def test_the_candidate_must_be_there_and_ready(listed: tuple[Revision, ...], verdict: Verdict) -> None:
    assert evaluated("candidate", revisions=reading(listed)).verdict is verdict


def test_the_reason_of_a_dead_candidate_is_harmless_text() -> None:
    dead = revision(ready=False, message="\x1b[31mcrash\x1b[0m\nloop")
    assert "\x1b" not in evaluated("candidate", revisions=reading((dead,))).evidence


@pytest.mark.parametrize(
    ("evidence", "verdict", "page"),
    [
        (objective({"1h": 14.3}), Verdict.PASS, False),
        (objective({"1h": 14.4}), Verdict.HOLD, False),  # 2 % of 30 days in an hour
        (objective({"1h": 14.4, "5m": 14.4}), Verdict.HOLD, True),
        (objective({"6h": 6, "30m": 6}), Verdict.HOLD, True),
        (objective({"6h": 6, "30m": 5.9}), Verdict.PASS, False),
        (objective(remaining=0.0), Verdict.HOLD, True),
        (objective(remaining=None), Verdict.HOLD, False),
        (objective({"1h": None}), Verdict.HOLD, False),
        (objective({"6h": None, "30m": None}), Verdict.HOLD, False),
        (objective({"6h": None}), Verdict.PASS, False),  # the short window is below already
        (objective({"1h": 100, "5m": 100}, bad={"1h": 4}), Verdict.PASS, False),
        (objective({"1h": 100, "5m": 100}, bad={"1h": None}), Verdict.HOLD, True),
    ],
)
def test_the_error_budget_holds_and_never_fails(evidence: BudgetEvidence, verdict: Verdict, page: bool) -> None:
    gate = evaluated("budget", budget=reading((evidence,), 300))
    assert (gate.verdict, gate.page) == (verdict, page)


def test_few_bad_events_are_told_as_a_warning() -> None:
    gate = evaluated("budget", budget=reading((objective({"1h": 20}, bad={"1h": 3}),), 300))
    assert gate.verdict is Verdict.PASS
    assert "3 bad events are no evidence" in gate.evidence


def test_the_share_of_the_budget_is_told_as_spent() -> None:
    assert "0.7 % of 2 % spent" in evaluated("budget", budget=reading((objective({"1h": 5.04}),), 300)).evidence


def test_the_worst_objective_decides() -> None:
    gate = evaluated("budget", budget=reading((objective(), objective({"1h": 30})), 300))
    assert gate.verdict is Verdict.HOLD


@pytest.mark.parametrize(
    "proof",
    [
        replace(SENTINEL, succeeded=False),
        replace(SENTINEL, succeeded=None),
        replace(SENTINEL, applied="9f01"),
        replace(SENTINEL, applied=None),
        replace(SENTINEL, image_matches=False),
        replace(SENTINEL, image_matches=None),
        replace(SENTINEL, plan_matches=False),
        replace(SENTINEL, plan_matches=None),
    ],
)
def test_a_migration_is_proved_by_all_of_its_facts_or_not_at_all(proof: Sentinel) -> None:
    assert evaluated("migration", migration=reading(proof)).verdict is Verdict.HOLD


def test_what_is_not_configured_does_not_apply_and_says_so() -> None:
    whole = gates.evaluate(inputs(migration=None, image=None, slow=None, budget=reading((), 300)), NOW)
    assert whole.verdict is Verdict.PASS
    words = {gate.name: gate.evidence for gate in whole.gates}
    assert "no migrations configured" in words["migration"]
    assert "no attestation is configured" in words["image"]
    assert "no objective" in words["budget"]


@pytest.mark.parametrize("attested", [False, None])
def test_an_image_that_is_not_attested_holds(attested: bool | None) -> None:
    assert evaluated("image", image=reading(Attestation(attested, "no signature found"))).verdict is Verdict.HOLD


@pytest.mark.parametrize(
    ("state", "severity", "verdict"),
    [
        (AlertState.FIRING, "critical", Verdict.HOLD),
        (AlertState.UNKNOWN, "critical", Verdict.HOLD),
        (AlertState.PENDING, "critical", Verdict.PASS),
        (AlertState.FIRING, "warning", Verdict.PASS),
    ],
)
def test_critical_alerts_hold(state: AlertState, severity: Any, verdict: Verdict) -> None:
    alert = AlertReport("API error rate", state, NOW, 0.03, 0.02, severity, "api")
    assert evaluated("alerts", alerts=reading((alert,), 200)).verdict is verdict


def test_a_freeze_holds_and_tells_its_end_in_its_own_time_zone() -> None:
    saturday = datetime(2026, 11, 28, 12, tzinfo=UTC)
    gate = gates.freeze(inputs().windows, saturday)
    assert gate.verdict is Verdict.HOLD
    assert "2026-11-30 08:00 Europe/Berlin" in gate.evidence


def test_a_dwell_is_held_until_it_is_over_and_again_for_each_extension() -> None:
    left = gates.dwell(NOW - timedelta(minutes=6, seconds=12), 900, 0, NOW)
    assert left.verdict is Verdict.HOLD
    assert left.evidence == "8:48 left"
    assert gates.dwell(NOW - timedelta(minutes=15), 900, 0, NOW).verdict is Verdict.PASS
    assert gates.dwell(NOW - timedelta(minutes=15), 900, 1, NOW).evidence == "15:00 left"
    assert gates.dwell_ends(NOW, 0, 2) == NOW + timedelta(minutes=10)


def test_failures_are_told_before_what_holds() -> None:
    whole = gates.evaluate(inputs(migration=Reading(), minutes=reading(BROKEN, 200)), NOW)
    assert whole.verdict is Verdict.FAIL
    assert whole.blocked_by[0].startswith("errors:")
    assert whole.blocked_by[1].startswith("migration:")
