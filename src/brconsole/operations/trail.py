"""What the gateway leaves behind: each intent and outcome in the local journal and, soon after, in Cloud Logging.

The journal comes first and is waited for; Cloud Logging is told in the background, as often as it takes. An entry is
known there by its id, so that telling it twice does no harm.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from brconsole.domain.environment import Environment
from brconsole.domain.intent import ANNOTATION
from brconsole.domain.plan import Plan
from brconsole.operations.journal import INTENT, OUTCOME, Entry, JournalFailure, JournalWriter, entry_document
from brconsole.operations.outcome import Outcome
from brconsole.operations.ports import AuditWriter
from brconsole.operations.reading import sentence
from brconsole.operations.timing import RealTiming, Timing, within

SEND_WITHIN_S = 8.0
BATCH = 100
Blocking = Callable[..., Awaitable[Any]]
"""Runs a blocking function away from the loop: `asyncio.to_thread`, or a test's own."""


class Unsent(Protocol):
    """What of the journal Cloud Logging has not got yet."""

    def unsent(self, environment: str, most: int) -> tuple[list[Entry], int]:
        """The oldest entries that were not sent, and the position after them."""

    def sent(self, environment: str, position: int) -> None:
        """Everything before a position is sent."""


class SharedJournal(JournalWriter, Unsent, Protocol):
    """A journal whose entries are also sent."""


class Trail:
    """The two logs of one environment's writes, and who makes them."""

    def __init__(
        self,
        environment: Environment,
        journal: SharedJournal,
        who: str,
        audit: AuditWriter | None = None,
        *,
        timing: Timing | None = None,
        blocking: Blocking | None = None,
    ) -> None:
        self.who = who
        self._environment = environment
        self._journal = journal
        self._audit = audit
        self._timing = timing or RealTiming()
        self._blocking = blocking or asyncio.to_thread
        self._loose: list[Mapping[str, object]] = []
        self._sending: asyncio.Task[None] | None = None
        self.unsent_because: str | None = None
        """Why Cloud Logging has not got everything, None where nothing is known to be missing."""

    async def intent(self, plan: Plan, record_after: str | None, at: datetime | None) -> str:
        """Announce a write; its id. Raises JournalFailure, and then the write must not be sent (but for a rollback)."""
        return await self.announce(self._intent_fields(plan, record_after), at)

    async def announce(self, fields: Mapping[str, object], at: datetime | None) -> str:
        """Announce any write by what is to be kept of it; its id. Raises JournalFailure, as `intent` does."""
        entry = await self._append(INTENT, {**fields, "who": self.who}, at)
        return entry.id

    async def loose_intent(self, plan: Plan, record_after: str | None, at: datetime | None, why: str) -> str:
        """Announce a rollback while the disk refuses: the entry is kept for Cloud Logging only, without a chain."""
        fields = {**self._intent_fields(plan, record_after), "local_journal": why}
        return self._keep_loose(INTENT, fields, at)

    async def outcome(
        self, intent: str, plan_fields: Mapping[str, object], outcome: Outcome, at: datetime | None
    ) -> str:
        """Say what became of an intent; what could not be written in words, empty where it was."""
        fields = {
            **plan_fields,
            "intent": intent,
            "who": self.who,
            "result": outcome.kind.value,
            "what": outcome.sentence,
        }
        try:
            await self._append(OUTCOME, fields, at)
        except JournalFailure as failure:
            self._keep_loose(OUTCOME, {**fields, "local_journal": str(failure)}, at)
            self.send_soon()
            return str(failure)
        self.send_soon()
        return ""

    def outcome_fields(self, plan: Plan) -> dict[str, object]:
        """What an outcome repeats of its intent, so that a line can be read by itself."""
        return {
            "environment": self._environment.name,
            "service": plan.service,
            "action": plan.action,
            "before": {"split": dict(plan.before)},
            "after": {"split": dict(plan.target)},
        }

    async def entries(self, service: str | None = None) -> list[Entry]:
        """The environment's entries, oldest first."""
        listed: list[Entry] = await self._blocking(lambda: list(self._journal.entries(self._environment.name, service)))
        return listed

    async def open_intents(self) -> list[Entry]:
        """The intents of which nobody knows the outcome."""
        found: list[Entry] = await self._blocking(self._journal.open_intents, self._environment.name)
        return found

    async def found_out(self, intent: Entry, result: str, what: str, at: datetime | None) -> None:
        """The outcome of somebody's intent, found afterwards."""
        fields = {key: intent.document.get(key) for key in ("environment", "service", "action", "before", "after")} | {
            "intent": intent.id,
            "who": self.who,
            "result": result,
            "what": what,
            "found_afterwards": True,
        }
        await self._append(OUTCOME, fields, at)
        self.send_soon()

    # ------------------------------------------------------------------------------------------------ Cloud Logging

    def send_soon(self) -> None:
        """Send what is unsent in the background; does nothing while that is already under way."""
        if self._audit is not None and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self.send())

    async def send(self) -> None:
        """Send what is unsent, oldest first; what fails stays for the next time."""
        if self._audit is None:
            return
        try:
            while True:
                entries, position = await self._blocking(self._journal.unsent, self._environment.name, BATCH)
                loose = list(self._loose)
                documents = [*(entry.document for entry in entries), *loose]
                if not documents:
                    break
                await within(self._write(documents), SEND_WITHIN_S, self._timing)
                del self._loose[: len(loose)]
                await self._blocking(self._journal.sent, self._environment.name, position)
        except Exception as error:  # noqa: BLE001 - whatever Cloud Logging does, the entries are kept
            self.unsent_because = sentence("Cloud Logging", error)
        else:
            self.unsent_because = None

    async def close(self, within_s: float = 3.0) -> None:
        """Give what is under way a moment; what is not sent then is sent at the next start."""
        self.send_soon()
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=within_s)
            self._sending.cancel()

    async def _write(self, documents: list[Mapping[str, object]]) -> None:
        assert self._audit is not None
        await self._audit.write(documents)

    # ----------------------------------------------------------------------------------------------------- the entries

    async def _append(self, kind: str, fields: Mapping[str, object], at: datetime | None) -> Entry:
        entry: Entry = await self._blocking(self._journal.append, kind, fields, at)
        return entry

    def _keep_loose(self, kind: str, fields: Mapping[str, object], at: datetime | None) -> str:
        document = entry_document(kind, fields, at, None)
        self._loose.append(document)
        return str(document["id"])

    def _intent_fields(self, plan: Plan, record_after: str | None) -> dict[str, object]:
        return {
            "environment": self._environment.name,
            "project": plan.project,
            "service": plan.service,
            "action": plan.action,
            "who": self.who,
            "why": plan.reason,
            "what": plan.api_call,
            "moves": plan.blast_radius,
            "before": {"split": dict(plan.before), "record": record_digest(plan.base.annotation)},
            "after": {"split": dict(plan.target), "record": record_digest(record_after)},
        }


def record_digest(record: str | None) -> str | None:
    """What the journal keeps of a rollout's record: enough to know it again."""
    return None if record is None else hashlib.sha256(record.encode(errors="surrogatepass")).hexdigest()


def record_after(plan: Plan) -> str | None:
    """The record that a plan leaves behind."""
    return plan.base.annotation if plan.annotations is None else plan.annotations.get(ANNOTATION)
