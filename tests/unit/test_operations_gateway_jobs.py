"""The door of the migration job: every action by mode, confirmation and journal; one execution for each release."""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from migration_fakes import LINE, NEW_IMAGE, OLD_IMAGE, FakeJobs, FakeProject, MigrationSession, approved, world
from release_fakes import Crash, FakeRun, MemoryJournal, unavailable

import brconsole.operations
from brconsole.domain.job import ExecutionState
from brconsole.domain.migration import Finding, MigrationClass
from brconsole.domain.migration_run import CLAIM, Claim, claim_of, dump_claim
from brconsole.domain.plan import Confirmation
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import WriteAction
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.outcome import BY_DIALOG, NOT_CONFIRMED, Outcome, OutcomeKind, by_name

Propose = Callable[[MigrationSession], Awaitable[Any]]
PROPOSALS: dict[WriteAction, Propose] = {
    WriteAction.MIGRATE: lambda s: s.migrations.propose_run("why"),
    WriteAction.APPROVE: lambda s: s.migrations.propose_approval(s.jobs.plan(), "why"),
    WriteAction.CANCEL: lambda s: s.migrations.propose_cancel("why"),
    WriteAction.LOOK: lambda s: s.migrations.look(),
}
ASKED = [action for action in PROPOSALS if action is not WriteAction.LOOK]


async def ready(action: WriteAction, read_only: bool | None = False) -> MigrationSession:
    """A console on a job for which the action has something to do."""
    run, jobs = world(holds=action is WriteAction.CANCEL)
    if action is WriteAction.APPROVE:
        await planned(run, jobs)
    else:
        await approved(run, jobs)
    if action is WriteAction.CANCEL:
        starter = MigrationSession(run, jobs)
        made = await starter.do(starter.migrations.propose_run("go"))
        await starter.do(starter.migrations.send(made, BY_DIALOG, wait=False))
    jobs.calls.clear()
    run.calls.clear()
    return MigrationSession(run, jobs, read_only=read_only)


async def planned(run: FakeRun, jobs: FakeJobs) -> None:
    session = MigrationSession(run, jobs)
    await session.do(session.migrations.plan())


async def proposed(session: MigrationSession, action: WriteAction = WriteAction.MIGRATE) -> JobProposal:
    made = await session.do(PROPOSALS[action](session))
    assert isinstance(made, JobProposal), made
    return made


async def ran(session: MigrationSession, **how: Any) -> Outcome:
    made = await session.do(session.migrations.propose_run("go", **how))
    outcome: Outcome = await session.do(session.migrations.send(made, BY_DIALOG))
    return outcome


def test_every_action_on_the_job_is_tried_here() -> None:
    assert set(PROPOSALS) == {action for action in WriteAction if action.of_job}


@pytest.mark.parametrize("action", PROPOSALS)
@pytest.mark.parametrize("read_only", [True, None])
async def test_read_only_refuses_every_action_before_anything_is_read(
    action: WriteAction, read_only: bool | None
) -> None:
    session = await ready(action, read_only)
    refused = await session.do(PROPOSALS[action](session))
    assert isinstance(refused, Outcome)
    assert (refused.kind, refused.exit_status) == (OutcomeKind.REFUSED, 3)
    assert (session.jobs.calls, session.run.calls) == ([], [])


@pytest.mark.parametrize("action", ASKED)
async def test_read_only_refuses_at_the_door_what_was_proposed_elsewhere(action: WriteAction) -> None:
    session = await ready(action)
    made = await proposed(session, action)
    locked = MigrationSession(session.run, session.jobs, read_only=True)
    session.jobs.calls.clear()
    outcome = await locked.do(locked.migrations.send(made, by_name("prod")))
    assert (outcome.kind, session.jobs.calls) == (OutcomeKind.REFUSED, [])


@pytest.mark.parametrize("action", ASKED)
async def test_nothing_is_sent_that_was_not_confirmed(action: WriteAction) -> None:
    session = await ready(action)
    made = await proposed(session, action)
    session.jobs.calls.clear()
    journaled = len(session.journal.written)
    refused = await session.do(session.migrations.send(made, NOT_CONFIRMED))
    assert (refused.kind, refused.exit_status, session.jobs.calls) == (OutcomeKind.REFUSED, 3, [])
    assert len(session.journal.written) == journaled
    assert (await session.do(session.migrations.send(made, BY_DIALOG))).good


