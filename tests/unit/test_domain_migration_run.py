"""Approval, claim, what executions say, and what proves that a database is ready."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.annotation import Unreadable
from brconsole.domain.freshness import Reading
from brconsole.domain.gates import Gate, Sentinel, migration
from brconsole.domain.job import Execution, ExecutionState, JobLine, LiveJob, digest_of, repository_of
from brconsole.domain.judge import Verdict
from brconsole.domain.migration import MigrationClass, SchemaStep
from brconsole.domain.migration_log import PlannedRun, Report, SchemaState, known_schema, report
from brconsole.domain.migration_proof import live_schema, out_of_reach, reads_of, release_schema, sentinel
from brconsole.domain.migration_run import (
    APPROVAL,
    CLAIM,
    CLAIM_LEASE,
    Approval,
    Awaited,
    Claim,
    MayStart,
    RunRequest,
    Stop,
    Stopped,
    Watch,
    approval_of,
    approving,
    attempt,
    claim_of,
    decide,
    dump_approval,
    dump_claim,
    hash_meant,
    release_id,
)
from brconsole.domain.undo import schema_fit

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
OLD, NEW = "sha256:" + "0" * 63 + "1", "sha256:" + "0" * 63 + "2"
PLAN = "a" * 64
LINE = [["r1", 1, "expand"], ["r2", 2, "expand"], ["r3", 3, "expand"], ["r4", 4, "contract", "r3"]]

texts = st.text(max_size=60)
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def execution(name: str = "job-1", mode: str = "status", digest: str = NEW, **changes: Any) -> Execution:
    settings: dict[str, Any] = {
        "state": ExecutionState.SUCCEEDED,
        "image": f"repo/api@{digest}",
        "args": (mode,),
        "env": {},
        "created": NOW,
        "completed": NOW + timedelta(seconds=5),
        "succeeded_count": 1,
        **changes,
    }
    return Execution(name, "job", **settings)


def line(event: str, at: datetime = NOW, **fields: Any) -> JobLine:
    return JobLine(at, "INFO", event, {"brconsole": {"event": event, **fields}})


def standing(applied: str | None = "r2", head: str = "r4", line_of: list[list[Any]] | None = None) -> dict[str, Any]:
    history = line_of or LINE
    known = [str(entry[0]) for entry in history]
    pending = known[known.index(applied) + 1 :] if applied else known
    return {"applied": applied, "heads": [head], "history": history, "pending": pending, "tables": []}


def looked(name: str = "look", applied: str | None = "r2", digest: str = NEW, after_s: float = 0) -> Report:
    at = NOW + timedelta(seconds=after_s)
    return report(execution(name, "plan", digest), [line("plan", at, **standing(applied), hash=PLAN, head="r4")])


def ran(name: str = "run", digest: str = NEW, applied: str | None = "r4", **changes: Any) -> Report:
    made = execution(name, "run", digest, env={"RELEASE_ID": "m-1", "PLAN_HASH": PLAN}, **changes)
    said = line(
        "sentinel", release="m-1", before="r2", applied=applied, head="r4", hash=PLAN, history=LINE, seconds=1.5
    )
    return report(made, [said])


def approval(plan: str = PLAN) -> Approval:
    return Approval(plan, "reviewer@example.com", NOW, {"r3": "b" * 64})


def job(**annotations: str) -> LiveJob:
    return LiveJob("job", "1", f"repo/api@{NEW}", annotations, NOW)


def request(release: str = "m-1", refused: tuple[str, ...] = ()) -> RunRequest:
    schema = looked().schema
    assert schema is not None
    return RunRequest(release, PlannedRun(PLAN, "r4", schema, ()), f"repo/api@{NEW}", refused, "approve it")


def gate_of(proof: Sentinel) -> Gate:
    return migration(Reading(proof, NOW))


# ------------------------------------------------------------------------------------------------------- annotations


def test_an_approval_and_a_claim_survive_their_annotations() -> None:
    wanted = approving(approval("c" * 64), PLAN, "who@example.com", NOW, {"r3": "b" * 64})
    claim = Claim("r-20261123-1400-abc", PLAN, f"repo/api@{NEW}", "who@example.com", NOW, "0123456789abcdef")
    live = job(**{APPROVAL: dump_approval(wanted), CLAIM: dump_claim(claim)})
    assert approval_of(live) == wanted
    assert claim_of(live) == claim
    assert wanted.covers(PLAN)
    assert wanted.covers("c" * 64)
    assert not wanted.covers("d" * 64)


@given(values | texts)
def test_whatever_stands_in_an_annotation_is_read_or_unreadable(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    for found in (approval_of(job(**{APPROVAL: text})), claim_of(job(**{CLAIM: text}))):
        assert isinstance(found, Unreadable)
        assert found.reason


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"plan": "short"}, {"by": "a\x1b[2J"}, {"more": 1}, {"revisions": {"r": 1}}]
)
def test_an_approval_of_another_form_is_unreadable(change: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(dump_approval(approval())), **change})
    assert isinstance(approval_of(job(**{APPROVAL: text})), Unreadable)


@pytest.mark.parametrize(("typed", "meant"), [(PLAN, True), ("a" * 12, True), ("A" * 12, True), ("a" * 11, False)])
def test_a_plan_is_named_by_its_hash_or_enough_of_it(typed: str, meant: bool) -> None:
    assert hash_meant(typed, PLAN) is meant


# ---------------------------------------------------------------------------------------------------------- deciding


def test_two_consoles_give_a_run_the_same_release() -> None:
    one = release_id("prod", ("api", "frontend"), NEW, PLAN)
    assert one == release_id("prod", ("frontend", "api"), NEW, PLAN)
    assert len({one, release_id("dev", ("api",), NEW, PLAN), release_id("prod", ("api", "frontend"), OLD, PLAN)}) == 3


def test_a_run_starts_once_it_is_approved() -> None:
    assert isinstance(decide(job(**{APPROVAL: dump_approval(approval())}), (), request(), NOW), MayStart)


def test_a_run_that_exists_is_watched_whatever_else_is_so() -> None:
    own = execution("run", "run", env={"RELEASE_ID": "m-1"})
    assert decide(job(), (own,), request(refused=("r3: rule",)), NOW) == Watch(own)


@pytest.mark.parametrize(
    ("annotations", "executions", "stop"),
    [
        ({}, (), Stop.REFUSED),
        ({APPROVAL: "nonsense"}, (), Stop.REFUSED),
        ({APPROVAL: dump_approval(approval("c" * 64))}, (), Stop.CONFLICT),
        ({}, (execution("x", "run", env={"RELEASE_ID": "m-2"}, state=ExecutionState.RUNNING),), Stop.CONFLICT),
        ({}, (execution("x", "run", state=ExecutionState.UNKNOWN, completed=None),), Stop.CONFLICT),
    ],
)
def test_what_stands_against_a_run_is_told(
    annotations: dict[str, str], executions: tuple[Execution, ...], stop: Stop
) -> None:
    found = decide(job(**annotations), executions, request(), NOW)
    assert isinstance(found, Stopped)
    assert found.stop is stop


def test_a_claim_holds_others_back_for_a_minute_and_no_longer() -> None:
    mine = Claim("m-1", PLAN, f"repo/api@{NEW}", "a@example.com", NOW)
    other = Claim("m-2", PLAN, f"repo/api@{NEW}", "b@example.com", NOW)
    yes = {APPROVAL: dump_approval(approval())}
    just_before = NOW + CLAIM_LEASE - timedelta(seconds=1)
    assert isinstance(decide(job(**yes, **{CLAIM: dump_claim(mine)}), (), request(), just_before), Awaited)
    assert isinstance(decide(job(**yes, **{CLAIM: dump_claim(other)}), (), request(), just_before), Stopped)
    for claim in (mine, other):
        found = decide(job(**yes, **{CLAIM: dump_claim(claim)}), (), request(), NOW + CLAIM_LEASE)
        assert isinstance(found, MayStart)
        assert claim.by in found.taken_over
    assert decide(job(**yes, **{CLAIM: "nonsense"}), (), request(), NOW) == MayStart()


def test_a_failed_run_keeps_its_release_until_it_is_tried_once_more() -> None:
    failed = execution("run", "run", env={"RELEASE_ID": "m-1"}, state=ExecutionState.FAILED, succeeded_count=0)
    again = execution("run-2", "run", env={"RELEASE_ID": "m-1-2"}, state=ExecutionState.FAILED, succeeded_count=0)
    assert attempt("m-1", (), retry=True) == "m-1"
    assert attempt("m-1", (failed,), retry=False) == "m-1"
    assert attempt("m-1", (failed,), retry=True) == "m-1-2"
    assert attempt("m-1", (again, failed), retry=False) == "m-1-2"
    assert attempt("m-1", (again, failed), retry=True) == "m-1-3"
    good = execution("run", "run", env={"RELEASE_ID": "m-1"})
    assert attempt("m-1", (good,), retry=True) == "m-1"


# ----------------------------------------------------------------------------------------------------- what they say


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "applied",
                    "heads",
                    "history",
                    "pending",
                    "tables",
                    "hash",
                    "head",
                    "revision",
                    "state",
                    "sql",
                    "locks",
                    "class",
                ]
            ),
            values,
        ),
        max_size=5,
    )
)
def test_no_line_of_a_log_makes_its_reader_fail(events: list[dict[str, Any]]) -> None:
    names = ("status", "plan", "plan_step", "step", "sentinel", "failed", "refused")
    lines = [JobLine(NOW, "INFO", "", {"brconsole": {**event, "event": name}}) for event in events for name in names]
    said = report(execution("x", "run"), lines)
    assert sentinel(NEW, (said,), None).succeeded in (True, False, None)


def test_counts_come_through_logging_as_fractions() -> None:
    fields = {
        **standing(),
        "history": [["r1", 1.0, "expand", None], ["r2", 2.0, "expand"]],
        "tables": [{"table": "t", "rows": 5.0, "bytes": 10.0}],
    }
    found = report(execution(), [line("status", **{**fields, "pending": []})]).schema
    assert found is not None
    assert (found.live, found.tables) == (2, found.tables)
    assert found.tables is not None
    assert (found.tables[0].rows, found.tables[0].size_bytes) == (5, 10)


def test_a_failed_run_says_where_it_left_the_database() -> None:
    failed = execution("run", "run", state=ExecutionState.FAILED, succeeded_count=0)
    said = report(failed, [line("failed", reason="lock timeout", revision="r4", applied="r3")])
    known = known_schema((said, looked()))
    assert known is not None
    assert (known.applied, known.pending, known.doubt) == ("r3", ("r4",), "")


@pytest.mark.parametrize("state", [ExecutionState.RUNNING, ExecutionState.FAILED, ExecutionState.CANCELLED])
def test_a_run_without_a_word_leaves_a_doubt_until_somebody_looks_after_its_end(state: ExecutionState) -> None:
    silent = Report(execution("run", "run", state=state, succeeded_count=0))
    known = known_schema((silent, looked()))
    assert known is not None
    assert "run" in known.doubt
    assert live_schema((silent, looked())) is None
    assert live_schema((looked("meanwhile", after_s=2), silent, looked())) is None
    later = live_schema((looked("later", after_s=10), silent, looked()))
    assert later == (None if state is ExecutionState.RUNNING else 2)


def test_a_run_that_the_job_refused_changed_nothing() -> None:
    refused = execution("run", "run", state=ExecutionState.FAILED, succeeded_count=0)
    known = known_schema((report(refused, [line("refused", reason="another plan")]), looked()))
    assert known is not None
    assert (known.applied, known.doubt) == ("r2", "")


# ------------------------------------------------------------------------------------------------------------- proof


def test_all_four_facts_together_pass_the_gate() -> None:
    gate = gate_of(sentinel(NEW, (ran(), looked()), approval()))
    assert (gate.verdict, gate.evidence) == (Verdict.PASS, "run succeeded, at head r4, digest matches, plan matches")


def test_a_plan_approved_later_for_another_release_leaves_the_proof_whole() -> None:
    later = approving(approval(), "c" * 64, "who@example.com", NOW, {})
    assert gate_of(sentinel(NEW, (ran(), looked()), later)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("reports", "yes", "words"),
    [
        ((), approval(), "nobody has looked"),
        ((looked(),), approval(), "2 pending: r3, r4; the database is at r2, head is r4; run it"),
        ((ran(digest=OLD),), approval(), "nobody has looked"),
        ((ran(state=ExecutionState.FAILED, succeeded_count=0), looked()), approval(), "run did not succeed"),
        ((ran(succeeded_count=0), looked()), approval(), "run did not succeed"),
        ((ran(state=ExecutionState.RUNNING, completed=None), looked()), approval(), "run is at work"),
        ((ran(), looked()), approval("c" * 64), "not the plan that was reviewed"),
        ((ran(), looked()), None, "not proved yet"),
        ((looked("later", "r3", OLD, 10), ran(), looked()), approval(), "1 pending: r4"),
        (
            (Report(execution("run", "run", state=ExecutionState.FAILED, succeeded_count=0)), looked()),
            approval(),
            "did not succeed",
        ),
    ],
)
def test_anything_less_holds_and_says_why(reports: tuple[Report, ...], yes: Approval | None, words: str) -> None:
    gate = gate_of(sentinel(NEW, reports, yes, "look at it", "run it"))
    assert gate.verdict is Verdict.HOLD
    assert words in gate.evidence


def test_nothing_pending_by_the_candidates_own_code_needs_no_run() -> None:
    gate = gate_of(sentinel(NEW, (looked(applied="r4"),), None))
    assert (gate.verdict, gate.evidence) == (Verdict.PASS, "nothing is pending by look, at head r4, digest matches")


def test_code_that_is_behind_the_database_passes_where_it_can_read_it() -> None:
    def older(head: str, *, newer_contracts_after: str | None) -> tuple[Report, ...]:
        whole = [*LINE[:3], ["r4", 4, "contract", newer_contracts_after]]
        short = LINE[: LINE.index(next(entry for entry in LINE if entry[0] == head)) + 1]
        own = report(execution("own", "status", NEW), [line("status", **standing(head, head, short))])
        ahead = report(execution("ahead", "status", OLD), [line("status", **standing("r4", "r4", whole))])
        return ahead, own

    fits = gate_of(sentinel(NEW, older("r3", newer_contracts_after="r3"), None))
    assert (fits.verdict, "schema 4: the candidate reads 3 to 4" in fits.evidence) == (Verdict.PASS, True)
    breaks = gate_of(sentinel(NEW, older("r2", newer_contracts_after="r3"), None))
    assert breaks.verdict is Verdict.HOLD


def test_a_candidate_without_a_digest_is_not_proved() -> None:
    assert gate_of(sentinel(None, (ran(), looked()), approval())).verdict is Verdict.HOLD


def test_the_gate_does_not_apply_to_an_image_without_migrations() -> None:
    gate = gate_of(Sentinel("", None, None, None, None, None, why="the migrations come with api", applies=False))
    assert (gate.verdict, gate.applies) == (Verdict.PASS, False)


# ------------------------------------------------------------------------------------------------------------ ranges


def test_a_release_records_what_both_arms_read_and_the_run_that_was_made() -> None:
    found = release_schema(NEW, OLD, (2, 2), (ran(), looked()))
    assert (found.candidate, found.stable) == ((4, 4), (2, 3))
    assert found.sentinel == {"exec": "run", "rev": "r4"}
    assert release_schema(NEW, None, None, ()).candidate is None


def test_what_an_image_reads_is_known_by_its_own_look_or_by_its_record() -> None:
    older = report(execution("old", "status", OLD), [line("status", **standing("r2", "r2", LINE[:2]))])
    assert reads_of(OLD, None, (looked(), older)) == (2, 3)
    assert reads_of(None, (3, 3), (looked(),)) == (3, 4)
    assert reads_of(OLD, None, (looked(),)) is None
    assert reads_of(OLD, (2, 2), ()) == (2, 2)


def test_a_plan_names_what_it_puts_out_of_reach() -> None:
    running = {"api-1": (2, 3), "api-2": (3, 4), "api-0": (1, 1)}
    assert out_of_reach(running, 2, 4) == ("api-1",)
    assert out_of_reach(running, None, 4) == ()


@pytest.mark.parametrize(
    ("live", "reads", "fits", "text"),
    [
        (14, (12, 14), True, "schema: live 14, it reads 12 to 14"),
        (16, (12, 14), False, "schema: live 16 is newer than it can read (12 to 14)"),
        (11, (12, 12), False, "schema: live 11 is older than it can read (only 12)"),
        (None, (12, 14), None, "schema: the live one is not known, it reads 12 to 14"),
        (14, None, None, "not known which schemas it reads (live is 14)"),
    ],
)
def test_a_rollbacks_target_says_whether_it_can_read_the_schema(
    live: int | None, reads: tuple[int, int] | None, fits: bool | None, text: str
) -> None:
    found = schema_fit(live, reads)
    assert (found.fits, found.text) == (fits, text)


def test_images_are_told_apart_by_repository_and_digest() -> None:
    assert digest_of(f"host:443/p/api:v1@{NEW}") == NEW
    assert digest_of("host:443/p/api:v1") is None
    assert repository_of(f"host:443/p/api:v1@{NEW}") == repository_of("host:443/p/api") == "host:443/p/api"


def test_a_state_tells_the_index_of_a_revision() -> None:
    state = SchemaState("r2", ("r3",), (SchemaStep("r2", 2, MigrationClass.EXPAND),), (), NOW, "x", None)
    assert (state.live, state.index("r9"), state.head) == (2, None, "r3")
