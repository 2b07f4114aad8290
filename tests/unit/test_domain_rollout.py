"""The rollout: its record, what is decided in each state, who may order what, and what holds over random histories."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brconsole.cli.rollout_document import rollout as document
from brconsole.domain import gates, orders, records
from brconsole.domain.annotation import Unreadable
from brconsole.domain.decision import (
    Actor,
    Ask,
    Decision,
    Evidence,
    Heartbeat,
    Nothing,
    Refused,
    Settled,
    Transition,
    Wait,
    Write,
    settle,
)
from brconsole.domain.environment import PlanStep, RolloutPlan
from brconsole.domain.findings import FindingKind, findings
from brconsole.domain.gates import Gate
from brconsole.domain.intent import (
    ANNOTATION,
    LONGEST_BYTES,
    UNKNOWN_REVISION,
    Driver,
    FailedCandidate,
    Phase,
    Rollout,
    dump,
    intent_of,
    parse,
    plan_id,
    to_second,
)
from brconsole.domain.judge import Verdict
from brconsole.domain.needs import driving, sign_of_life, step_gates
from brconsole.domain.plan import check_traffic
from brconsole.domain.rollout import next as decide
from brconsole.domain.service import Revision, Service
from brconsole.domain.traffic import TrafficTarget, normalise
from brconsole.domain.undo import DrainState, NoTarget, RollbackTarget, TargetSource, progress, rollback_target

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD, NEW, NEWER = "api-00041-abc", "api-00042-def", "api-00043-fed"
PLAN = RolloutPlan((PlanStep(5, 900), PlanStep(50, 900), PlanStep(100)), 4 * 3600)
AGENT = Actor("agent@bytereview-prod", headless=True)
ANNA, BEN = Actor("anna@example.com"), Actor("ben@example.com")
NAMES = (gates.ERRORS, gates.LATENCY, *sorted(gates.EVERYWHERE))
FOREIGN = (TrafficTarget(OLD, 0, "debug"), TrafficTarget(None, 0, "next"))


def revision(name: str, ready: bool | None = True) -> Revision:
    return Revision(name, "api", "image", f"sha256:{name[4:9]}00", NOON, ready)


REVISIONS = (revision(NEW), revision(OLD), revision("api-00040-bad"))


def service(**changes: Any) -> Service:
    targets = (TrafficTarget(OLD, 100), *FOREIGN)
    known = Service(
        name="api", uri=None, ready=True, reason=None, reconciling=False, generation=7, observed_generation=7,
        etag='"e7"', created=None, updated=NOON - timedelta(days=1), last_modifier="ci@example.com", latest_ready=NEW,
        latest_created=NEW, desired=targets, serving=targets, annotations={"owner": "reviews"},
    )  # fmt: skip
    return replace(known, **changes)


def applied(live: Service, write: Write, now: datetime, served: bool = True) -> Service:
    return replace(
        live,
        desired=write.traffic,
        serving=write.traffic if served else live.serving,
        annotations=dict(write.annotations),
        generation=live.generation + 1,
        observed_generation=live.generation + 1 if served else live.generation,
        reconciling=not served,
        updated=now,
        last_modifier=write.intent.driver.who if write.intent.driver else None,
    )


def wrote(answer: object) -> Write:
    assert isinstance(answer, Write), answer
    return answer


def started(live: Service | None = None, now: datetime = NOON, actor: Actor = AGENT, **options: Any) -> Service:
    live = live or service()
    answer = orders.start(intent_of(live), live, PLAN, "prod-canary", REVISIONS, now, actor, "release", **options)
    return applied(live, wrote(answer), now)


def record(live: Service) -> Rollout:
    intent = intent_of(live)
    assert isinstance(intent, Rollout), intent
    return intent


def evidence(live: Service, now: datetime, verdict: Verdict = Verdict.PASS, **changes: Any) -> Evidence:
    intent = intent_of(live)
    short = verdict is Verdict.HOLD
    listed = tuple(
        Gate(name, Verdict.PASS, "fine", now, now + timedelta(minutes=5)) for name in NAMES if name != gates.ERRORS
    )
    first = Gate(gates.ERRORS, verdict, "the evidence", now, now + timedelta(minutes=5), needs_evidence=short)
    known = Evidence(intent.seq if isinstance(intent, Rollout) else None, (first, *listed), REVISIONS, (OLD,))
    return replace(known, **changes)


def decided(
    live: Service, now: datetime, verdict: Verdict = Verdict.PASS, actor: Actor = AGENT, **changes: Any
) -> Decision:
    return decide(intent_of(live), live, evidence(live, now, verdict, **changes), now, actor)


def at_phase(*steps: Transition, until: datetime = NOON) -> tuple[Service, datetime]:
    """A service on which the agent went on by itself until it had made these transitions."""
    live, now = started(now=until), until
    for transition in steps:
        decision = decided(live, now)
        if isinstance(decision, Wait):
            now = decision.until
            decision = decided(live, now)
        write = wrote(decision)
        assert write.transition is transition
        live = applied(live, write, now)
    return live, now


OBSERVING = (Transition.OBSERVE,)
HALF = (*OBSERVING, Transition.PROMOTE)
PROMOTED = (*HALF, Transition.PROMOTE)
SOAKING = (*PROMOTED, Transition.SOAK)
FINISHED = (*SOAKING, Transition.FINISH)


# ------------------------------------------------------------------------------------------------------ the record


names = st.from_regex(r"api-[0-9]{5}-[a-z]{3}", fullmatch=True)
moments = st.integers(0, 10**9).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    percents = draw(st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted))
    steps = tuple(PlanStep(percent, draw(st.integers(0, 86_400))) for percent in (*percents, 100))
    phase = draw(st.sampled_from(Phase))
    stable, canary = draw(st.lists(names, min_size=2, max_size=2, unique=True))
    return Rollout(
        id="r-20261010-1412-7f3",
        seq=draw(st.integers(1, 2**40)),
        phase=phase,
        plan=plan_id("prod-canary", steps),
        steps=steps,
        step=draw(st.integers(0, len(steps) - 1)),
        stable=stable,
        canary=canary,
        step_started=draw(moments),
        deadline=draw(moments),
        held=draw(st.sampled_from([Phase.PREPARED, Phase.OBSERVING, Phase.SOAKING]))
        if phase is Phase.HOLDING
        else None,
        holds=draw(st.integers(0, 3)),
        digest=draw(st.none() | st.just("sha256:9f3c00")),
        manual=draw(st.booleans()),
        latest=draw(st.none() | names),
        step_gen=draw(st.none() | st.integers(0, 10**9)),
        driver=draw(st.none() | st.builds(Driver, st.just("anna@example.com"), moments, st.booleans())),
        sentinel=draw(st.none() | st.just({"exec": "migrate-x7", "rev": "ae10"})),
        schema=draw(st.none() | st.just((12, 14))),
        reason=draw(st.sampled_from(["", "gate pass k=0", "ütf · 50 %"])),
        failed=tuple(FailedCandidate(name, None) for name in draw(st.lists(names, max_size=3))),
    )


@given(rollouts())
def test_a_record_is_read_as_it_was_written(rollout: Rollout) -> None:
    assert parse(dump(rollout)) == rollout
    assert dump(rollout) == dump(parse(dump(rollout)))  # type: ignore[arg-type]


@given(rollouts(), st.data())
def test_a_record_with_anything_changed_is_another_record_or_none(rollout: Rollout, data: st.DataObject) -> None:
    found = json.loads(dump(rollout))
    key = data.draw(st.sampled_from(sorted(found)))
    junk = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=3),
        st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    )  # fmt: skip
    found[key] = data.draw(junk)
    again = parse(json.dumps(found))
    if isinstance(again, Rollout):
        assert sum(again.split.values()) == 100
        assert parse(dump(again)) == again


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(parse(text), Unreadable)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"v":2}',
        '{"v":true}',
        "[" * 8000,
        '{"v":1,"v":1}',
        '{"v":1e0}',
        '{"v":NaN}',
        "9" * 5000,
        " " * (LONGEST_BYTES + 1),
        "\ud800",
        '{"v":1,"id":"\\ud800"}',
    ],
)
def test_hostile_or_foreign_text_is_unreadable_and_says_why(text: str) -> None:
    found = parse(text)
    assert isinstance(found, Unreadable)
    assert found.reason
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seq", 0),
        ("seq", True),
        ("phase", "observing"),
        ("step", 3),
        ("steps", [[50, 900], [5, 900], [100, 0]]),
        ("steps", [[5, 900], [50, 900]]),
        ("plan", "prod-canary@sha256:000000000000"),
        ("stable", NEW),
        ("canary", "api-00042-def\n"),
        ("canary", "../services/other"),
        ("tags", {"prev": NEW}),
        ("holds", 4),
        ("held", "OBSERVE"),
        ("deadline", "2026-10-10"),
        ("deadline", "2026-13-10T16:00:00Z"),
        ("reason", "\x1b[31mred"),
        ("driver", {"who": "x"}),
        ("failed", [["api-00042-def"]]),
        ("extra", 1),
    ],
)
def test_a_record_that_is_not_ours_in_one_detail_is_unreadable(key: str, value: object) -> None:
    live, _ = at_phase(*OBSERVING)
    found = json.loads(live.annotations[ANNOTATION])
    assert isinstance(parse(json.dumps({**found, key: value})), Unreadable)


def test_a_full_record_fits_the_limit() -> None:
    live, _ = at_phase(*OBSERVING)
    long = "api-00042-" + "x" * 53
    crowded = replace(
        record(live),
        reason="\U0001f600" * 240,
        failed=tuple(FailedCandidate(long, "sha256:" + "f" * 64) for _ in range(10)),
    )
    assert parse(dump(crowded)) == crowded


def test_a_changed_plan_is_a_different_plan() -> None:
    assert plan_id("p", (PlanStep(5, 900), PlanStep(100))) != plan_id("p", (PlanStep(5, 901), PlanStep(100)))


# ---------------------------------------------------------------------------------------------------- the way forward


def test_a_start_pins_what_serves_by_name_and_gives_the_candidate_nothing() -> None:
    latest = service(desired=(TrafficTarget(None, 100),), serving=(TrafficTarget(None, 100),), latest_ready=OLD)
    write = wrote(orders.start(None, latest, PLAN, "p", REVISIONS, NOON, ANNA, "release", candidate=NEW))
    assert write.traffic == (TrafficTarget(OLD, 100), TrafficTarget(NEW, 0, "canary"), TrafficTarget(OLD, 0, "prev"))
    assert write.intent.phase is Phase.PREPARED
    assert write.intent.digest == "sha256:0004200"
    assert write.annotations["owner"] == "reviews"


def test_others_tags_stay_as_they_are() -> None:
    live, _ = at_phase(*PROMOTED)
    assert live.desired == (
        TrafficTarget(NEW, 100), TrafficTarget(NEW, 0, "canary"), TrafficTarget(OLD, 0, "prev"), *FOREIGN,
    )  # fmt: skip


def test_a_healthy_release_goes_to_its_end_by_itself() -> None:
    live, now = at_phase(*FINISHED)
    assert record(live).phase is Phase.IDLE
    assert live.desired_split() == {NEW: 100}
    assert record(live).tags == {"prev": OLD}
    assert now - NOON == timedelta(minutes=45)
    assert isinstance(decided(live, now), Nothing)


def test_a_step_waits_for_its_dwell_and_says_what_else_is_in_the_way() -> None:
    live, now = at_phase(*OBSERVING)
    decision = decided(live, now + timedelta(minutes=14), Verdict.HOLD)
    assert isinstance(decision, Wait)
    assert decision.until == now + timedelta(minutes=15)
    assert decision.blocked_by == ("errors: the evidence",)


def test_missing_samples_extend_the_step_three_times_and_then_a_person_is_asked() -> None:
    live, now = at_phase(*OBSERVING)
    begun = record(live).step_started
    for extension in (1, 2, 3):
        now = begun + timedelta(minutes=15 * extension)
        write = wrote(decided(live, now, Verdict.HOLD))
        assert write.transition is Transition.EXTEND
        assert write.intent.holds == extension
        assert write.intent.step_started == begun
        live = applied(live, write, now)
    now = begun + timedelta(minutes=60)
    write = wrote(decided(live, now, Verdict.HOLD))
    assert write.transition is Transition.HOLD
    assert write.page
    live = applied(live, write, now)
    assert isinstance(decided(live, now, Verdict.HOLD), Ask)
    answer = orders.promote(
        intent_of(live), live, evidence(live, now, Verdict.HOLD), now, AGENT, "go", without_evidence=True
    )
    promoted = wrote(answer)
    assert promoted.intent.percent == 50
    assert promoted.reason.startswith("promoted without evidence (the evidence)")


def test_samples_cannot_be_done_without_before_the_extensions_are_used() -> None:
    live, now = at_phase(*OBSERVING)
    now += timedelta(minutes=16)
    known = evidence(live, now, Verdict.HOLD)
    answer = orders.promote(intent_of(live), live, known, now, AGENT, "go", without_evidence=True)
    assert isinstance(answer, Refused)


@pytest.mark.parametrize("name", NAMES)
def test_one_gate_that_does_not_pass_is_enough_to_wait(name: str) -> None:
    live, now = at_phase(*OBSERVING)
    now += timedelta(minutes=20)
    known = evidence(live, now)
    held = tuple(replace(gate, verdict=Verdict.HOLD) if gate.name == name else gate for gate in known.gates)
    absent = tuple(gate for gate in known.gates if gate.name != name)
    stale = tuple(
        replace(gate, fresh_until=now - timedelta(seconds=1)) if gate.name == name else gate for gate in known.gates
    )
    for listed in (held, absent, stale):
        decision = decided(live, now, gates=listed)
        assert isinstance(decision, Wait), listed
        assert any(name in reason for reason in decision.blocked_by)
        again = replace(known, gates=listed)
        assert isinstance(orders.promote(intent_of(live), live, again, now, AGENT, "go"), Refused)


def test_evidence_of_an_earlier_step_promotes_nothing() -> None:
    live, now = at_phase(*OBSERVING)
    old = evidence(live, now)
    live, now = at_phase(*HALF)
    now += timedelta(minutes=20)
    stale = replace(old, gates=evidence(live, now).gates)
    assert isinstance(decide(intent_of(live), live, stale, now, AGENT), Wait)


def test_without_metrics_it_neither_promotes_nor_rolls_back() -> None:
    live, now = at_phase(*OBSERVING)
    now += timedelta(minutes=20)
    for known in (Evidence(), Evidence(record(live).seq), evidence(live, now, gates=())):
        assert isinstance(decide(intent_of(live), live, known, now, AGENT), Wait)


def test_a_manual_rollout_asks_instead_of_going_on() -> None:
    live = started(manual=True)
    decision = decided(live, NOON)
    assert isinstance(decision, Ask)
    assert "5 %" in decision.question
    assert wrote(orders.promote(intent_of(live), live, evidence(live, NOON), NOON, AGENT, "go")).intent.percent == 5


def test_a_promotion_to_what_is_reached_already_is_done() -> None:
    live, now = at_phase(*HALF)
    answer = orders.promote(intent_of(live), live, evidence(live, now), now, AGENT, "go", to_percent=50)
    assert isinstance(answer, Nothing)
    assert "already done" in answer.reason
    other = orders.promote(intent_of(live), live, evidence(live, now), now, AGENT, "go", to_percent=70)
    assert isinstance(other, Refused)


def test_who_drives_is_not_overtaken_without_a_word() -> None:
    live, now = at_phase(*OBSERVING)
    now = record(live).step_started + timedelta(minutes=15)
    beat = Heartbeat(BEN.who, now - timedelta(seconds=80))
    known = evidence(live, now, heartbeat=beat)
    assert driving(record(live), known, now) == Driver(BEN.who, now + timedelta(seconds=10))
    decision = decide(intent_of(live), live, known, now, AGENT)
    assert isinstance(decision, Wait)
    assert decision.until == now + timedelta(seconds=10)
    refused = orders.promote(intent_of(live), live, known, now, ANNA, "go")
    assert isinstance(refused, Refused)
    assert BEN.who in refused.reason
    wrote(orders.promote(intent_of(live), live, known, now, ANNA, "go", takeover=True))
    silent = replace(known, heartbeat=replace(beat, at=now - timedelta(seconds=91)))
    wrote(decide(intent_of(live), live, silent, now, AGENT))


def test_nobody_holds_the_wheel_for_a_year() -> None:
    live, now = at_phase(*OBSERVING)
    forged = replace(record(live), driver=Driver("mallory", now + timedelta(days=365)))
    assert driving(forged, Evidence(), now) is None


def test_a_write_may_be_decided_twice_and_is_the_same() -> None:
    live, now = at_phase(*OBSERVING)
    now += timedelta(minutes=15)
    first, second = wrote(decided(live, now)), wrote(decided(live, now))
    assert first == second
    assert first.annotations == second.annotations


# ------------------------------------------------------------------------------------------------------- rolling back


@pytest.mark.parametrize("steps", [OBSERVING, HALF, PROMOTED, SOAKING])
@pytest.mark.parametrize("held", [False, True])
def test_a_failing_canary_is_rolled_back_in_every_phase_with_canary_traffic(
    steps: tuple[Transition, ...], held: bool
) -> None:
    live, now = at_phase(*steps)
    if held:
        live = applied(live, wrote(orders.hold(intent_of(live), live, now, ANNA, "wait")), now)
    beat = Heartbeat(ANNA.who, now)
    write = wrote(decided(live, now, Verdict.FAIL, heartbeat=beat))
    assert write.urgent
    assert write.page
    assert write.intent.split == {OLD: 100}
    live = applied(live, write, now, served=False)
    waiting = decided(live, now + timedelta(seconds=5))
    assert isinstance(waiting, Wait)
    live = replace(live, serving=live.desired, reconciling=False)
    end = wrote(decided(live, now + timedelta(seconds=9)))
    live = applied(live, end, now)
    assert record(live).phase is Phase.ROLLED_BACK
    assert record(live).failed[-1] == FailedCandidate(NEW, "sha256:0004200")
    assert isinstance(decided(live, now), Nothing)


def test_a_failing_canary_is_rolled_back_also_while_the_service_is_stuck() -> None:
    live, now = at_phase(*HALF)
    stuck = replace(live, reconciling=True, serving=(TrafficTarget(OLD, 95), TrafficTarget(NEW, 5)))
    assert wrote(decided(stuck, now + timedelta(minutes=5), Verdict.FAIL)).urgent


def test_a_dead_canary_is_rolled_back() -> None:
    live, now = at_phase(*OBSERVING)
    for left in ((revision(OLD),), (revision(OLD), revision(NEW, ready=False))):
        write = wrote(decided(live, now, revisions=left))
        assert write.urgent
        assert "canary" not in write.intent.tags


def test_a_rollback_finished_twice_is_done_already() -> None:
    live, now = at_phase(*OBSERVING)
    target = rollback_target(live, intent_of(live), None, None)
    assert isinstance(target, RollbackTarget)
    live = applied(live, records.roll_back(intent_of(live), live, target, now, ANNA, "5xx"), now)  # type: ignore[arg-type]
    target = rollback_target(live, intent_of(live), None, None)
    assert isinstance(target, RollbackTarget)
    waits = records.roll_back(intent_of(live), live, target, now, ANNA, "5xx")
    assert isinstance(waits, Wait)
    assert "not yet recorded as complete" in waits.reason
    live = applied(live, wrote(decided(live, now)), now)
    assert record(live).phase is Phase.ROLLED_BACK
    assert isinstance(records.roll_back(intent_of(live), live, target, now, ANNA, "5xx"), Nothing)


def rolled_back_and_served(served: bool = True) -> tuple[Service, datetime]:
    """A rollback whose console died before it wrote that the rollback is complete."""
    live, now = at_phase(*OBSERVING)
    return applied(live, wrote(decided(live, now, Verdict.FAIL)), now, served), now


def test_a_rollback_that_is_served_and_not_recorded_makes_room_for_the_next_release_in_one_write() -> None:
    live, now = rolled_back_and_served()
    started_anew = orders.start(
        intent_of(live), live, PLAN, "prod-canary", REVISIONS, now, ANNA, "release", candidate=NEW
    )
    assert isinstance(started_anew, Refused)
    assert "was rolled back before" in started_anew.reason
    write = wrote(
        orders.start(intent_of(live), live, PLAN, "prod-canary", REVISIONS, now, ANNA, "release", NEW, retry=True)
    )
    assert (write.intent.phase, write.intent.stable, write.intent.seq) == (Phase.PREPARED, OLD, record(live).seq + 1)
    dismissed = wrote(orders.release(intent_of(live), live, now, ANNA, "not this one"))
    assert (dismissed.intent.phase, dismissed.intent.split) == (Phase.RELEASED, {OLD: 100})


def test_a_rollback_that_is_not_served_yet_binds_everybody() -> None:
    live, now = rolled_back_and_served(served=False)
    for answer in (
        orders.start(intent_of(live), live, PLAN, "prod-canary", REVISIONS, now, ANNA, "release", NEW, retry=True),
        orders.release(intent_of(live), live, now, ANNA, "not this one"),
        orders.shift(intent_of(live), live, {OLD: 50, NEW: 50}),
    ):
        assert isinstance(answer, Refused)
        assert "rolling_back" in answer.reason


@pytest.mark.parametrize("served", [True, False])
def test_an_abort_of_what_is_rolled_back_already_waits_for_its_end(served: bool) -> None:
    live, now = rolled_back_and_served(served)
    waits = orders.abort(intent_of(live), live, evidence(live, now), now, ANNA, "no")
    assert isinstance(waits, Wait)
    assert ("not yet recorded as complete" if served else "not yet served") in waits.reason


def test_the_heartbeat_that_counts_is_the_records_drivers_and_else_that_of_who_took_the_wheel() -> None:
    live, now = at_phase(*OBSERVING)
    state = record(live)
    agents = Heartbeat(AGENT.who, now, headless=True)
    annas = Heartbeat(ANNA.who, now, service="api")
    others = Heartbeat(BEN.who, now, service="frontend")
    assert sign_of_life(state, "api", (agents, annas, others), now) == agents
    late = now + timedelta(seconds=100)
    silent = (agents, replace(annas, at=late), replace(others, at=late))
    assert sign_of_life(state, "api", silent, late) == replace(annas, at=late)
    assert sign_of_life(state, "api", (agents, replace(others, at=late)), late) == agents
    assert sign_of_life(state, "api", (), late) is None


def test_traffic_moved_forward_during_a_rollback_is_moved_back() -> None:
    live, now = at_phase(*OBSERVING)
    live = applied(live, wrote(decided(live, now, Verdict.FAIL)), now)
    moved = replace(live, desired=(TrafficTarget(NEW, 100),), serving=(TrafficTarget(NEW, 100),))
    write = wrote(decided(moved, now))
    assert write.urgent
    assert write.intent.split == {OLD: 100}


def test_a_rollback_of_a_finished_release_goes_to_what_it_replaced() -> None:
    live, now = at_phase(*FINISHED)
    target = rollback_target(live, intent_of(live), ("api-00040-bad",), REVISIONS)
    assert isinstance(target, RollbackTarget)
    assert (target.revision, target.source, target.ready) == (OLD, TargetSource.RECORDED, True)
    write = records.roll_back(intent_of(live), live, target, now, ANNA, "5xx", REVISIONS)
    assert wrote(write).intent.failed == (FailedCandidate(NEW, "sha256:0004200"),)


def test_the_target_is_the_tag_where_no_rollout_is_recorded_and_else_the_history() -> None:
    tagged = service(desired=(TrafficTarget(NEW, 100), TrafficTarget(OLD, 0, "prev")))
    found = rollback_target(tagged, None, ("api-00040-bad",), REVISIONS)
    assert isinstance(found, RollbackTarget)
    assert (found.revision, found.source) == (OLD, TargetSource.TAG)
    plain = service(desired=(TrafficTarget(NEW, 100),))
    found = rollback_target(plain, None, (NEW, OLD), None)
    assert isinstance(found, RollbackTarget)
    assert (found.revision, found.source, found.exists) == (OLD, TargetSource.HISTORY, None)


def test_the_second_newest_revision_is_never_taken_for_the_target() -> None:
    found = rollback_target(service(desired=(TrafficTarget(NEW, 100),)), None, None, REVISIONS)
    assert isinstance(found, NoTarget)
    assert found.choices == (OLD, "api-00040-bad")


def test_a_record_that_was_overtaken_by_hand_is_not_where_a_rollback_goes() -> None:
    live, _ = at_phase(*FINISHED)
    overtaken = replace(
        live,
        desired=tuple(replace(target, revision=NEWER) if target.percent else target for target in live.desired),
    )
    found = rollback_target(overtaken, intent_of(overtaken), (NEWER, NEW, OLD), None)
    assert isinstance(found, RollbackTarget)
    assert (found.revision, found.source) == (NEW, TargetSource.HISTORY)
    blind = rollback_target(overtaken, intent_of(overtaken), None, None)
    assert isinstance(blind, RollbackTarget)
    assert (blind.revision, blind.source) == (OLD, TargetSource.TAG)


def test_a_target_that_is_gone_is_passed_over_and_told() -> None:
    live, _ = at_phase(*OBSERVING)
    left = (revision(NEW), revision("api-00039-fin"))
    found = rollback_target(live, intent_of(live), ("api-00039-fin",), left)
    assert isinstance(found, RollbackTarget)
    assert found.revision == "api-00039-fin"
    assert OLD in found.skipped[0]
    assert isinstance(rollback_target(live, intent_of(live), None, left, named="api-00001-aaa"), NoTarget)


def test_a_failing_canary_without_a_target_asks_and_pages() -> None:
    live, now = at_phase(*OBSERVING)
    decision = decided(live, now, Verdict.FAIL, revisions=(revision(NEW),), history=None)
    assert isinstance(decision, Ask)
    assert decision.page


def test_a_rollback_needs_neither_a_record_nor_revisions_nor_even_a_read_service() -> None:
    unread = service(desired=(), serving=(), latest_ready=None, latest_created=None, annotations={}, etag="")
    target = rollback_target(unread, None, None, None, named=OLD)
    assert isinstance(target, RollbackTarget)
    write = wrote(records.roll_back(None, unread, target, NOON, ANNA, "5xx"))
    assert normalise(write.traffic, None) == {OLD: 100}
    assert write.intent.canary == UNKNOWN_REVISION
    assert write.intent.failed == ()
    assert parse(write.annotations[ANNOTATION]) == write.intent


def test_a_rollback_over_an_unreadable_record_replaces_it() -> None:
    live = service(
        desired=(TrafficTarget(NEW, 50), TrafficTarget(OLD, 50), TrafficTarget(OLD, 0, "prev")),
        annotations={ANNOTATION: "{}"},
    )
    target = rollback_target(live, intent_of(live), None, REVISIONS)
    assert isinstance(target, RollbackTarget)
    write = wrote(records.roll_back(intent_of(live), live, target, NOON, ANNA, "5xx"))
    assert write.intent.canary == NEW
    assert write.intent.split == {OLD: 100}


def test_rolled_back_is_said_only_when_it_is_served_and_drained_when_no_request_is_left() -> None:
    live, now = at_phase(*OBSERVING)
    asked = applied(live, wrote(decided(live, now, Verdict.FAIL)), now, served=False)
    assert progress(asked, OLD, None).state is DrainState.REQUESTED
    assert "still serving" in progress(asked, OLD, None).text
    served = replace(asked, serving=asked.desired, reconciling=False)
    assert progress(served, OLD, None).state is DrainState.SERVING
    assert progress(served, OLD, 3).state is DrainState.SERVING
    assert progress(served, OLD, 0).state is DrainState.DRAINED


def test_past_the_deadline_an_agent_returns_to_stable_and_a_present_person_is_asked() -> None:
    live, _ = at_phase(*OBSERVING)
    late = NOON + timedelta(hours=4)
    write = wrote(decided(live, late, Verdict.HOLD))
    assert write.urgent
    assert write.intent.failed == ()
    asked = decided(live, late, Verdict.HOLD, heartbeat=Heartbeat(ANNA.who, late))
    assert isinstance(asked, Ask)
    assert asked.page
    held = wrote(decided(live, late, Verdict.HOLD, on_deadline="hold"))
    assert held.transition is Transition.HOLD


def test_a_promoted_release_is_not_undone_by_the_deadline() -> None:
    live, _ = at_phase(*SOAKING)
    assert wrote(decided(live, NOON + timedelta(hours=5))).transition is Transition.FINISH


def test_a_soak_ends_only_on_fresh_evidence() -> None:
    live, now = at_phase(*SOAKING)
    late = now + timedelta(hours=1)
    assert isinstance(decided(live, late, gates=()), Wait)
    assert wrote(decided(live, late, Verdict.HOLD)).transition is Transition.FINISH  # few requests, none convicted


def test_with_session_affinity_a_conviction_is_held_and_a_person_may_start_the_step_anew() -> None:
    live, now = at_phase(*OBSERVING)
    paging = tuple(
        replace(gate, verdict=Verdict.HOLD, page=True) if gate.name == gates.ERRORS else gate
        for gate in evidence(live, now).gates
    )
    write = wrote(decided(live, now, gates=paging))
    assert write.transition is Transition.HOLD
    assert write.page
    live = applied(live, write, now)
    assert isinstance(decided(live, now, gates=paging), Ask)
    later = now + timedelta(minutes=3)
    resumed = wrote(orders.resume(intent_of(live), live, later, ANNA, "one client", anew=True))
    assert resumed.intent.step_started == later


# ---------------------------------------------------------------------------------------------------------- findings


def kinds(live: Service, now: datetime = NOON, revisions: tuple[Revision, ...] | None = REVISIONS) -> list[FindingKind]:
    return [finding.kind for finding in findings(intent_of(live), live, revisions, now)]


def test_another_hand_on_the_traffic_freezes_automation_until_it_is_adopted_or_restored() -> None:
    live, now = at_phase(*OBSERVING)
    now += timedelta(minutes=20)
    moved = replace(live, desired=(TrafficTarget(OLD, 80), TrafficTarget(NEW, 20)), last_modifier="eve@example.com")
    moved = replace(moved, serving=moved.desired)
    assert kinds(moved) == [FindingKind.DRIFT]
    decision = decided(moved, now)
    assert isinstance(decision, Ask)
    assert "eve@example.com" in decision.question
    assert isinstance(orders.promote(intent_of(moved), moved, evidence(moved, now), now, AGENT, "go"), Refused)
    assert isinstance(orders.hold(intent_of(moved), moved, now, ANNA, "wait"), Refused)
    assert wrote(orders.restore(intent_of(moved), moved, now, ANNA, "mine")).intent.split == {OLD: 95, NEW: 5}
    adopted = wrote(orders.adopt(intent_of(moved), moved, PLAN, now, ANNA, "yours"))
    assert adopted.intent.split == {OLD: 80, NEW: 20}
    assert [step.percent for step in adopted.intent.steps] == [20, 50, 100]
    assert adopted.intent.phase is Phase.HOLDING
    assert wrote(decided(moved, now, Verdict.FAIL)).urgent


def test_a_canary_taken_out_by_hand_is_left_to_that_hand() -> None:
    live, now = at_phase(*OBSERVING)
    moved = replace(live, desired=(TrafficTarget(NEWER, 100),), serving=(TrafficTarget(NEWER, 100),))
    assert isinstance(decided(moved, now, Verdict.FAIL), Ask)


def test_latest_with_traffic_is_drift_even_when_it_means_the_same_revision() -> None:
    live, _ = at_phase(*PROMOTED)
    same = tuple(replace(target, revision=None) if target.percent else target for target in live.desired)
    assert FindingKind.DRIFT in kinds(replace(live, desired=same))


def test_a_split_without_a_record_is_an_orphan_that_can_be_adopted_from_its_tags() -> None:
    live, now = at_phase(*OBSERVING)
    orphan = replace(live, annotations={})
    assert kinds(orphan) == [FindingKind.ORPHAN]
    assert isinstance(decided(orphan, now), Ask)
    adopted = wrote(orders.adopt(None, orphan, PLAN, now, ANNA, "wiped by services replace"))
    assert (adopted.intent.stable, adopted.intent.canary, adopted.intent.percent) == (OLD, NEW, 5)
    assert isinstance(orders.start(None, orphan, PLAN, "p", REVISIONS, now, ANNA, "go"), Refused)


def test_an_unreadable_record_is_never_acted_on_nor_overwritten_by_a_start() -> None:
    live = service(annotations={ANNOTATION: '{"v":2}'})
    assert FindingKind.UNREADABLE in kinds(live)
    assert isinstance(decided(live, NOON), Ask)
    assert isinstance(orders.start(intent_of(live), live, PLAN, "p", REVISIONS, NOON, ANNA, "go"), Refused)
    assert wrote(orders.adopt(intent_of(live), live, PLAN, NOON, ANNA, "known")).intent.phase is Phase.RELEASED


def test_a_write_in_flight_is_waited_for_and_then_stuck() -> None:
    live, now = at_phase(*OBSERVING)
    flying = replace(live, reconciling=True, updated=now)
    assert isinstance(decided(flying, now + timedelta(seconds=120)), Wait)
    late = decided(flying, now + timedelta(seconds=121))
    assert isinstance(late, Ask)
    assert late.page
    failed = replace(live, serving=(TrafficTarget(OLD, 100),), updated=now)
    assert kinds(failed, now + timedelta(seconds=121)) == [FindingKind.STUCK]


def test_a_broken_newest_revision_does_not_make_good_traffic_stuck() -> None:
    live, now = at_phase(*OBSERVING)
    broken = replace(live, ready=False, observed_generation=live.generation - 1, latest_created=NEWER)
    assert kinds(broken, now + timedelta(hours=1)) == [FindingKind.NEW_DEPLOY]


def test_a_new_deploy_is_seen_and_gets_nothing() -> None:
    live, now = at_phase(*OBSERVING)
    deployed = replace(live, latest_created=NEWER, latest_ready=NEWER)
    assert kinds(deployed) == [FindingKind.NEW_DEPLOY]
    for _ in range(3):
        decision = decided(deployed, now, revisions=(revision(NEWER), *REVISIONS))
        now = decision.until if isinstance(decision, Wait) else now
        if isinstance(decision, Write):
            assert NEWER not in {target.revision for target in decision.traffic}
            deployed = applied(deployed, decision, now)
    assert record(deployed).canary == NEW


def test_a_vanished_stable_blocks_the_way_forward_and_offers_what_is_ready() -> None:
    live, now = at_phase(*OBSERVING)
    decision = decided(live, now + timedelta(minutes=20), revisions=(revision(NEW), revision("api-00039-fin")))
    assert isinstance(decision, Ask)
    assert decision.page
    assert "api-00039-fin" in decision.question


def test_pinned_is_told_after_a_rollback_until_a_person_settles_it() -> None:
    live, now = at_phase(*OBSERVING)
    live = applied(live, wrote(decided(live, now, Verdict.FAIL)), now)
    live = applied(live, wrote(decided(live, now)), now)
    assert kinds(live) == [FindingKind.PINNED]
    released = applied(live, wrote(orders.release(intent_of(live), live, now, ANNA, "not wanted")), now)
    assert kinds(released) == []
    assert released.desired == live.desired
    assert isinstance(orders.release(intent_of(released), released, now, ANNA, "again"), Nothing)
    deployed = replace(released, latest_ready=NEWER, latest_created=NEWER)
    assert kinds(deployed) == [FindingKind.PINNED]


def test_after_a_release_was_settled_the_undo_target_is_still_known() -> None:
    live, now = at_phase(*FINISHED)
    newer = replace(live, latest_ready=NEWER, latest_created=NEWER)
    settled = applied(newer, wrote(orders.release(intent_of(newer), newer, now, ANNA, "not wanted")), now)
    assert kinds(settled) == []
    found = rollback_target(settled, intent_of(settled), None, None)
    assert isinstance(found, RollbackTarget)
    assert found.revision == OLD


# ------------------------------------------------------------------------------------------------------------- orders


def test_a_failed_candidate_is_tried_again_only_when_a_person_says_so() -> None:
    live, now = at_phase(*OBSERVING)
    live = applied(live, wrote(decided(live, now, Verdict.FAIL)), now)
    live = applied(live, wrote(decided(live, now)), now)
    again = orders.start(intent_of(live), live, PLAN, "p", REVISIONS, now, ANNA, "again")
    assert isinstance(again, Refused)
    assert "--retry" in again.reason
    twin = replace(revision(NEWER), digest=revision(NEW).digest)
    same_image = orders.start(intent_of(live), live, PLAN, "p", (twin, *REVISIONS), now, ANNA, "x", candidate=NEWER)
    assert isinstance(same_image, Refused)
    assert NEW in same_image.reason
    other = orders.start(
        intent_of(live), live, PLAN, "p", (revision(NEWER), *REVISIONS), now, ANNA, "x", candidate=NEWER
    )
    assert wrote(other).intent.seq == record(live).seq + 1
    retried = wrote(orders.start(intent_of(live), live, PLAN, "p", REVISIONS, now, ANNA, "again", retry=True))
    assert retried.intent.failed == ()


@pytest.mark.parametrize(
    "live",
    [
        service(latest_ready=OLD),
        service(latest_ready=None),
        service(desired=(TrafficTarget(OLD, 50), TrafficTarget(NEW, 50))),
        service(serving=(TrafficTarget(NEW, 100),)),
        service(reconciling=True),
        service(latest_ready="api-00099-zzz"),
    ],
)
def test_a_start_is_refused_where_there_is_nothing_clear_to_start_from(live: Service) -> None:
    assert isinstance(orders.start(None, live, PLAN, "p", REVISIONS, NOON, ANNA, "go"), Refused)


def test_a_digest_of_another_form_is_left_out_and_a_plan_beyond_the_record_is_refused() -> None:
    odd = (replace(revision(NEW), digest="latest\x1b"), revision(OLD))
    write = wrote(orders.start(None, service(), PLAN, "p", odd, NOON, ANNA, "go"))
    assert parse(write.annotations[ANNOTATION]) == write.intent
    steps = tuple(PlanStep(percent) for percent in (*range(1, 30), 100))
    refused = orders.start(None, service(), RolloutPlan(steps, 60), "p", REVISIONS, NOON, ANNA, "go")
    assert isinstance(refused, Refused)
    assert "cannot be recorded" in refused.reason


def test_a_start_is_refused_while_another_is_under_way_or_the_candidate_is_not_ready() -> None:
    live, now = at_phase(*OBSERVING)
    assert isinstance(orders.start(intent_of(live), live, PLAN, "p", REVISIONS, now, ANNA, "go"), Refused)
    unready = (revision(NEW, ready=False), revision(OLD))
    assert isinstance(orders.start(None, service(), PLAN, "p", unready, NOON, ANNA, "go"), Refused)


def test_a_hold_keeps_the_share_and_a_resume_goes_on_where_it_was() -> None:
    live, now = at_phase(*HALF)
    held = applied(live, wrote(orders.hold(intent_of(live), live, now, ANNA, "lunch")), now)
    assert held.desired == live.desired
    assert isinstance(orders.hold(intent_of(held), held, now, ANNA, "lunch"), Nothing)
    assert isinstance(decided(held, now + timedelta(hours=1)), Ask)
    resumed = wrote(orders.resume(intent_of(held), held, now, ANNA, "back"))
    assert resumed.intent.phase is Phase.OBSERVING
    assert resumed.intent.step_started == record(live).step_started
    assert isinstance(orders.resume(intent_of(live), live, now, ANNA, "back"), Nothing)


def test_an_abort_without_a_rollout_is_refused() -> None:
    idle, now = at_phase(*FINISHED)
    for live in (service(), idle):
        answer = orders.abort(intent_of(live), live, Evidence(), now, ANNA, "stop")
        assert isinstance(answer, Refused)
        assert "rollback" in answer.reason


def test_an_abort_before_traffic_is_a_rollback_that_moves_nothing() -> None:
    live = started()
    write = wrote(orders.abort(intent_of(live), live, evidence(live, NOON), NOON, ANNA, "stop"))
    assert write.intent.phase is Phase.ROLLING_BACK
    assert write.intent.split == live.desired_split()


def test_traffic_by_hand_is_refused_while_a_rollout_moves_it() -> None:
    live, now = at_phase(*OBSERVING)
    split = {OLD: 60, NEW: 30, "api-00040-bad": 10}
    assert isinstance(orders.shift(intent_of(live), live, split), Refused)
    held = applied(live, wrote(orders.hold(intent_of(live), live, now, ANNA, "hand")), now)
    listed = orders.shift(intent_of(held), held, split)
    assert isinstance(listed, tuple)
    check_traffic(listed)
    assert {target.tag for target in listed if target.tag} == {"canary", "prev", "debug", "next"}
    assert isinstance(orders.shift(None, service(), {OLD: 99}), Refused)


# ----------------------------------------------------------------------------------------------------- losing a race


def test_the_loser_of_a_race_finds_it_done() -> None:
    live, now = at_phase(*OBSERVING)
    now = record(live).step_started + timedelta(minutes=15)
    known = evidence(live, now)
    mine = wrote(orders.promote(intent_of(live), live, known, now, ANNA, "go", takeover=True))
    theirs = wrote(orders.promote(intent_of(live), live, known, now + timedelta(seconds=3), BEN, "go", takeover=True))
    assert settle(mine, live) is Settled.OPEN
    after = applied(live, theirs, now)
    assert settle(mine, after) is Settled.DONE
    assert settle(theirs, after) is Settled.DONE


def test_another_target_is_a_lost_race() -> None:
    live, now = at_phase(*OBSERVING)
    now = record(live).step_started + timedelta(minutes=15)
    promotion, rollback = wrote(decided(live, now)), wrote(decided(live, now, Verdict.FAIL))
    assert settle(promotion, applied(live, rollback, now)) is Settled.LOST
    assert settle(rollback, applied(live, promotion, now)) is Settled.LOST
    finished = applied(live, rollback, now)
    finished = applied(finished, wrote(decided(finished, now)), now)
    assert settle(rollback, finished) is Settled.DONE


# ------------------------------------------------------------------------------------------------------- the document


def test_the_document_of_a_rollout_has_the_keys_of_the_contract() -> None:
    live, now = at_phase(*OBSERVING)
    shown = document("prod", live, intent_of(live), step_gates(record(live), live, evidence(live, now), now).gates)
    assert list(shown) == [
        "schema", "environment", "service", "id", "seq", "phase", "plan", "step", "steps", "stable", "canary",
        "desired", "serving", "step_started", "deadline", "driver", "gates", "next", "blocked_by",
    ]  # fmt: skip
    assert shown["phase"] == "observing"
    assert shown["desired"] == {OLD: 95, NEW: 5}
    assert shown["steps"][0] == {"percent": 5, "dwell_s": 900}  # type: ignore[index]
    assert shown["gates"][-1] == {  # type: ignore[index]
        "name": "dwell", "verdict": "hold", "evidence": "15:00 left", "as_of": "2026-11-24T12:00:00Z",
    }  # fmt: skip
    assert shown["blocked_by"] == ["dwell: 15:00 left"]
    assert json.loads(json.dumps(shown)) == shown


def test_the_document_without_a_rollout_is_idle_and_an_unreadable_one_is_not_known() -> None:
    idle = document("prod", service(), None, decision=decided(service(), NOON))
    assert (idle["phase"], idle["id"], idle["stable"], idle["blocked_by"]) == ("idle", None, None, [])
    hostile = service(annotations={ANNOTATION: "{}"})
    found = findings(intent_of(hostile), hostile, None, NOON)
    shown = document("prod", hostile, intent_of(hostile), found=found)
    assert shown["phase"] is None
    assert shown["blocked_by"]
    unread = service(reconciling=True, serving=())
    assert document("prod", unread, None)["serving"] is None


# --------------------------------------------------------------------------------------------------- random histories


@dataclass
class World:
    """One service, two consoles and an agent that act on what they last read, a person in gcloud, slow serving."""

    live: Service = field(default_factory=lambda: service(desired=(TrafficTarget(OLD, 100), *FOREIGN)))
    now: datetime = NOON
    seen: dict[str, Service] = field(default_factory=dict)
    accepted: int = 0

    def read(self, who: str) -> Service:
        return self.seen.get(who, self.live)

    def offer(self, who: str, answer: object, known: Evidence) -> None:
        """Send a write conditionally, on the generation that its writer read."""
        if not isinstance(answer, Write):
            return
        base = self.read(who)
        check_write(base, answer, known, self.now)
        if base.generation == self.live.generation:
            self.live = applied(self.live, answer, self.now, served=False)
            self.accepted += 1
        elif answer.urgent:
            self.seen.pop(who, None)  # read again and retry at once
            live = self.live
            target = rollback_target(live, intent_of(live), (OLD,), None)
            if isinstance(target, RollbackTarget):
                self.offer(who, records.roll_back(intent_of(live), live, target, self.now, ANNA, "retry"), known)

    def serve(self) -> None:
        self.live = replace(self.live, serving=self.live.desired, reconciling=False)


def check_write(base: Service, write: Write, known: Evidence, now: datetime) -> None:
    """The invariants of every write that the engine makes (reference §4.1)."""
    check_traffic(write.traffic)
    arms = {target.revision: target.percent for target in write.traffic if target.percent}
    assert None not in arms
    assert len(arms) <= 2
    assert arms == write.intent.split
    assert [target for target in write.traffic if target.tag in ("debug", "next")] == list(FOREIGN)
    assert all(target.revision for target in write.traffic if target.tag not in ("next", None))
    before = intent_of(base)
    assert write.intent.seq == (before.seq + 1 if isinstance(before, Rollout) else 1)
    assert parse(write.annotations[ANNOTATION]) == write.intent
    assert set(write.annotations) == {*base.annotations, ANNOTATION}
    if not isinstance(before, Rollout) or write.transition in (Transition.ADOPT, Transition.RESTORE):
        return
    forward = arms.get(write.intent.canary, 0) > base.desired_split().get(write.intent.canary, 0)
    if forward and not write.urgent:
        needed = [gate for gate in known.gates if before.percent or gate.name not in gates.NEED_TRAFFIC]
        lacking = [gate for gate in needed if gate.at(now).verdict is not Verdict.PASS]
        assert known.seq == before.seq
        assert not lacking or (before.holds == 3 and all(gate.needs_evidence for gate in lacking))
        assert {gate.name for gate in known.gates} >= gates.EVERYWHERE


ACTS = (
    *("read", "next", "promote", "wait") * 4,
    *("serve", "rollback", "hold", "resume", "start", "adopt", "restore", "release", "gcloud", "wipe"),
)
KNOWN = ("pass", "pass", "pass", "hold", "fail", "stale", "stale", "none", "old")


def evidence_of(world: World, who: str, kind: str) -> Evidence:
    live = world.read(who)
    verdict = {"hold": Verdict.HOLD, "fail": Verdict.FAIL}.get(kind, Verdict.PASS)
    known = evidence(live, world.now, verdict, revisions=None)
    if kind == "stale":
        past = world.now - timedelta(seconds=1)
        return replace(known, gates=tuple(replace(gate, fresh_until=past) for gate in known.gates))
    if kind == "old":
        return replace(known, seq=(known.seq or 1) - 1)
    return Evidence() if kind == "none" else known


def act(world: World, what: str, who: str, kind: str, seconds: int) -> None:
    actor = {"anna": ANNA, "ben": BEN, "agent": AGENT}[who]
    live, known = world.read(who), evidence_of(world, who, kind)
    intent, now = intent_of(live), world.now
    answers = {
        "next": lambda: decide(intent, live, known, now, actor),
        "promote": lambda: orders.promote(intent, live, known, now, actor, "go", without_evidence=True, takeover=True),
        "hold": lambda: orders.hold(intent, live, now, actor, "hold"),
        "resume": lambda: orders.resume(intent, live, now, actor, "resume"),
        "start": lambda: orders.start(intent, live, PLAN, "p", REVISIONS, now, actor, "go", retry=True, candidate=NEW),
        "adopt": lambda: orders.adopt(intent, live, PLAN, now, actor, "adopt"),
        "restore": lambda: orders.restore(intent, live, now, actor, "restore"),
        "release": lambda: orders.release(intent, live, now, actor, "settle"),
    }
    if what in answers:
        world.offer(who, answers[what](), known)
    elif what == "rollback":
        target = rollback_target(live, intent, (OLD,), None)
        if isinstance(target, RollbackTarget):
            world.offer(who, records.roll_back(intent, live, target, now, actor, "5xx"), known)
    elif what == "read":
        world.seen[who] = world.live
    elif what == "serve":
        world.serve()
    elif what == "wait":
        world.now += timedelta(seconds=seconds)
        if seconds > 30:
            world.serve()
    elif what == "wipe":
        world.live = replace(world.live, annotations={"owner": "reviews"}, generation=world.live.generation + 1)
    else:
        arms = [
            (TrafficTarget(OLD, 100),),
            (TrafficTarget(NEW, 100),),
            (TrafficTarget(OLD, 70), TrafficTarget(NEW, 30)),
        ]
        tags = tuple(target for target in world.live.desired if target.tag)
        changed = (*arms[seconds % 3], *tags)
        world.live = replace(
            world.live, desired=changed, reconciling=True, generation=world.live.generation + 1, updated=world.now
        )


histories = st.lists(
    st.tuples(
        st.sampled_from(ACTS), st.sampled_from(["anna", "ben", "agent"]), st.sampled_from(KNOWN), st.integers(1, 1200)
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_over_random_histories_every_write_keeps_the_invariants_and_a_rollback_wins(
    history: list[tuple[str, str, str, int]],
) -> None:
    world = World()
    act(world, "start", "agent", "pass", 1)
    for what, who, kind, seconds in history:
        act(world, what, who, kind, seconds)
    target = rollback_target(world.live, intent_of(world.live), (OLD,), None, named=OLD)
    assert isinstance(target, RollbackTarget)
    world.seen.clear()
    world.offer(
        "anna", records.roll_back(intent_of(world.live), world.live, target, world.now, ANNA, "5xx"), Evidence()
    )
    for _ in range(4):
        world.serve()
        world.seen.clear()
        act(world, "next", "agent", "none", 1)
    assert world.live.desired_split() == {OLD: 100}
    assert world.live.serving_split() == {OLD: 100}
    intent = intent_of(world.live)
    assert not isinstance(intent, Rollout) or not intent.active


@settings(max_examples=150)
@given(histories)
def test_over_random_histories_a_failing_canary_ends_at_stable_by_itself(
    history: list[tuple[str, str, str, int]],
) -> None:
    world = World()
    act(world, "start", "agent", "pass", 1)
    for what, who, kind, seconds in history:
        if what not in ("gcloud", "wipe"):
            act(world, what, who, kind, seconds)
    for _ in range(5):
        world.serve()
        world.seen.clear()
        intent = intent_of(world.live)
        if isinstance(intent, Rollout) and intent.active:
            act(world, "next", "agent", "fail", 1)
    after = intent_of(world.live)
    assert not isinstance(after, Rollout) or not after.active
    if after is not None and isinstance(after, Rollout) and after.phase is not Phase.IDLE:
        assert world.live.desired_split() == {OLD: 100}


@settings(max_examples=100)
@given(st.integers(1, 3000), st.lists(st.sampled_from(["pass", "pass", "pass", "hold"]), max_size=80))
def test_a_canary_that_never_fails_is_never_rolled_back_before_the_deadline(stride: int, kinds_: list[str]) -> None:
    world = World()
    act(world, "start", "agent", "pass", 1)
    for kind in kinds_:
        world.seen.clear()
        if world.now >= NOON + timedelta(hours=4):
            break
        decision = decided(world.live, world.now, Verdict.HOLD if kind == "hold" else Verdict.PASS)
        assert not (isinstance(decision, Write) and decision.urgent)
        world.offer("agent", decision, evidence_of(world, "agent", kind))
        world.serve()
        world.now += timedelta(seconds=stride)


def test_moments_are_kept_to_the_second() -> None:
    assert to_second(NOON + timedelta(microseconds=999_999)) == NOON
