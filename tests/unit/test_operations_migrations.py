"""Migrations beside releases: the gate from the first step, schemas in records and on cards, what is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import Ports
from migration_fakes import (
    EDITED,
    JOB,
    LINE,
    NEW_IMAGE,
    OLD_IMAGE,
    FakeJobs,
    FakeProject,
    MigrationSession,
    approved,
    world,
)
from release_fakes import CANARY, OLD, STABLE, FakeRun, record_of, unavailable

from brconsole.domain.gates import MIGRATION, Gate
from brconsole.domain.judge import Verdict
from brconsole.domain.migration import Finding, MigrationClass, RunningCode
from brconsole.operations import sources
from brconsole.operations.gateway import Proposal
from brconsole.operations.migrations import PlanView
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind
from brconsole.operations.rollback import Check
from brconsole.operations.rollouts import Promote, RolloutView, Start
from brconsole.operations.unfinished import Found, settle_unfinished


async def migrated(run: FakeRun, jobs: FakeJobs) -> None:
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    made = await session.do(session.migrations.propose_run("go"))
    assert (await session.do(session.migrations.send(made, BY_DIALOG))).good


async def gate(session: MigrationSession) -> Gate:
    view = await session.do(session.releases.look("api"))
    assert isinstance(view, RolloutView)
    return next(one for one in view.gates.gates if one.name == MIGRATION)


async def schema_check(session: MigrationSession, to: str | None = None) -> Check:
    card = await session.do(session.rollbacks.card("api", to))
    found: Check = next(check for check in card.checks if check.name == "schema")
    return found


# ----------------------------------------------------------------------------------------------------------- the gate


async def test_a_release_holds_from_its_first_step_until_its_migration_is_proved() -> None:
    run, jobs = world()
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    assert (await session.do(session.releases.start("api", BY_DIALOG, "go"))).good
    held = await gate(session)
    assert (held.verdict, "2 pending: r3, r4" in held.evidence) == (Verdict.HOLD, True)
    assert "brconsole migrate run prod" in held.evidence
    refused = await session.do(session.releases.propose(Promote("api"), "on"))
    assert isinstance(refused, Outcome)
    assert (refused.kind, run.live("api").desired_split()) == (OutcomeKind.GATE_HOLD, {STABLE: 100})
    made = await session.do(session.migrations.propose_run("go"))
    assert made.request.release == record_of(run.live("api")).id
    assert (await session.do(session.migrations.send(made, BY_DIALOG))).good
    run.time.seconds += 30
    passed = await gate(session)
    assert (passed.verdict, "at head r4" in passed.evidence) == (Verdict.PASS, True)
    assert (await session.do(session.releases.promote("api", BY_DIALOG, "on"))).good
    record = record_of(run.live("api"))
    assert record.sentinel == {"exec": jobs.starts()[0].name, "rev": LINE[-1]}


async def test_a_failed_migration_lets_no_traffic_move_and_the_gate_says_why() -> None:
    run, jobs = world(fails="lock timeout on t")
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    made = await session.do(session.migrations.propose_run("go"))
    assert (await session.do(session.migrations.send(made, BY_DIALOG))).kind is OutcomeKind.FAILED
    run.time.seconds += 30
    held = await gate(session)
    assert (held.verdict, "lock timeout on t" in held.evidence) == (Verdict.HOLD, True)
    assert run.live("api").desired_split() == {STABLE: 100}


async def test_the_gate_does_not_apply_to_a_service_of_another_image() -> None:
    run, jobs = world()
    run.add("frontend")
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    view = await session.do(session.releases.look("frontend"))
    found = next(one for one in view.gates.gates if one.name == MIGRATION)
    assert (found.verdict, found.applies) == (Verdict.PASS, False)


async def test_a_job_that_cannot_be_read_holds() -> None:
    run, jobs = world()
    jobs.faults["executions"] = [unavailable("no answer")] * 9
    held = await gate(MigrationSession(run, jobs))
    assert (held.verdict, "no answer" in held.evidence) == (Verdict.HOLD, True)


# ---------------------------------------------------------------------------------------------- schemas of a release


async def test_a_release_records_the_schemas_that_both_its_arms_read() -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)
    jobs.image = OLD_IMAGE
    await session.do(session.migrations.look())  # by stable's own code
    await migrated(run, jobs)
    assert (await session.do(session.releases.start("api", BY_DIALOG, "go"))).good
    record = record_of(run.live("api"))
    assert (record.schema, record.stable_schema) == ((4, 4), (4, 4))


async def test_the_rollbacks_card_says_loudly_what_its_target_cannot_read_and_goes_all_the_same() -> None:
    run, jobs = world(classes={"r4": MigrationClass.CONTRACT})
    session = MigrationSession(run, jobs)
    await approved(run, jobs)
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    record = record_of(run.live("api"))
    service = run.services["api"]
    text = service.annotations["brconsole.dev/rollout"].replace('"schema":', '"stable_schema":[2,2],"schema":')
    run.services["api"] = replace(service, annotations={**service.annotations, "brconsole.dev/rollout": text})
    before = await schema_check(session)
    assert (before.ok, before.text) == (True, "schema: live 2, it reads 2 to 3")
    jobs.applied = LINE[-1]
    await session.do(session.migrations.look())
    after = await schema_check(session)
    assert (after.ok, after.text) == (False, "schema: live 4 is newer than it can read (2 to 3)")
    made = await session.do(session.rollbacks.propose("api", "why"))
    assert isinstance(made, Proposal)
    assert any("newer than it can read" in note for note in made.notes)
    assert (await session.do(session.rollbacks.send(made, BY_KEY))).good
    assert record.stable == STABLE


@pytest.mark.parametrize("down", ["job", "executions", "lines"])
async def test_a_rollback_needs_nothing_of_the_migrations(down: str) -> None:
    run, jobs = world()
    await migrated(run, jobs)
    jobs.faults[down] = [unavailable()] * 50
    session = MigrationSession(run, jobs)
    assert (await session.do(session.rollbacks.rollback("api", BY_KEY, "why", to=OLD))).good
    assert run.live("api").serving_split() == {OLD: 100}


async def test_a_plan_says_what_it_makes_impossible_to_return_to() -> None:
    run, jobs = world(classes={"r4": MigrationClass.CONTRACT})
    session = MigrationSession(run, jobs)
    jobs.image = OLD_IMAGE
    await session.do(session.migrations.look())
    run.services["api"] = replace(run.services["api"], annotations={})
    jobs.listed[0] = replace(jobs.listed[0], image=OLD_IMAGE)
    found = await session.do(session.migrations.plan())
    assert isinstance(found, PlanView)
    assert found.lost == ()  # by its own look stable was built at the head
    heads = jobs.log[jobs.listed[0].name][0].fields["brconsole"]
    heads["heads"] = ["r2"]  # type: ignore[index]
    fresh = MigrationSession(run, jobs)
    again = await fresh.do(fresh.migrations.plan(look=False))
    assert again.lost == (STABLE,)
    assert any(STABLE in note for note in again.notes)


# --------------------------------------------------------------------------------------------------- plan and approval


async def test_a_plan_is_computed_by_the_candidates_own_code() -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)
    found = await session.do(session.migrations.plan())
    assert (jobs.image, jobs.starts("plan")[0].image) == (NEW_IMAGE, NEW_IMAGE)
    assert [planned.revision for planned in found.plan.revisions] == ["r3", "r4"]
    assert (found.checked.refused, found.checked.problem) == ((), "")


async def test_without_a_look_the_newest_plan_counts_as_long_as_the_database_stands_there() -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)
    await session.do(session.migrations.plan())
    assert (await session.do(session.migrations.plan(look=False))).plan is not None
    jobs.applied = "r3"
    await session.do(session.migrations.look())
    assert (await session.do(session.migrations.plan(look=False))).plan is None


@pytest.mark.parametrize("typed", ["0" * 64, "short"])
async def test_only_the_current_plan_is_approved(typed: str) -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)
    await session.do(session.migrations.plan())
    refused = await session.do(session.migrations.propose_approval(typed, "yes"))
    assert (refused.kind, refused.exit_status, jobs.plan() in refused.sentence) == (OutcomeKind.CONFLICT, 4, True)


async def test_an_approval_stands_on_the_job_for_everybody_and_twice_is_once() -> None:
    run, jobs = world()
    await approved(run, jobs)
    other = MigrationSession(run, jobs, "other@example.com")
    again = await other.do(other.migrations.propose_approval(jobs.plan()[:12], "too"))
    assert (again.kind, "reviewer@example.com" in again.sentence) == (OutcomeKind.ALREADY_DONE, True)


async def test_a_source_edited_after_its_approval_is_refused_by_that_rule() -> None:
    run, jobs = world()
    await approved(run, jobs)
    text = jobs.annotations["brconsole.dev/approval"]
    now = FakeProject()
    sources_now = {one.revision: one.source_sha256 for one in await now.revisions()}
    jobs.annotations["brconsole.dev/approval"] = text.replace(sources_now["r3"], "0" * 64)
    session = MigrationSession(run, jobs)
    outcome = await session.do(session.migrations.propose_run("go"))
    assert (outcome.kind, f"r3: {EDITED}" in outcome.sentence) == (OutcomeKind.REFUSED, True)


async def test_the_check_is_made_once_for_the_same_plan() -> None:
    run, jobs = world()
    project = FakeProject(findings={"r3": (Finding("some-rule", "so", "do", refuses=False),)})
    session = MigrationSession(run, jobs, project=project)
    await session.do(session.migrations.plan())
    await session.do(session.migrations.plan(look=False))
    assert project.checks == 1


async def test_two_jobs_with_a_look_each_do_not_take_the_image_from_a_run_that_is_about_to_start() -> None:
    run, jobs = world()
    await approved(run, jobs)
    runner = MigrationSession(run, jobs)
    made = await runner.do(runner.migrations.propose_run("go"))

    async def look(step: str) -> None:
        if step == "run.before":
            jobs.at_step = None
            looker = MigrationSession(run, jobs, "looker@example.com")
            run.revisions_by_service["api"] = tuple(
                replace(one, digest="sha256:" + "9" * 12) if one.name == CANARY else one
                for one in run.revisions_by_service["api"]
            )
            outcome = await looker.migrations.look("plan")
            assert outcome.kind is OutcomeKind.CONFLICT

    jobs.at_step = look
    assert (await runner.do(runner.migrations.send(made, BY_DIALOG))).good


# ------------------------------------------------------------------------------------------------------ what is known


async def test_a_refresh_asks_for_the_log_of_an_ended_execution_once() -> None:
    run, jobs = world()
    await migrated(run, jobs)
    session = MigrationSession(run, jobs)
    await session.do(session.migrations.view())
    jobs.calls.clear()
    view = await session.do(session.migrations.view())
    assert jobs.calls == ["job", "executions"]
    assert (view.schema.applied, view.live) == (LINE[-1], 4)


async def test_a_log_that_is_down_is_said_beside_what_is_known() -> None:
    run, jobs = world()
    await migrated(run, jobs)
    jobs.faults["lines"] = [unavailable("logging is down")] * 9
    session = MigrationSession(run, jobs)
    view = await session.do(session.migrations.view())
    assert "logging is down" in view.error
    assert view.live is None


async def test_the_source_of_the_fleet_is_there_only_where_migrations_are_configured() -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)
    names = {source.name for source in sources.of(session.environment, session.cloud)}
    assert "migration" in names
    assert "migration" not in {source.name for source in sources.of(session.environment, Ports().cloud())}
    source = next(one for one in sources.of(session.environment, session.cloud) if one.name == "migration")
    answer = await session.do(source.read(run.time.now()))
    assert answer.value.job.name == JOB


@pytest.mark.parametrize("at", ["run.before", "run.after"])
async def test_an_interrupted_run_is_found_out_at_the_next_start(at: str) -> None:
    from release_fakes import Crash

    run, jobs = world()
    await approved(run, jobs)
    session = MigrationSession(run, jobs)
    made = await session.do(session.migrations.propose_run("go"))
    jobs.faults[at] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.migrations.send(made, BY_DIALOG))
    later = MigrationSession(run, jobs, journal=session.journal)
    (found,) = await later.do(settle_unfinished(later.gateway, later.migrations))
    assert found.found is (Found.TAKEN if at == "run.after" else Found.NOT_TAKEN)
    assert session.journal.open_intents("prod") == []


async def test_starting_a_release_never_waits_for_a_job_that_hangs() -> None:
    run, jobs = world()
    session = MigrationSession(run, jobs)

    async def hang(step: str) -> None:
        await run.time.sleep(10_000)

    jobs.at_step = hang
    began = run.time.seconds
    made = await session.do(session.releases.propose(Start("api"), "go"))
    assert isinstance(made, Proposal)
    assert run.time.seconds - began < 30


async def test_the_check_is_told_the_oldest_code_that_runs_once_that_code_has_told_what_it_wants() -> None:
    run, jobs = world()
    project = FakeProject()
    session = MigrationSession(run, jobs, project=project)
    await session.do(session.migrations.plan())
    assert project.running is not None
    assert project.running.oldest_index is None
    assert f"--revision {STABLE}" in project.running.named
    assert (await session.do(session.migrations.look("status", revision=STABLE))).good
    assert jobs.image == OLD_IMAGE
    await session.do(session.migrations.plan())
    assert project.running == RunningCode(4, STABLE)


async def test_a_release_that_records_what_stable_reads_tells_the_check_so() -> None:
    run, jobs = world()
    project = FakeProject()
    await migrated(run, jobs)
    session = MigrationSession(run, jobs, project=project)
    await session.do(session.migrations.look("status", revision=STABLE))
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    jobs.applied = "r3"
    jobs.listed.clear()  # what was run is forgotten; the record is not
    run.time.seconds += 61
    await session.do(session.migrations.plan())
    assert project.running == RunningCode(4, STABLE)