@pytest.mark.parametrize("action", PROPOSALS)
async def test_each_act_is_an_intent_with_its_outcome(action: WriteAction) -> None:
    session = await ready(action)
    if action is WriteAction.LOOK:
        await session.do(PROPOSALS[action](session))
    else:
        await session.do(session.migrations.send(await proposed(session, action), BY_DIALOG))
    intents = [entry for entry in session.journal.written if entry.kind == "intent"]
    outcomes = [entry for entry in session.journal.written if entry.kind == "outcome"]
    assert [intent.text("action") for intent in intents] == [action.value]
    assert {entry.text("intent") for entry in outcomes} == {intents[0].id}
    assert (intents[0].text("who"), intents[0].text("service")) == (session.who, "migrate-db")
    assert session.journal.open_intents("prod") == []


@pytest.mark.parametrize("action", ASKED)
async def test_a_full_disk_stops_every_act(action: WriteAction) -> None:
    session = await ready(action)
    made = await proposed(session, action)
    session.journal.full = True
    before = (session.jobs.version, len(session.jobs.listed))
    outcome = await session.do(session.migrations.send(made, BY_DIALOG))
    assert (outcome.kind, (session.jobs.version, len(session.jobs.listed))) == (OutcomeKind.FAILED, before)
    assert "No space left" in outcome.sentence


def test_nothing_but_the_door_calls_a_writing_method_of_the_job() -> None:
    package = Path(brconsole.operations.__file__).parent.parent
    calls = {
        file.relative_to(package).as_posix()
        for file in itertools.chain(*(package.glob(f"{layer}/**/*.py") for layer in ("operations", "cli", "tui")))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("replace", "run", "cancel")
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr in ("_writer", "writer", "job_writer")
    }
    assert calls == {"operations/gateway_jobs.py"}


# -------------------------------------------------------------------------------------------------------- the one run


async def test_an_approved_plan_runs_with_the_candidates_image_and_is_watched_to_its_end() -> None:
    session = await ready(WriteAction.MIGRATE)
    said: list[str] = []
    made = await proposed(session)
    outcome = await session.do(session.migrations.send(made, BY_DIALOG, said.append))
    assert (outcome.kind, session.jobs.applied) == (OutcomeKind.DONE, LINE[-1])
    (execution,) = session.jobs.starts()
    assert execution.image == NEW_IMAGE
    assert execution.env["PLAN_HASH"] == made.request.plan.hash if made.request else False
    assert {"RELEASE_ID", "EXPECTED_HEAD", "IMAGE_DIGEST"} <= set(execution.env)
    assert any("step said" in line for line in said)


async def test_a_second_press_finds_the_run_and_starts_none() -> None:
    run, jobs = world(holds=True)
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    first = await proposed(session)
    second = await proposed(session)
    await session.do(session.migrations.send(first, BY_DIALOG, wait=False))
    again = await session.do(session.migrations.send(second, BY_DIALOG, wait=False))
    assert (again.kind, again.exit_status, len(jobs.starts())) == (OutcomeKind.ALREADY_DONE, 0, 1)


async def test_whoever_comes_later_watches_the_run_of_a_console_that_died() -> None:
    run, jobs = world(holds=True)
    await approved(run, jobs)
    first = MigrationSession(run, jobs)
    await first.do(first.migrations.send(await proposed(first), BY_DIALOG, wait=False))
    later = MigrationSession(run, jobs, "other@example.com")
    made = await proposed(later)
    assert (made.existing is not None, made.plan.confirmation) == (True, Confirmation.NONE)
    watching = later.migrations.send(made, NOT_CONFIRMED, seen=lambda _: jobs.finish(jobs.starts()[0].name))
    assert (await later.do(watching)).good
    assert (len(jobs.starts()), jobs.applied) == (1, LINE[-1])


