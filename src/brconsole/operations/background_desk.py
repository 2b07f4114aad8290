"""A desk on the feeds' thread: one environment's use cases, on the cloud that its feed reads from too."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from brconsole.operations.background_migrations import MigrationLooks
from brconsole.operations.desk import MigrationSeen, RollBack, RollBackGroup, Seen, Shift, Stage, UndoShift, Watching
from brconsole.operations.reading import sentence
from brconsole.operations.timing import Backoff, RealTiming, Timing, pause, within

if TYPE_CHECKING:
    from datetime import datetime

    from brconsole.domain.environment import Environment
    from brconsole.domain.fleet import Fleet
    from brconsole.operations.background import FeedThread, OpenCloud
    from brconsole.operations.desk import Ended, LookAtSchema, Made, MigrationOrder, Order, Told
    from brconsole.operations.gateway_jobs import JobProposal
    from brconsole.operations.journal import Entry
    from brconsole.operations.modes import Modes
    from brconsole.operations.outcome import Confirmed, Outcome
    from brconsole.operations.ports import Clock, Cloud
    from brconsole.operations.trail import SharedJournal
    from brconsole.operations.use_cases import UseCases

LOOK_S = 10.0
"""Between two looks at a rollout, in service time (facts §11)."""
CARD_S = 20.0
"""Between two checks of a rollback's target, in service time."""
LEAST_LOOK_S = 1.0
"""The least pause at any speed, in real time."""
CLOCK_S = 3.0
"""Real seconds that opening waits for the time."""
DRAIN_LOOK_S = 20.0
DRAIN_LOOKS = 60
"""After so many looks a rollback is left as "not known to be drained"."""
TAIL = 60
"""Entries of the journal that a release screen shows at most."""
_log = logging.getLogger(__name__)


class SharedClouds:
    """Opens an environment once for everybody who uses it at the same time. All on one loop."""

    def __init__(self, open_cloud: OpenCloud) -> None:
        self._open_cloud = open_cloud
        self._open: dict[str, tuple[AbstractAsyncContextManager[Any], tuple[Cloud, Clock], int]] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def open(self, environment: Environment) -> AsyncIterator[tuple[Cloud, Clock]]:
        """The ports of an environment; the last one who leaves closes them."""
        name = environment.name
        async with self._opening.setdefault(name, asyncio.Lock()):
            if name in self._open:
                context, ports, users = self._open[name]
            else:
                context = self._open_cloud(environment)
                ports, users = await context.__aenter__(), 0
            self._open[name] = (context, ports, users + 1)
        try:
            yield ports
        finally:
            context, ports, users = self._open.pop(name)
            if users > 1:
                self._open[name] = (context, ports, users - 1)
            else:
                await context.__aexit__(None, None, None)


