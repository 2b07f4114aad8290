"""The one door of writes: every write action by mode, confirmation, freshness, permission, wheel and journal."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from release_fakes import CANARY, STABLE, CloudLog, Crash, FakeRun, MemoryJournal, Session, record_of, unavailable

import brconsole.operations
from brconsole.domain.intent import Phase
from brconsole.domain.plan import Confirmation
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import Proposal, WriteAction
from brconsole.operations.modes import ARMED_S, WriteMode
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, NOT_CONFIRMED, STANDING, Outcome, OutcomeKind, by_name
from brconsole.operations.rollouts import Abort, Adopt, Dismiss, Hold, Promote, Restore, Resume, Start


class Probe:
    """Finds etags enforced, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def etag_enforced(self, service: str) -> bool:
        self.asked += 1
        return True


async def probed(session: Session, probe: Probe | None = None) -> Outcome:
    outcome, _ = await session.gateway.probe("api", probe or Probe(), BY_KEY)
    return outcome


Propose = Callable[[Session], Awaitable[Proposal | Outcome]]
PROPOSALS: dict[WriteAction, Propose] = {
    WriteAction.SHIFT: lambda s: s.shifts.propose("api", {STABLE: 80, CANARY: 20}, "why"),
    WriteAction.UNDO: lambda s: s.shifts.propose_undo("api", "why"),
    WriteAction.START: lambda s: s.releases.propose(Start("api"), "why"),
    WriteAction.PROMOTE: lambda s: s.releases.propose(Promote("api"), "why"),
    WriteAction.HOLD: lambda s: s.releases.propose(Hold("api"), "why"),
    WriteAction.RESUME: lambda s: s.releases.propose(Resume("api"), "why"),
    WriteAction.ABORT: lambda s: s.releases.propose(Abort("api"), "why"),
    WriteAction.ADOPT: lambda s: s.releases.propose(Adopt("api"), "why"),
    WriteAction.RESTORE: lambda s: s.releases.propose(Restore("api"), "why"),
    WriteAction.DISMISS: lambda s: s.releases.propose(Dismiss("api"), "why"),
    WriteAction.DRIVE: lambda s: s.releases.run("api", "why"),
    WriteAction.ROLLBACK: lambda s: s.rollbacks.propose("api", "why", STABLE),
    WriteAction.PROBE: probed,
}
OF_SERVICES = [action for action in WriteAction if not action.of_job]
"""The rest is the migration job's: test_operations_gateway_jobs."""
BY_PERSON = [action for action in OF_SERVICES if action not in (WriteAction.DRIVE, WriteAction.PROBE)]
"""What is proposed to a person and then moves or records something."""


async def a_rollout(run: FakeRun, *orders: str) -> MemoryJournal:
    """Bring the service to where an action has something to do; the journal of who did it."""
    driver = Session(run, "driver@example.com")
    for order in orders:
        match order:
            case "start":
                await driver.do(driver.releases.start("api", BY_DIALOG, "go"))
            case "promote":
                await driver.do(driver.releases.promote("api", BY_DIALOG, "go"))
            case "hold":
                await driver.do(driver.releases.hold("api", BY_KEY, "wait"))
            case "by hand":
                run.by_hand("api", {STABLE: 70, CANARY: 30})
            case "shift":
                await driver.do(driver.shifts.shift("api", {STABLE: 90, CANARY: 10}, BY_DIALOG, "try"))
    run.time.seconds += 300
    run.calls.clear()
    journal: MemoryJournal = driver.journal
    return journal


BEFORE: dict[WriteAction, tuple[str, ...]] = {
    WriteAction.SHIFT: (),
    WriteAction.UNDO: ("shift",),
    WriteAction.START: (),
    WriteAction.PROMOTE: ("start",),
    WriteAction.HOLD: ("start", "promote"),
    WriteAction.RESUME: ("start", "promote", "hold"),
    WriteAction.ABORT: ("start", "promote"),
    WriteAction.ADOPT: ("start", "promote", "by hand"),
    WriteAction.RESTORE: ("start", "promote", "by hand"),
    WriteAction.DISMISS: (),
    WriteAction.DRIVE: (),
    WriteAction.ROLLBACK: ("start", "promote"),
    WriteAction.PROBE: (),
}