@pytest.mark.parametrize("step", ["run.before", "run.after"])
async def test_a_lost_answer_is_read_back_and_the_run_is_never_started_again(step: str) -> None:
    session = await ready(WriteAction.MIGRATE)
    session.jobs.faults[step] = [unavailable()]
    outcome = await session.do(session.migrations.send(await proposed(session), BY_DIALOG))
    assert session.jobs.calls.count("run.before") == 1
    if step == "run.after":
        assert (outcome.kind, len(session.jobs.starts())) == (OutcomeKind.DONE, 1)
    else:
        assert (outcome.kind, outcome.page, len(session.jobs.starts())) == (OutcomeKind.UNKNOWN, True, 0)


async def test_a_claim_whose_answer_was_lost_is_read_back() -> None:
    session = await ready(WriteAction.MIGRATE)
    session.jobs.faults["replace.after"] = [SourceFailure(FailureKind.TIMEOUT, "Cloud Run", "job", "deadline")]
    assert (await session.do(session.migrations.send(await proposed(session), BY_DIALOG))).good
    assert len(session.jobs.starts()) == 1


async def test_a_claim_that_led_to_nothing_is_taken_over_after_a_minute() -> None:
    session = await ready(WriteAction.MIGRATE)
    made = await proposed(session)
    session.jobs.faults["run.before"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.migrations.send(made, BY_DIALOG))
    later = MigrationSession(session.run, session.jobs, "other@example.com")
    began, said = later.run.time.seconds, list[str]()
    again = await proposed(later) if later.run.time.seconds > began + 60 else made
    outcome = await later.do(later.migrations.send(again, BY_DIALOG, said.append))
    assert (outcome.kind, len(session.jobs.starts())) == (OutcomeKind.DONE, 1)
    assert later.run.time.seconds - began >= 59
    assert any("led to no execution" in line for line in said)


async def test_another_release_about_to_start_is_a_conflict_with_who_and_when() -> None:
    session = await ready(WriteAction.MIGRATE)
    jobs = session.jobs
    claim = Claim("m-0123456789abcdef", "0" * 64, NEW_IMAGE, "someone@example.com", session.run.time.now(), "ab" * 8)
    jobs.annotations[CLAIM] = dump_claim(claim)
    outcome = await ran(session)
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.CONFLICT, 4)
    assert "someone@example.com" in outcome.sentence


async def test_a_run_of_another_release_is_a_conflict_with_who_and_since_when() -> None:
    run, jobs = world(holds=True)
    await approved(run, jobs)
    first = MigrationSession(run, jobs, "first@example.com")
    await first.do(first.migrations.send(await proposed(first), BY_DIALOG, wait=False))
    other = "r-20261123-1400-abc"
    jobs.annotations[CLAIM] = jobs.annotations[CLAIM].replace(jobs.listed[-1].env["RELEASE_ID"], other)
    jobs.listed[-1] = replace(jobs.listed[-1], image=OLD_IMAGE, env={"RELEASE_ID": other})
    outcome = await ran(MigrationSession(run, jobs))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.CONFLICT, 4)
    assert "first@example.com" in outcome.sentence
    assert "since 14:0" in outcome.sentence


async def test_a_plan_that_is_not_approved_names_the_command_that_approves_it() -> None:
    run, jobs = world()
    await planned(run, jobs)
    outcome = await ran(MigrationSession(run, jobs))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.REFUSED, 3)
    assert f"brconsole migrate approve prod {jobs.plan()[:12]}" in outcome.sentence


async def test_a_plan_that_changed_since_its_approval_is_a_conflict() -> None:
    run, jobs = world()
    await approved(run, jobs)
    jobs.applied = "r1"
    await planned(run, jobs)
    outcome = await ran(MigrationSession(run, jobs))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.CONFLICT, 4)
    assert "changed since its approval" in outcome.sentence
    assert jobs.starts() == []


async def test_the_job_itself_refuses_a_database_that_moved_since_the_plan() -> None:
    session = await ready(WriteAction.MIGRATE)
    made = await proposed(session)
    session.jobs.applied = "r3"
    outcome = await session.do(session.migrations.send(made, BY_DIALOG))
    assert (outcome.kind, outcome.exit_status, session.jobs.applied) == (OutcomeKind.CONFLICT, 4, "r3")