class BackgroundDesk:
    """One environment's desk (a `Desk`). It stays open until the thread ends: what was sent must be seen to its end."""

    def __init__(
        self,
        environment: Environment,
        open_cloud: OpenCloud,
        thread: FeedThread,
        modes: Modes,
        journal: Callable[[], SharedJournal],
        who: Callable[[Cloud], Awaitable[str]],
        *,
        fleet: Callable[[], Fleet | None] | None = None,
        observe: Callable[[], None] | None = None,
        timing: Timing | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.environment = environment
        self._open_cloud = open_cloud
        self._thread = thread
        self._modes = modes
        self._journal = journal
        self._who = who
        self._fleet = fleet
        self._observe = observe
        self._timing = timing or RealTiming()
        self._backoff = backoff or Backoff()
        self._lock = threading.Lock()
        self._looked: dict[object, Callable[[str | None], None]] = {}
        self._seen: dict[str, Seen] = {}
        self._driven: frozenset[str] = frozenset()
        self._wanted = False
        self._watching: Watching | None = None
        # What follows is touched on the feeds' thread only.
        self._cases: asyncio.Future[UseCases] | None = None
        self._life: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._works: set[asyncio.Task[None]] = set()
        self._migrations = MigrationLooks(self._use_cases, self._say, self._timing)

    def start(self) -> None:
        """Open the environment and begin to look; does nothing where that is done."""
        self._wanted = True
        self._thread.call(self._begin)

    def stop(self) -> None:
        """Look no more; what was sent is still seen to its end."""
        self._wanted = False
        self._thread.call(self._begin)

    def watch(self, watching: Watching | None) -> None:
        """What to look at from now on."""
        if watching != self._watching:
            self._watching = watching
            if self._wanted:
                self._thread.call(self._begin)

    def seen(self, service: str) -> Seen:
        """The newest looks at a service."""
        return self._seen.get(service, _NOT_SEEN)

    def subscribe(self, looked: Callable[[str | None], None]) -> Callable[[], None]:
        """Call `looked` after each look, or with a sentence that a person must hear; returns the way to end it."""
        entry = object()
        with self._lock:
            self._looked = {**self._looked, entry: looked}

        def end() -> None:
            with self._lock:
                self._looked = {other: call for other, call in self._looked.items() if other is not entry}

        return end

    def propose(self, order: Order, reason: str, answered: Callable[[Made | Outcome], None]) -> None:
        """What an order would write, for a person to see; or why it is not done."""
        self._thread.call(self._work, self._propose(order, reason, answered))

    def send(self, made: Made, confirmed: Confirmed, told: Told, ended: Callable[[Ended], None]) -> None:
        """Send it; `told` goes on after the end of a rollback until the others are drained."""
        self._thread.call(self._work, self._send(made, confirmed, told, ended))

    def watch_migrations(self, wanted: bool) -> None:
        """Whether to look at the migrations from now on."""
        self._thread.call(self._migrations.want, wanted)

    def migration_seen(self) -> MigrationSeen:
        """The newest looks at the migrations."""
        return self._migrations.seen

    def propose_migration(
        self, order: MigrationOrder, reason: str, answered: Callable[[JobProposal | Outcome], None]
    ) -> None:
        """What an order would write to the migration job, for a person to see; or why it is not done."""
        self._thread.call(self._work, self._migrations.propose(order, reason, answered))

    def send_migration(
        self, made: JobProposal | LookAtSchema, confirmed: Confirmed, told: Told, ended: Callable[[Outcome], None]
    ) -> None:
        """Send it; told each line of the execution's log until that has ended."""
        self._thread.call(self._work, self._migrations.send(made, confirmed, told, ended))

    def read_journal(self, service: str | None, answered: Callable[[tuple[Entry, ...] | str], None]) -> None:
        """The environment's entries, oldest first; a sentence where they cannot be read."""
        self._thread.call(self._work, self._read_journal(service, answered))

    def drive(self, service: str, wanted: bool) -> None:
        """Do what the rollout's reducer decides from now on, under the standing order just given; or no more."""
        with self._lock:
            self._driven = self._driven | {service} if wanted else self._driven - {service}
        self._thread.call(self._begin)

    @property
    def driven(self) -> frozenset[str]:
        """The services whose wheel is held here."""
        return self._driven

    # --------------------------------------------------------------------------------------------- on the feeds' thread

    def _begin(self) -> None:
        self._again.set()
        if not self._wanted and not self._driven:
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None
        elif self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def _work(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - each work answers its own failures; this one is ours
            _log.exception("an order to %s was not answered", self.environment.name)
            self._say(f"{self.environment.name}: something went wrong inside brconsole; the log has it. Look again.")

    async def _use_cases(self) -> UseCases:
        """The use cases, opened by whoever comes first. Raises what opening them raised."""
        if self._cases is None or (self._cases.done() and self._cases.exception() is not None):
            self._cases = asyncio.get_running_loop().create_future()
            self._life = asyncio.get_running_loop().create_task(self._live(self._cases))
        return await asyncio.shield(self._cases)

    async def _live(self, ready: asyncio.Future[UseCases]) -> None:
        """Keep the environment open until the thread ends."""
        from brconsole.domain.decision import Actor
        from brconsole.operations.unfinished import settle_unfinished
        from brconsole.operations.use_cases import compose

        try:
            async with self._open_cloud(self.environment) as (cloud, clock):
                with suppress(Exception):  # a rollback goes without the time too
                    if clock.now() is None:
                        await within(clock.synchronise(), CLOCK_S, self._timing)
                actor = Actor(await self._who(cloud))
                cases = compose(
                    self.environment,
                    cloud,
                    clock,
                    self._modes,
                    self._journal(),
                    actor,
                    fleet=self._fleet,
                    observe=self._observe,
                )
                ready.set_result(cases)
                for found in await settle_unfinished(cases.gateway, cases.migrations):
                    ways = f"; ways out: {', '.join(found.ways)}" if found.ways else ""
                    self._say(f"{found.sentence}{ways}")
                try:
                    await asyncio.Event().wait()
                finally:
                    await cases.close()
        except Exception as error:  # noqa: BLE001 - no credentials, a bad endpoint: told to whoever ordered
            if not ready.done():
                ready.set_exception(error)
                ready.exception()  # nobody may be waiting

    async def _look(self) -> None:
        """Look at what is watched and at what is driven, again and again."""
        failures = 0
        card_at = float("-inf")
        before: Watching | None = None
        while True:
            self._again.clear()
            try:
                cases = await self._use_cases()
            except Exception as error:  # noqa: BLE001 - it is tried again
                failures += 1
                self._unreachable(sentence("Google Cloud", error))
                await pause(self._backoff.first_s * min(2**failures, 16), self._again, self._timing)
                continue
            failures = 0
            speed = max(cases.clock.speed, 1e-3)
            watching = self._watching if self._wanted else None
            for service in sorted(self._driven):
                await self._drive(cases, service)
            if watching is not None:
                now = self._timing.monotonic()
                if watching != before or now - card_at >= max(LEAST_LOOK_S, CARD_S / speed):
                    await self._check(cases, watching.service)
                    card_at = now
                if watching.rollout and watching.service not in self._driven:
                    await self._look_at(cases, watching.service)
                before = watching
            busy = self._driven or (watching is not None and watching.rollout)
            await pause(max(LEAST_LOOK_S, (LOOK_S if busy else CARD_S) / speed), self._again, self._timing)

    async def _check(self, cases: UseCases, service: str) -> None:
        try:
            card = await cases.rollbacks.card(service)
        except Exception as error:  # noqa: BLE001 - the card of a moment ago stays, with its age
            _log.warning("the rollback of %s could not be checked: %s", service, error)
            return
        self._now_seen(service, card=card, card_at=cases.gateway.now())

    async def _look_at(self, cases: UseCases, service: str) -> None:
        from brconsole.operations.outcome import Outcome

        view = await cases.releases.look(service)
        entries = await self._tail(cases, service)
        if isinstance(view, Outcome):
            self._now_seen(service, problem=view.sentence, entries=entries)
        else:
            self._now_seen(service, view=view, problem=None, entries=entries)

    async def _drive(self, cases: UseCases, service: str) -> None:
        """One look with the hands on the wheel; the wheel is let go when the rollout has ended."""
        from brconsole.domain.intent import Rollout
        from brconsole.operations.outcome import Outcome

        ticked = await cases.releases.drive(service)
        entries = await self._tail(cases, service)
        if isinstance(ticked, Outcome):
            self._now_seen(service, problem=ticked.sentence, entries=entries)
            return
        self._now_seen(service, view=ticked.view, problem=None, entries=entries)
        if ticked.outcome is not None:
            self._say(ticked.outcome.sentence)
        state = ticked.view.state
        if not (isinstance(state, Rollout) and state.active) and ticked.outcome is None:
            with self._lock:
                self._driven = self._driven - {service}

    async def _tail(self, cases: UseCases, service: str) -> tuple[Entry, ...]:
        from brconsole.operations.journal import JournalFailure

        try:
            return tuple((await cases.gateway.trail.entries(service))[-TAIL:])
        except JournalFailure:
            return self.seen(service).entries

    async def _propose(self, order: Order, reason: str, answered: Callable[[Made | Outcome], None]) -> None:
        from brconsole.operations.outcome import failed

        service = "" if isinstance(order, RollBackGroup) else order.service
        try:
            cases = await self._use_cases()
            made: Made | Outcome
            if isinstance(order, Shift):
                made = await cases.shifts.propose(order.service, order.split, reason)
            elif isinstance(order, UndoShift):
                made = await cases.shifts.propose_undo(order.service, reason)
            elif isinstance(order, RollBack):
                made = await cases.rollbacks.propose(order.service, reason, order.to)
            elif isinstance(order, RollBackGroup):
                made = await cases.rollbacks.propose_group(reason)
            else:
                made = await cases.releases.propose(order, reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
            made = failed("Google Cloud", error, service)
        answered(made)

    async def _send(self, made: Made, confirmed: Confirmed, told: Told, ended: Callable[[Ended], None]) -> None:
        from brconsole.operations.outcome import OutcomeKind, failed
        from brconsole.operations.rollback import GroupProposal

        def progress(text: str) -> None:
            accepted = "accepted" in text and "still serving" not in text
            told(Stage.ACCEPTED if accepted else Stage.SENT, text)

        outcome: Ended
        try:
            cases = await self._use_cases()
            if isinstance(made, GroupProposal):
                outcome = await cases.rollbacks.send_group(made, confirmed, progress)
            else:
                outcome = await cases.gateway.send(made, confirmed, progress)
        except Exception as error:  # noqa: BLE001 - whatever it is, who sent is told
            _log.exception("a write to %s ended without an outcome", self.environment.name)
            outcome = failed("brconsole", error)
        if outcome.kind in (OutcomeKind.DONE, OutcomeKind.ALREADY_DONE):
            told(Stage.SERVING, outcome.sentence)
        ended(outcome)
        self._again.set()
        if not isinstance(made, GroupProposal) and made.rollback is not None and outcome.kind is OutcomeKind.DONE:
            await self._drain(made, told)

    async def _drain(self, made: Any, told: Told) -> None:
        """Tell when the requests of the others have ended; metrics are about four minutes late."""
        from brconsole.domain.undo import DrainState
        from brconsole.operations.outcome import Outcome

        cases = await self._use_cases()
        since: datetime | None = cases.gateway.now()
        for _ in range(DRAIN_LOOKS):
            await self._timing.sleep(max(LEAST_LOOK_S, DRAIN_LOOK_S / max(cases.clock.speed, 1e-3)))
            if since is None:
                return
            found = await cases.rollbacks.drained(made.plan.service, made.rollback.target.revision, since)
            if isinstance(found, Outcome):
                continue
            if found.state is DrainState.DRAINED:
                told(Stage.DRAINED, found.text)
                return
            if found.state is DrainState.REQUESTED:
                return  # somebody moved traffic again

    async def _read_journal(self, service: str | None, answered: Callable[[tuple[Entry, ...] | str], None]) -> None:
        from brconsole.operations.journal import JournalFailure

        try:
            cases = await self._use_cases()
            answered(tuple(await cases.gateway.trail.entries(service)))
        except JournalFailure as failure:
            answered(str(failure))
        except Exception as error:  # noqa: BLE001 - an environment that does not open
            answered(sentence("Google Cloud", error))

    def _unreachable(self, why: str) -> None:
        if self._watching is not None:
            self._now_seen(self._watching.service, problem=why)

    def _now_seen(self, service: str, **found: Any) -> None:
        self._seen = {**self._seen, service: replace(self.seen(service), **found)}
        self._say(None)

    def _say(self, text: str | None) -> None:
        for looked in self._looked.values():
            try:
                looked(text)
            except Exception:  # noqa: BLE001 - one face that fails must not silence the others
                _log.exception("a face could not take a look at %s", self.environment.name)


_NOT_SEEN = Seen()