async def ready(action: WriteAction, read_only: bool | None = False) -> tuple[FakeRun, Session]:
    """A server on which the action has something to do, and a console on it."""
    run = FakeRun()
    run.add()
    journal = await a_rollout(run, *BEFORE[action])
    return run, Session(run, read_only=read_only, journal=journal)


async def proposed(action: WriteAction, session: Session) -> Proposal:
    made = await session.do(PROPOSALS[action](session))
    assert isinstance(made, Proposal), made
    return made


def test_every_write_action_is_tried_here() -> None:
    assert set(PROPOSALS) == set(BEFORE) == set(OF_SERVICES)


@pytest.mark.parametrize("action", OF_SERVICES)
async def test_explicitly_read_only_refuses_every_action_before_anything_is_read(action: WriteAction) -> None:
    run, session = await ready(action, read_only=True)
    made = await session.do(PROPOSALS[action](session))
    assert isinstance(made, Outcome)
    assert (made.kind, made.exit_status) == (OutcomeKind.REFUSED, 3)
    assert run.calls == []
    assert session.modes.open("now") is not None  # and nothing opens it


@pytest.mark.parametrize("action", BY_PERSON)
async def test_explicitly_read_only_refuses_at_the_door_what_was_proposed_elsewhere(action: WriteAction) -> None:
    run, session = await ready(action)
    made = await proposed(action, session)
    locked = Session(run, read_only=True)
    run.calls.clear()
    outcome = await locked.do(locked.gateway.send(made, by_name("prod")))
    assert (outcome.kind, run.calls) == (OutcomeKind.REFUSED, [])
    assert locked.modes.arm((made.plan,)) is not None


@pytest.mark.parametrize("action", OF_SERVICES)
async def test_read_only_by_default_refuses_all_but_the_card_of_a_rollback(action: WriteAction) -> None:
    run, session = await ready(action, read_only=None)
    made = await session.do(PROPOSALS[action](session))
    if action.emergency:
        assert isinstance(made, Proposal)
        refused = await session.do(session.gateway.send(made, BY_KEY))
        assert (refused.kind, "arm" in refused.sentence) == (OutcomeKind.REFUSED, True)
    else:
        assert isinstance(made, Outcome)
        assert (made.kind, "--write" in made.sentence) == (OutcomeKind.REFUSED, True)
        assert run.calls == []
    assert all(accepted.who != session.who for accepted in run.accepted)


@pytest.mark.parametrize("action", BY_PERSON)
async def test_nothing_is_sent_that_was_not_confirmed(action: WriteAction) -> None:
    run, session = await ready(action)
    made = await proposed(action, session)
    run.calls.clear()
    journaled = len(session.journal.written)
    refused = await session.do(session.gateway.send(made, NOT_CONFIRMED))
    assert (refused.kind, refused.exit_status, run.calls) == (OutcomeKind.REFUSED, 3, [])
    assert len(session.journal.written) == journaled
    done = await session.do(session.gateway.send(made, BY_DIALOG))
    assert done.kind is OutcomeKind.DONE, done
    assert done.entry is not None


@pytest.mark.parametrize("action", BY_PERSON)
async def test_each_accepted_write_is_one_intent_and_one_outcome(action: WriteAction) -> None:
    run, session = await ready(action)
    made = await proposed(action, session)
    before, accepted = len(session.journal.written), len(run.accepted)
    await session.do(session.gateway.send(made, BY_DIALOG))
    entries = session.journal.written[before:]
    intents = [entry for entry in entries if entry.kind == "intent"]
    settled = [entry.text("intent") for entry in entries if entry.kind == "outcome"]
    assert len(intents) == len(run.accepted) - accepted
    assert sorted(settled) == sorted(entry.id for entry in intents)
    intent = intents[0]
    assert {"who", "what", "why", "before", "after", "environment", "id"} <= set(intent.document)
    assert (intent.text("who"), intent.text("action")) == (session.who, action.value)
    assert intent.split_after == dict(made.plan.target)