async def test_a_revision_that_the_check_refuses_is_not_run_and_not_approved() -> None:
    run, jobs = world()
    await approved(run, jobs)
    bad = FakeProject(findings={"r3": (Finding("ban-drop-column", "it is read", "drop it later"),)})
    outcome = await ran(MigrationSession(run, jobs, project=bad))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.REFUSED, 3)
    assert "r3: ban-drop-column" in outcome.sentence
    jobs.annotations.clear()
    reviewer = MigrationSession(run, jobs, project=bad)
    refused = await reviewer.do(reviewer.migrations.propose_approval(jobs.plan(), "yes"))
    assert isinstance(refused, Outcome)
    assert refused.kind is OutcomeKind.REFUSED


async def test_a_project_of_other_code_than_the_candidate_says_nothing_of_its_plan() -> None:
    run, jobs = world()
    await approved(run, jobs)
    outcome = await ran(MigrationSession(run, jobs, project=FakeProject(edits={"r4": "# edited"})))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.REFUSED, 3)
    assert "check out the code of the candidate" in outcome.sentence


@pytest.mark.parametrize(
    ("project", "level"),
    [
        (FakeProject(), Confirmation.DIALOG),
        (FakeProject(reversible={"r3": False}), Confirmation.TYPED),
        (FakeProject(classes={"r4": MigrationClass.CONTRACT}), Confirmation.TYPED),
        (FakeProject(classes={"r4": MigrationClass.DATA}), Confirmation.DIALOG),
    ],
)
async def test_what_cannot_be_undone_wants_the_environments_name(project: FakeProject, level: Confirmation) -> None:
    run, jobs = world()
    await approved(run, jobs)
    session = MigrationSession(run, jobs, project=project)
    made = await proposed(session)
    assert made.plan.confirmation is level
    if level is Confirmation.TYPED:
        assert (await session.do(session.migrations.send(made, BY_DIALOG))).kind is OutcomeKind.REFUSED
    assert (await session.do(session.migrations.send(made, by_name("prod")))).good


@pytest.mark.parametrize("lacks", ["ready", "digest", "exists"])
async def test_a_candidate_that_cannot_be_proved_is_refused(lacks: str) -> None:
    run, jobs = world()
    await approved(run, jobs)
    newest, *others = run.revisions_by_service["api"]
    if lacks == "exists":
        run.revisions_by_service["api"] = tuple(others)
    else:
        changes: dict[str, Any] = {"ready": False} if lacks == "ready" else {"digest": None}
        run.revisions_by_service["api"] = (replace(newest, **changes), *others)
    outcome = await ran(MigrationSession(run, jobs))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.REFUSED, 3)


async def test_a_failed_run_is_started_again_only_on_demand_and_as_another_attempt() -> None:
    run, jobs = world(fails="lock timeout")
    await approved(run, jobs)
    failed = await ran(MigrationSession(run, jobs))
    assert (failed.kind, failed.exit_status, jobs.applied) == (OutcomeKind.FAILED, 1, "r2")
    assert "lock timeout" in failed.sentence
    again = await ran(MigrationSession(run, jobs))
    assert (again.kind, len(jobs.starts())) == (OutcomeKind.REFUSED, 1)
    assert "--retry" in again.sentence
    jobs.fails = ""
    assert (await ran(MigrationSession(run, jobs), retry=True)).good
    first, second = (one.env["RELEASE_ID"] for one in jobs.starts())
    assert second == f"{first}-2"


async def test_there_is_nothing_to_run_where_nothing_is_pending() -> None:
    session = await ready(WriteAction.MIGRATE)
    assert (await session.do(session.migrations.send(await proposed(session), BY_DIALOG))).good
    await planned(session.run, session.jobs)
    done = await ran(MigrationSession(session.run, session.jobs))
    assert (done.kind, done.exit_status) == (OutcomeKind.ALREADY_DONE, 0)


