"""After a crash: intents of which nobody knows the outcome, found out from the live service.

    for found in await settle_unfinished(gateway): show(found.sentence, found.ways)

What is found out is journaled as the intent's outcome, so that it is told once. Nothing is written to Cloud Run here:
what goes on by itself (a rollback under way) is the reducer's, the rest is offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from brconsole.domain import traffic
from brconsole.domain.findings import WayOut, settled, told
from brconsole.domain.intent import ANNOTATION, Phase, Rollout, intent_of
from brconsole.domain.job import Execution, LiveJob
from brconsole.domain.migration_run import RELEASE_ENV, Approval, approval_of
from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.domain.undo import concluded
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import Gateway, WriteAction
from brconsole.operations.journal import Entry, JournalFailure
from brconsole.operations.migrations import Migrations
from brconsole.operations.trail import record_digest


class Found(StrEnum):
    """What became of an intent."""

    TAKEN = "taken"
    NOT_TAKEN = "not taken"
    OVERTAKEN = "overtaken"
    """The service says something else again: whether it was ever taken cannot be told."""
    NOT_KNOWN = "not known"
    """The service cannot be read; it is asked again at the next start."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One intent without an outcome, and what is offered."""

    service: str
    action: str
    found: Found
    sentence: str
    ways: tuple[WayOut, ...] = ()


async def settle_unfinished(gateway: Gateway, migrations: Migrations | None = None) -> tuple[Unfinished, ...]:
    """Find out what became of every open intent of this environment. Raises nothing of a port's or the journal's."""
    try:
        open_ones = await gateway.trail.open_intents()
    except JournalFailure as failure:
        return (Unfinished("", "", Found.NOT_KNOWN, str(failure)),)
    flying = gateway.in_flight | (migrations.jobs.in_flight if migrations is not None else set())
    return tuple(
        [
            await (_settle_job(gateway, migrations, entry) if _of_job(entry) else _settle(gateway, entry))
            for entry in open_ones
            if entry.id not in flying
        ]
    )


def _of_job(entry: Entry) -> bool:
    action = entry.text("action")
    return action in set(WriteAction) and WriteAction(action).of_job


async def _settle_job(gateway: Gateway, migrations: Migrations | None, entry: Entry) -> Unfinished:
    """A run and an approval are found out by what they leave behind; a look and a cancellation leave nothing."""
    name, action = clean(entry.text("service"), 63), clean(entry.text("action"), 40)
    begun = f"{name}: {action} of {clean(entry.text('at'), 30)} by {clean(entry.text('who'), 100)} was interrupted"
    if migrations is None:
        return Unfinished(name, action, Found.NOT_KNOWN, f"{begun}; not known what became of it")
    try:
        live, executions = await migrations.reader.live()
    except SourceFailure as failure:
        return Unfinished(name, action, Found.NOT_KNOWN, f"{begun}; not known what became of it ({failure})")
    found, words = _left_behind(entry, live, executions)
    text = f"{begun}; {words}"
    try:
        await gateway.trail.found_out(entry, found.value, text, None if live is None else live.server_time)
    except JournalFailure as failure:
        text = f"{text} (not journaled: {failure})"
    return Unfinished(name, action, found, text)


def _left_behind(entry: Entry, live: LiveJob | None, executions: Sequence[Execution]) -> tuple[Found, str]:
    after = entry.document.get("after")
    wanted = after if isinstance(after, Mapping) else {}
    if entry.text("action") == WriteAction.MIGRATE.value:
        started = next((one for one in executions if one.env.get(RELEASE_ENV) == wanted.get("release")), None)
        if started is None:
            return Found.NOT_TAKEN, "no execution was started: run it again"
        return Found.TAKEN, f"{clean(started.name, 63)} was started, {started.state.value}"
    if entry.text("action") == WriteAction.APPROVE.value:
        approval = None if live is None else approval_of(live)
        same = isinstance(approval, Approval) and approval.plan == wanted.get("approved")
        return (Found.TAKEN, "it was taken") if same else (Found.NOT_TAKEN, "it was not taken")
    return Found.OVERTAKEN, "it changed nothing that is still to be settled"


async def _settle(gateway: Gateway, entry: Entry) -> Unfinished:
    name, action = clean(entry.text("service"), 63), clean(entry.text("action"), 40)
    begun = f"{name}: {action} of {clean(entry.text('at'), 30)} by {clean(entry.text('who'), 100)} was interrupted"
    try:
        live = await gateway.read(name)
    except SourceFailure as failure:
        return Unfinished(name, action, Found.NOT_KNOWN, f"{begun}; not known what became of it ({failure})")
    found = _found(entry, live.service)
    ways = _ways(entry, live.service, found)
    now = told(live.service.desired_split())
    words = {
        Found.TAKEN: f"{begun}; it was taken: {now}{_left(live.service)}",
        Found.NOT_TAKEN: f"{begun}; it was not taken: {now}",
        Found.OVERTAKEN: f"{begun}; the service was changed since: {now}",
    }[found]
    try:
        await gateway.trail.found_out(entry, found.value, words, live.server_time)
    except JournalFailure as failure:
        words = f"{words} (not journaled: {failure})"
    return Unfinished(name, action, found, words, ways)


def _found(entry: Entry, service: Service) -> Found:
    record = record_digest(service.annotations.get(ANNOTATION))
    split = service.desired_split()
    arrived = not traffic.differs(split, entry.split_after or {})
    if arrived and (record == entry.record("after") or _returned(entry, service)):
        return Found.TAKEN
    if record == entry.record("before") and not traffic.differs(split, entry.split_before or {}):
        return Found.NOT_TAKEN
    return Found.OVERTAKEN


def _returned(entry: Entry, service: Service) -> bool:
    """A rollback is decided anew on a conflict, so that its record may be another one than was announced."""
    state = intent_of(service)
    back = isinstance(state, Rollout) and state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    return back and _is_rollback(entry)


def _is_rollback(entry: Entry) -> bool:
    return entry.text("action") in (WriteAction.ROLLBACK.value, WriteAction.ABORT.value)


def _left(service: Service) -> str:
    """What a write that was taken still lacks."""
    if not settled(service):
        return ", not served yet"
    return ", served, and not recorded as complete yet" if _unrecorded(service) else ""


def _unrecorded(service: Service) -> bool:
    """Whether a rollback is served and only its record still says that it is under way."""
    state = intent_of(service)
    return concluded(state, service) is not state


def _ways(entry: Entry, service: Service, found: Found) -> tuple[WayOut, ...]:
    state = intent_of(service)
    active = isinstance(state, Rollout) and state.active
    if _is_rollback(entry) and found is not Found.TAKEN:
        return (WayOut.ROLL_BACK,)
    if not settled(service):
        return (WayOut.WAIT, WayOut.ROLL_BACK)
    if _unrecorded(service):
        return (WayOut.ROLL_BACK, WayOut.START)
    onward = (WayOut.WAIT, WayOut.ABORT) if active else ()
    return onward if found is Found.TAKEN else (WayOut.AGAIN, *onward)