@pytest.mark.parametrize("action", BY_PERSON)
async def test_a_changed_world_refuses_everything_but_a_rollback(action: WriteAction) -> None:
    run, session = await ready(action)
    made = await proposed(action, session)
    run.deploy("api", "api-00050-new")
    run.by_hand("api", {"api-00040-xyz": 100})
    writes = len(run.accepted)
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    if action.emergency:
        assert outcome.kind is OutcomeKind.DONE
        assert run.live("api").serving_split() == {STABLE: 100}
    else:
        assert (outcome.kind, outcome.exit_status, len(run.accepted)) == (OutcomeKind.CONFLICT, 4, writes)


@pytest.mark.parametrize("action", [WriteAction.SHIFT, WriteAction.PROMOTE])
async def test_without_act_as_a_change_is_refused_with_the_role_to_grant(action: WriteAction) -> None:
    run, session = await ready(action)
    run.may_act = False
    made = await proposed(action, session)
    writes = len(run.accepted)
    refused = await session.do(session.gateway.send(made, BY_DIALOG))
    assert (refused.kind, len(run.accepted)) == (OutcomeKind.REFUSED, writes)
    assert "roles/iam.serviceAccountUser" in refused.sentence


async def test_permission_that_cannot_be_asked_stops_nothing() -> None:
    run, session = await ready(WriteAction.PROMOTE)
    run.faults["act_as"] = [unavailable()]
    made = await proposed(WriteAction.PROMOTE, session)
    assert (await session.do(session.gateway.send(made, BY_DIALOG))).good


async def test_who_does_not_hold_the_wheel_sees_the_plan_is_refused_and_may_take_it_over() -> None:
    run = FakeRun()
    run.add()
    driver, other = Session(run, "driver@example.com"), Session(run)
    await driver.do(driver.releases.start("api", BY_DIALOG, "go"))
    made = await other.do(other.releases.propose(Promote("api"), "mine"))
    assert isinstance(made, Proposal)
    assert made.plan.target == {STABLE: 95, CANARY: 5}
    refused = await other.do(other.gateway.send(made, BY_DIALOG))
    assert refused.kind is OutcomeKind.REFUSED
    assert refused.sentence.startswith("driver@example.com (until ")
    assert run.live("api").desired_split() == {STABLE: 100}
    assert (await other.do(other.releases.promote("api", BY_DIALOG, "mine", takeover=True))).good
    assert run.live("api").desired_split() == {STABLE: 95, CANARY: 5}


async def test_evidence_that_went_out_of_date_holds() -> None:
    run, session = await ready(WriteAction.PROMOTE)
    made = await proposed(WriteAction.PROMOTE, session)
    assert made.fresh_until is not None
    run.time.seconds = (made.fresh_until - run.time.now()).total_seconds() + run.time.seconds + 1
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.GATE_HOLD, 10)


@pytest.mark.parametrize("action", BY_PERSON)
async def test_a_full_disk_stops_every_write_but_a_rollback(action: WriteAction) -> None:
    run, session = await ready(action)
    made = await proposed(action, session)
    session.journal.full = True
    writes = len(run.accepted)
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    if action.emergency:
        assert run.live("api").serving_split() == {STABLE: 100}
        assert any("No space left" in note for note in outcome.notes)
    else:
        assert (outcome.kind, len(run.accepted)) == (OutcomeKind.FAILED, writes)
        assert "nothing was sent" in outcome.sentence
        assert "No space left" in outcome.sentence


async def test_a_rollback_that_the_disk_would_not_take_is_told_to_the_log() -> None:
    run, session = await ready(WriteAction.ROLLBACK)
    log = CloudLog()
    session = Session(run, log=log)
    made = await proposed(WriteAction.ROLLBACK, session)
    session.journal.full = True
    await session.do(session.gateway.send(made, BY_KEY))
    await session.do(session.trail.send())
    assert sorted(str(entry["kind"]) for entry in log.entries.values()) == ["intent", "outcome"]


