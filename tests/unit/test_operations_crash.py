"""The process dies at every step between the intent and the verification; the next start finishes or offers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from release_fakes import CANARY, STABLE, Crash, FakeRun, Session, quota, record_of

from brconsole.domain.findings import WayOut, findings
from brconsole.domain.intent import Phase, Rollout, intent_of
from brconsole.operations.gateway import Proposal
from brconsole.operations.journal import Journal, JournalFailure
from brconsole.operations.outcome import BY_DIALOG, BY_KEY, Outcome, OutcomeKind
from brconsole.operations.rollouts import Abort
from brconsole.operations.unfinished import Found, Unfinished, settle_unfinished


@dataclass
class Mortal:
    """A journal whose process dies before or after its n-th append, counted with the steps of the server."""

    journal: Journal
    die: Callable[[str], None]

    def append(self, *arguments: Any) -> Any:
        self.die("append.before")
        entry = self.journal.append(*arguments)
        self.die("append.after")
        return entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)


@dataclass
class Countdown:
    """Dies at the n-th step; `where` is the step it died at."""

    left: int
    where: str = ""

    def die(self, step: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.where = step
            raise Crash(step)

    async def at_step(self, step: str) -> None:
        self.die(step)


ORDERS: dict[str, Callable[[Session], Awaitable[Outcome]]] = {
    "start": lambda s: s.releases.start("api", BY_DIALOG, "go"),
    "promote": lambda s: s.releases.promote("api", BY_DIALOG, "go"),
    "hold": lambda s: s.releases.hold("api", BY_KEY, "wait"),
    "abort": lambda s: s.releases.abort("api", BY_KEY, "no"),
    "rollback": lambda s: s.rollbacks.rollback("api", BY_KEY, "5xx"),
    "shift": lambda s: s.shifts.shift("api", {STABLE: 80, CANARY: 20}, BY_DIALOG, "try"),
}
BEFORE = {
    "start": (),
    "promote": ("start",),
    "hold": ("start", "promote"),
    "abort": ("start", "promote"),
    "rollback": ("start", "promote"),
    "shift": (),
}


async def die_in(order: str, step: int, folder: Path) -> tuple[FakeRun, Countdown, int]:
    """The server after a process died at a step of an order (or finished it), and the writes before the order."""
    run = FakeRun()
    run.add()
    for earlier in BEFORE[order]:
        session = Session(run, journal=Journal(folder))
        assert (await session.do(ORDERS[earlier](session))).good
    writes = len(run.accepted)
    countdown = Countdown(step)
    doomed = Session(run, journal=Mortal(Journal(folder), countdown.die))
    run.at_step = countdown.at_step
    try:
        await doomed.do(ORDERS[order](doomed))
    except Crash:
        assert countdown.where
    run.at_step = None
    return run, countdown, writes


@pytest.mark.parametrize("order", ORDERS)
async def test_whatever_step_it_dies_at_the_next_start_knows_where_it_stands(order: str, tmp_path: Path) -> None:
    died_at: set[str] = set()
    for step in range(1, 60):
        folder = tmp_path / f"{step}"
        run, countdown, writes = await die_in(order, step, folder)
        died_at.add(countdown.where)
        announced = sum(entry.kind == "intent" for entry in Journal(folder).entries())
        taken = len(run.accepted) - writes
        fresh = Session(run, journal=Journal(folder))
        found = await fresh.do(settle_unfinished(fresh.gateway))
        assert await fresh.do(settle_unfinished(fresh.gateway)) == ()  # told once
        assert all(unfinished.found in (Found.TAKEN, Found.NOT_TAKEN) for unfinished in found), found
        if announced and found:
            assert (found[-1].found is Found.TAKEN) == (taken > 0 and _its_own(run, found[-1])), (step, found)
        await _goes_on(run, fresh, order, taken > 0)
        assert Journal(folder).verify().broken_at is None
        assert Journal(folder).open_intents("prod") == []
        if not countdown.where:
            break
    assert {"append.before", "append.after", "write.before", "write.after", "read", ""} <= died_at


def _its_own(run: FakeRun, unfinished: Unfinished) -> bool:
    """Whether the newest write is the one that was announced, and not one before it of the same order."""
    record = intent_of(run.live("api"))
    closing = isinstance(record, Rollout) and record.phase is Phase.ROLLED_BACK
    return closing if unfinished.action == "release.drive" else True


async def _goes_on(run: FakeRun, fresh: Session, order: str, taken: bool) -> None:
    """Nothing is left undefined: what is wanted is served, the record agrees, and the way on is open."""
    run.time.seconds += 150  # over the time that a write may be in flight, and the lease
    agent = Session(run, "agent", headless=True)
    await agent.do(agent.agent.once())
    run.time.seconds += 30
    await agent.do(agent.agent.once())
    run.time.seconds += 30
    service = run.live("api")
    state = intent_of(service)
    assert service.serving_split() == service.desired_split()
    if order in ("rollback", "abort") and taken:
        assert service.serving_split() == {STABLE: 100}
        assert record_of(service).phase is Phase.ROLLED_BACK
    elif order == "shift":
        assert service.serving_split() == ({STABLE: 80, CANARY: 20} if taken else {STABLE: 100})
        return  # a split by hand is nobody's rollout, which the console says
    elif order == "hold" and taken:
        assert record_of(service).phase is Phase.HOLDING
    assert [found.kind.value for found in findings(state, service, None, run.time.now()) if found.blocks] == []
    assert (await fresh.do(fresh.rollbacks.rollback("api", BY_KEY, "after all", to=STABLE))).good


async def test_a_rollback_that_never_arrived_is_offered_again(tmp_path: Path) -> None:
    run = FakeRun()
    run.add()
    session = Session(run, journal=Journal(tmp_path))
    await session.do(ORDERS["start"](session))
    await session.do(ORDERS["promote"](session))
    run.faults["write.before"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    fresh = Session(run, journal=Journal(tmp_path))
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert (found.found, found.ways) == (Found.NOT_TAKEN, (WayOut.ROLL_BACK,))
    assert "it was not taken: api-00041-abc 95 %, api-00042-def 5 %" in found.sentence


async def test_a_rollback_that_arrived_is_finished_by_whoever_looks_next(tmp_path: Path) -> None:
    run = FakeRun()
    run.add()
    session = Session(run, journal=Journal(tmp_path))
    await session.do(ORDERS["start"](session))
    await session.do(ORDERS["promote"](session))
    run.faults["write.after"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    fresh = Session(run, journal=Journal(tmp_path))
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert found.found is Found.TAKEN
    run.time.seconds += 10
    agent = Session(run, "agent", headless=True)
    await agent.do(agent.agent.once())
    assert record_of(run.live("api")).phase is Phase.ROLLED_BACK


async def test_what_became_of_it_is_asked_again_when_the_service_cannot_be_read(tmp_path: Path) -> None:
    run, fresh = await _interrupted(tmp_path)
    run.faults["read"] = [quota()]
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert found.found is Found.NOT_KNOWN
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert found.found is Found.TAKEN


async def test_a_service_that_went_on_meanwhile_is_told_as_that(tmp_path: Path) -> None:
    run, fresh = await _interrupted(tmp_path)
    run.by_hand("api", {STABLE: 60, CANARY: 40})
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert found.found is Found.OVERTAKEN


async def test_a_full_disk_leaves_the_findings_told_if_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fresh = await _interrupted(tmp_path)
    monkeypatch.setattr(Journal, "append", _no_room)
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert "not journaled" in found.sentence


async def _interrupted(folder: Path) -> tuple[FakeRun, Session]:
    """A server whose shift was taken while its console died, and the next console."""
    run = FakeRun()
    run.add()
    session = Session(run, journal=Journal(folder))
    run.faults["write.after"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(ORDERS["shift"](session))
    return run, Session(run, journal=Journal(folder))


def _no_room(*_: object) -> None:
    raise JournalFailure("no room")


async def test_a_shift_that_was_found_to_be_taken_can_be_undone(tmp_path: Path) -> None:
    _, fresh = await _interrupted(tmp_path)
    await fresh.do(settle_unfinished(fresh.gateway))
    back = await fresh.do(fresh.shifts.propose_undo("api", "no"))
    assert isinstance(back, Proposal)
    assert back.plan.target == {STABLE: 100}


async def _unrecorded(folder: Path) -> tuple[FakeRun, Session]:
    """A server whose rollback is served while its console died before recording that, and the next console."""
    run = FakeRun()
    run.add()
    session = Session(run, journal=Journal(folder))
    await session.do(ORDERS["start"](session))
    await session.do(ORDERS["promote"](session))
    run.faults["write.after"] = [Crash()]
    with pytest.raises(Crash):
        await session.do(session.rollbacks.rollback("api", BY_KEY, "5xx"))
    run.time.seconds += 10
    return run, Session(run, journal=Journal(folder))


async def test_what_is_offered_after_a_rollback_that_nobody_recorded_is_to_see_it_through_or_to_start(
    tmp_path: Path,
) -> None:
    _, fresh = await _unrecorded(tmp_path)
    (found,) = await fresh.do(settle_unfinished(fresh.gateway))
    assert found.ways == (WayOut.ROLL_BACK, WayOut.START)
    assert "served, and not recorded as complete yet" in found.sentence


@pytest.mark.parametrize("order", ["rollback", "abort"])
async def test_a_repeated_rollback_shows_that_nothing_moves_and_records_it(order: str, tmp_path: Path) -> None:
    run, fresh = await _unrecorded(tmp_path)
    if order == "rollback":
        made = await fresh.do(fresh.rollbacks.propose("api", "once more"))
    else:
        made = await fresh.do(fresh.releases.propose(Abort("api"), "once more"))
    assert isinstance(made, Proposal)
    assert (made.plan.moved_percent, made.plan.emergency) == (0, True)
    assert any("not yet recorded as complete" in note for note in made.notes)
    writes = len(run.accepted)
    assert (await fresh.do(fresh.gateway.send(made, BY_KEY))).kind is OutcomeKind.ALREADY_DONE
    assert (len(run.accepted), record_of(run.live("api")).phase) == (writes + 1, Phase.ROLLED_BACK)


async def test_a_rollback_that_cannot_be_recorded_is_done_and_says_so(tmp_path: Path) -> None:
    run, fresh = await _unrecorded(tmp_path)
    run.faults["write.before"] = [quota()]
    outcome = await fresh.do(fresh.rollbacks.rollback("api", BY_KEY, "once more"))
    assert outcome.good
    assert any("not recorded as complete yet" in note for note in outcome.notes)
    assert record_of(run.live("api")).phase is Phase.ROLLING_BACK


async def test_a_pipeline_of_the_next_candidate_does_not_end_with_the_rollback_of_the_one_before(
    tmp_path: Path,
) -> None:
    run, _ = await _unrecorded(tmp_path)
    fixed = replace(run.revisions_by_service["api"][0], name="api-00043-fix", digest="sha256:0004300")
    run.revisions_by_service["api"] = (fixed, *run.revisions_by_service["api"])
    run.services["api"] = replace(run.services["api"], latest_ready=fixed.name, latest_created=fixed.name)
    writes = len(run.accepted)
    pipeline = Session(run, "pipeline", headless=True)
    await pipeline.do(pipeline.releases.run("api", "the fix"))
    begun = run.accepted[writes].record
    assert begun is not None
    assert (begun.phase, begun.canary) == (Phase.PREPARED, fixed.name)


async def test_the_pipeline_that_was_killed_in_its_rollback_ends_with_it(tmp_path: Path) -> None:
    run, _ = await _unrecorded(tmp_path)
    pipeline = Session(run, "pipeline", headless=True)
    outcome = await pipeline.do(pipeline.releases.run("api", "again"))
    assert outcome.kind is OutcomeKind.ROLLED_BACK
    assert record_of(run.live("api")).phase is Phase.ROLLED_BACK