async def test_a_run_that_ends_without_a_word_has_an_unknown_outcome() -> None:
    run, jobs = world(holds=True)
    await approved(run, jobs)
    session = MigrationSession(run, jobs)

    def killed(_: object) -> None:
        (one,) = jobs.starts()
        jobs._put(replace(one, state=ExecutionState.FAILED, completed=run.time.now(), message="timed out"))

    outcome = await session.do(session.migrations.send(await proposed(session), BY_DIALOG, seen=killed))
    assert (outcome.kind, outcome.page) == (OutcomeKind.FAILED, True)
    assert "not known what the database stands at" in outcome.sentence


async def test_a_run_is_cancelled_and_told_so() -> None:
    session = await ready(WriteAction.CANCEL)
    outcome = await session.do(session.migrations.send(await proposed(session, WriteAction.CANCEL), BY_DIALOG))
    assert (outcome.kind, session.jobs.starts()[0].state) == (OutcomeKind.DONE, ExecutionState.CANCELLED)


@pytest.mark.parametrize("seed", range(200))
async def test_two_consoles_at_once_start_one_execution(seed: int) -> None:
    run, jobs = world()
    await approved(run, jobs)
    chance = random.Random(seed)

    async def shuffled(_: str) -> None:
        await run.time.sleep(chance.uniform(0, 0.5))

    consoles = [MigrationSession(run, jobs, f"{name}@example.com") for name in ("one", "two")]
    made = [await proposed(console) for console in consoles]
    jobs.at_step = shuffled
    outcomes = await run.time.until_done(
        *(console.migrations.send(one, BY_DIALOG) for console, one in zip(consoles, made, strict=True))
    )
    assert len(jobs.starts()) == 1
    assert jobs.applied == LINE[-1]
    assert all(outcome.good for outcome in outcomes), outcomes


FAULTS = ("job", "executions", "replace.before", "replace.after", "run.before", "run.after")


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32),
    consoles=st.integers(1, 4),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(("crash", "lost", "busy"))), max_size=5),
    late=st.floats(0, 200),
)
async def test_whatever_happens_a_release_has_one_execution(
    seed: int, consoles: int, faults: list[tuple[str, str]], late: float
) -> None:
    run, jobs = world()
    await approved(run, jobs)
    chance = random.Random(seed)
    sessions = [MigrationSession(run, jobs, "same@example.com", journal=MemoryJournal()) for _ in range(consoles)]
    made = [await proposed(session) for session in sessions]
    for step, how in faults:
        error = {"crash": Crash(), "lost": unavailable(), "busy": SourceFailure(FailureKind.QUOTA, "Run", "job", "no")}
        jobs.faults.setdefault(step, []).append(error[how])

    async def shuffled(_: str) -> None:
        """Now and then so slow that a claim grows old under its holder."""
        await run.time.sleep(chance.uniform(50, 70) if chance.random() < 0.2 else chance.uniform(0, 6))

    jobs.at_step = shuffled

    async def one(session: MigrationSession, proposal: JobProposal, after: float) -> None:
        await run.time.sleep(after)
        try:
            await session.migrations.send(proposal, BY_DIALOG)
        except Crash:
            return

    await run.time.until_done(
        *(one(session, proposal, chance.uniform(0, late)) for session, proposal in zip(sessions, made, strict=True))
    )
    releases = [execution.env["RELEASE_ID"] for execution in jobs.starts()]
    assert len(releases) == len(set(releases)) <= 1
    jobs.at_step = None
    jobs.faults.clear()
    run.time.seconds += 61
    last = MigrationSession(run, jobs, "last@example.com")
    await last.do(last.migrations.send(made[0], BY_DIALOG))
    assert len(jobs.starts()) == 1
    assert jobs.applied == LINE[-1]


def test_a_claim_survives_the_annotation() -> None:
    run, jobs = world()
    claim = Claim("m-0123456789abcdef", "0" * 64, NEW_IMAGE, "who@example.com", run.time.now(), "ab" * 8)
    jobs.annotations[CLAIM] = dump_claim(claim)
    assert claim_of(jobs.live()) == claim