async def test_one_rollback_is_armed_at_a_time_for_one_use_and_not_for_long() -> None:
    run, session = await ready(WriteAction.ROLLBACK, read_only=None)
    made = await proposed(WriteAction.ROLLBACK, session)
    other = await session.do(session.rollbacks.propose("api", "why", "api-00040-xyz"))
    assert isinstance(other, Proposal)
    assert session.rollbacks.arm(other) is None
    assert session.rollbacks.arm(made) is None  # takes the other's place
    assert (await session.do(session.gateway.send(other, BY_KEY))).kind is OutcomeKind.REFUSED
    run.time.seconds += 121
    assert (await session.do(session.gateway.send(made, BY_KEY))).kind is OutcomeKind.REFUSED
    assert session.rollbacks.arm(made) is None
    assert (await session.do(session.gateway.send(made, BY_KEY))).kind is OutcomeKind.DONE
    assert (await session.do(session.gateway.send(made, BY_KEY))).kind is OutcomeKind.REFUSED
    assert session.modes.state().mode is WriteMode.READ_ONLY


async def test_only_a_rollback_is_armed_by_itself() -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    closed = Session(run, read_only=None)
    assert closed.modes.arm((made.plan,)) is not None


async def test_write_mode_wants_a_reason_and_ends_after_half_an_hour() -> None:
    run, session = await ready(WriteAction.SHIFT, read_only=None)
    assert session.modes.open("  ") is not None
    assert session.modes.open("incident 4711") is None
    state = session.modes.state()
    assert (state.mode, state.why, state.left_s) == (WriteMode.ARMED, "incident 4711", ARMED_S)
    made = await proposed(WriteAction.SHIFT, session)
    run.time.seconds += ARMED_S + 1
    refused = await session.do(session.gateway.send(made, BY_DIALOG))
    assert (refused.kind, session.modes.state().mode) == (OutcomeKind.REFUSED, WriteMode.READ_ONLY)


async def test_an_environment_that_is_not_protected_is_writable_without_more() -> None:
    run = FakeRun()
    run.add()
    staging = replace(Session(run).environment, protected=False)
    session = Session(run, environment=staging, read_only=None)
    assert (await session.do(session.releases.start("api", BY_DIALOG, "go"))).good


@pytest.mark.parametrize("level", Confirmation)
async def test_each_level_of_confirmation_covers_the_milder_ones(level: Confirmation) -> None:
    order = list(Confirmation)
    for needed in Confirmation:
        given = by_name("prod") if level is Confirmation.TYPED else replace(NOT_CONFIRMED, level=level)
        assert given.covers(needed, "prod") == (order.index(level) >= order.index(needed))
    assert not by_name("staging").covers(Confirmation.TYPED, "prod")
    assert STANDING.covers(Confirmation.DIALOG, "prod")
    assert not STANDING.covers(Confirmation.TYPED, "prod")


@pytest.mark.parametrize("kind", [FailureKind.PERMISSION, FailureKind.INVALID, FailureKind.UNAUTHENTICATED])
async def test_a_write_that_the_server_refuses_is_told_in_its_words(kind: FailureKind) -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    run.faults["write.before"] = [SourceFailure(kind, "Cloud Run", "api", "no, says the server")]
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    assert "no, says the server" in outcome.sentence
    assert not outcome.good
    assert session.journal.open_intents("prod") == []


async def test_a_lost_answer_is_read_back_and_not_sent_again() -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    run.faults["write.after"] = [SourceFailure(FailureKind.TIMEOUT, "Cloud Run", "api", "deadline exceeded")]
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    assert (outcome.kind, len(run.accepted)) == (OutcomeKind.DONE, 1)
    assert run.calls.count("write.before") == 1


async def test_a_lost_request_is_not_known_and_not_sent_again() -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    run.faults["write.before"] = [unavailable()]
    outcome = await session.do(session.gateway.send(made, BY_DIALOG))
    assert (outcome.kind, len(run.accepted)) == (OutcomeKind.UNKNOWN, 0)
    assert "the service is as before" in outcome.sentence
    assert run.calls.count("write.before") == 1


async def test_a_write_that_cloud_run_does_not_fulfil_is_not_called_done() -> None:
    run, session = await ready(WriteAction.SHIFT)
    run.reconcile_fails = True
    outcome = await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    assert (outcome.kind, outcome.page) == (OutcomeKind.FAILED, True)
    assert "goes on serving" in outcome.sentence


