"""Any split of traffic by hand, and back to the split before.

    made = await shifts.propose("api", {"api-00041-abc": 90, "api-00042-def": 10}, reason)   # `T`, `brconsole traffic`
    made = await shifts.propose_undo("api", reason)                                          # `u`
    outcome = await gateway.send(made, BY_DIALOG)

`made.plan` says before → after, how many requests a minute move, and the equivalent gcloud command.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from brconsole.domain import orders, traffic
from brconsole.domain.decision import Refused
from brconsole.domain.environment import Environment
from brconsole.domain.findings import told
from brconsole.domain.fleet import Fleet
from brconsole.domain.intent import intent_of
from brconsole.domain.plan import confirmation, plan
from brconsole.domain.rates import service_rates
from brconsole.domain.service import Revision
from brconsole.domain.text import clean
from brconsole.operations.evidence import EvidenceReader
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import RUN, Gateway, Progress, Proposal, WriteAction
from brconsole.operations.journal import JournalFailure
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind, failed
from brconsole.operations.ports import LiveService
from brconsole.operations.unfinished import Found

_WRITTEN = (OutcomeKind.DONE.value, OutcomeKind.ACCEPTED.value, Found.TAKEN.value)
"""Results after which the service asks for what the entry says; the last was found out after a crash."""


class Shifts:
    """The splits by hand of one environment in one session. All methods belong to one loop."""

    def __init__(
        self,
        environment: Environment,
        gateway: Gateway,
        evidence: EvidenceReader,
        *,
        fleet: Callable[[], Fleet | None] | None = None,
    ) -> None:
        self.environment = environment
        self.gateway = gateway
        self._evidence = evidence
        self._fleet = fleet or _no_fleet

    async def propose(self, service: str, split: Mapping[str, int], reason: str) -> Proposal | Outcome:
        """A split of whole percents by revision; what is not named gets nothing. Tags stay as they are."""
        refused = self.gateway.refusal(WriteAction.SHIFT, service)
        if refused is not None:
            return refused
        live = await self._read(service)
        return live if isinstance(live, Outcome) else await self._proposed(WriteAction.SHIFT, live, split, reason)

    async def propose_undo(self, service: str, reason: str) -> Proposal | Outcome:
        """The split before the last one that this machine's journal knows, if that one is still wanted."""
        refused = self.gateway.refusal(WriteAction.UNDO, service)
        if refused is not None:
            return refused
        try:
            entries = await self.gateway.trail.entries(service)
        except JournalFailure as failure:
            return Outcome(OutcomeKind.FAILED, f"{service}: {failure}", service)
        moved = (
            entry
            for entry in reversed(entries)
            if entry.kind == "outcome" and entry.text("result") in _WRITTEN and entry.split_before != entry.split_after
        )
        last = next(moved, None)
        before = None if last is None else last.split_before
        if last is None or not before:
            text = f"{service}: the journal knows no change of traffic to undo; use rollback, or name the split"
            return Outcome(OutcomeKind.REFUSED, text, service)
        if last.text("action") not in (WriteAction.SHIFT.value, WriteAction.UNDO.value):
            text = f"{service}: the last change was {clean(last.text('action'), 40)}, no split by hand; name the split"
            return Outcome(OutcomeKind.REFUSED, text, service)
        live = await self._read(service)
        if isinstance(live, Outcome):
            return live
        present = live.service.desired_split()
        if traffic.differs(present, last.split_after or {}):
            by = f" by {clean(live.service.last_modifier, 100)}" if live.service.last_modifier else ""
            text = f"{service}: traffic was changed since{by}, to {told(present)}; name the split that is wanted"
            return Outcome(OutcomeKind.CONFLICT, text, service, present)
        return await self._proposed(WriteAction.UNDO, live, before, reason)

    async def shift(
        self,
        service: str,
        split: Mapping[str, int],
        confirmed: Confirmed,
        reason: str,
        progress: Progress | None = None,
    ) -> Outcome:
        """`brconsole traffic`."""
        return await self.gateway.send(await self.propose(service, split, reason), confirmed, progress)

    async def _read(self, service: str) -> LiveService | Outcome:
        try:
            return await self.gateway.read(service)
        except SourceFailure as failure:
            return failed(RUN, failure, service)

    async def _proposed(
        self, action: WriteAction, live: LiveService, split: Mapping[str, int], reason: str
    ) -> Proposal | Outcome:
        service = live.service
        read = await self._evidence.revisions(service.name, live.server_time, self._fleet())
        revisions = read.value if read.error is None else None
        unfit = None if revisions is None else _unfit(split, revisions)
        if unfit is not None:
            return Outcome(OutcomeKind.REFUSED, f"{service.name}: {unfit}", service.name, service.desired_split())
        targets = orders.shift(intent_of(service), service, split)
        if isinstance(targets, Refused):
            text = f"{service.name}: {targets.reason}"
            return Outcome(OutcomeKind.REFUSED, text, service.name, service.desired_split(), None, targets.blocked_by)
        present = service.desired_split()
        gaining = {name for name, share in split.items() if share > present.get(name, 0)}
        accounts = [
            revision.service_account
            for revision in revisions or ()
            if revision.name in gaining and revision.service_account
        ]
        fleet = self._fleet()
        made = plan(
            action.value,
            self.environment,
            service,
            targets,
            reason,
            confirmation(self.environment, moves_traffic=traffic.differs(present, dict(split))),
            None,
            None if fleet is None else service_rates(fleet, service.name).requests_per_s,
        )
        return Proposal(made, service_accounts=tuple(dict.fromkeys(accounts)))


def _unfit(split: Mapping[str, int], revisions: tuple[Revision, ...]) -> str | None:
    """Which revision of a split may not get traffic, and why."""
    known = {revision.name: revision for revision in revisions}
    for name, share in split.items():
        if not share:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; the nearest is {near[0]}" if near else ""
            return f"{clean(name, 63)} does not exist{hint}"
        if known[name].ready is False:
            return f"{name} is not ready: {clean(known[name].message or known[name].reason or 'no reason given', 200)}"
    return None


def _no_fleet() -> Fleet | None:
    return None