async def test_a_write_that_never_comes_to_its_end_is_accepted_and_not_verified() -> None:
    run, session = await ready(WriteAction.SHIFT)
    run.never_reconciles = True
    outcome = await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    assert (outcome.kind, outcome.exit_status) == (OutcomeKind.ACCEPTED, 1)
    assert "still serving" in outcome.sentence


async def test_everybody_looks_at_once_after_a_write() -> None:
    _, session = await ready(WriteAction.SHIFT)
    await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    assert session.looks


async def test_a_second_write_to_a_service_waits_for_the_first() -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    outcomes = await run.time.until_done(*(session.gateway.send(made, BY_DIALOG) for _ in range(3)))
    assert len(run.accepted) == 1
    kinds = sorted(outcome.kind.value for outcome in outcomes)
    assert kinds == ["done", "refused", "refused"]


async def test_the_log_gets_every_entry_once_also_those_of_its_outage() -> None:
    run, session = await ready(WriteAction.SHIFT)
    log = CloudLog(failing=unavailable("logging is down"))
    session = Session(run, log=log)
    await session.do(session.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"))
    await session.do(session.trail.send())
    assert log.entries == {}
    assert session.trail.unsent_because is not None
    log.failing = None
    await session.do(session.trail.send())
    await session.do(session.trail.send())
    assert [entry.id for entry in session.journal.written] == list(log.entries)
    assert session.trail.unsent_because is None


def test_nothing_but_the_gateway_calls_a_writing_method() -> None:
    package = Path(brconsole.operations.__file__).parent.parent
    calls = {
        (file.relative_to(package).as_posix(), node.func.attr)
        for file in itertools.chain(*(package.glob(f"{layer}/**/*.py") for layer in ("operations", "cli", "tui")))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "write_unread" or (node.func.attr == "write" and _is_writer(node.func.value)))
    }
    assert {file for file, _ in calls} == {"operations/gateway.py"}
    assert {name for _, name in calls} == {"write", "write_unread"}


def _is_writer(value: ast.expr) -> bool:
    name = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
    return name.lstrip("_") in ("writer", "traffic_writer")


async def test_a_crash_passes_through_and_leaves_the_intent_open() -> None:
    run, session = await ready(WriteAction.SHIFT)
    made = await proposed(WriteAction.SHIFT, session)
    run.faults["write.after"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.gateway.send(made, BY_DIALOG))
    assert [entry.text("action") for entry in session.journal.open_intents("prod")] == ["traffic.shift"]
    assert session.gateway.in_flight == set()


async def test_dismissing_a_pinned_candidate_is_written_down_without_moving_traffic() -> None:
    run, session = await ready(WriteAction.DISMISS)
    made = await proposed(WriteAction.DISMISS, session)
    assert (await session.do(session.gateway.send(made, BY_KEY))).good
    assert record_of(run.live("api")).phase is Phase.RELEASED
    assert run.live("api").serving_split() == {STABLE: 100}


async def test_the_probe_of_the_write_path_is_confirmed_journaled_and_kept_away_from_rollouts() -> None:
    run, session = await ready(WriteAction.PROBE)
    probe = Probe()
    refused, found = await session.do(session.gateway.probe("api", probe, NOT_CONFIRMED))
    assert (refused.kind, found, probe.asked) == (OutcomeKind.REFUSED, None, 0)
    done, found = await session.do(session.gateway.probe("api", probe, BY_KEY))
    assert (done.kind, found, probe.asked, run.accepted) == (OutcomeKind.DONE, True, 1, [])
    assert [entry.kind for entry in session.journal.written] == ["intent", "outcome"]
    await session.do(session.releases.start("api", BY_DIALOG, "go"))
    refused, found = await session.do(session.gateway.probe("api", probe, BY_KEY))
    assert (refused.kind, found, probe.asked) == (OutcomeKind.REFUSED, None, 1)


async def test_a_step_begins_at_the_moment_of_the_write_and_not_of_the_question() -> None:
    run, session = await ready(WriteAction.PROMOTE)
    made = await proposed(WriteAction.PROMOTE, session)
    run.time.seconds += 60
    assert (await session.do(session.gateway.send(made, BY_DIALOG))).good
    assert record_of(run.live("api")).step_started == run.accepted[-1].at
    assert run.accepted[-1].after == {STABLE: 95, CANARY: 5}
