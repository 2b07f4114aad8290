"""Feeds on a thread of their own: the screen paints and answers keys while the environments are observed.

One daemon thread with one asyncio loop serves every environment of the console. What it takes to open an environment
(importing Google's clients, finding credentials) happens there too, so after the first paint and off the main path.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.operations.timing import Backoff, RealTiming, Timing, pause

if TYPE_CHECKING:  # the poller is imported on the feeds' thread, after the first paint
    from brconsole.domain.environment import Environment
    from brconsole.operations.observe import Observer
    from brconsole.operations.ports import Clock, Cloud

OpenCloud = Callable[["Environment"], AbstractAsyncContextManager[tuple["Cloud", "Clock"]]]
"""The way to an environment's ports, for as long as the context lasts. Called and entered on the feeds' thread."""

STOP_WITHIN_S = 1.0
_log = logging.getLogger(__name__)


class FeedThread:
    """The thread and the loop that all feeds of a console share. It never keeps the process alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Run a function on the loop soon; starts the thread where it does not run."""
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="brconsole-feeds", daemon=True
                )
                self._thread.start()
            self._loop.call_soon_threadsafe(function, *args)

    def stop(self, within_s: float = STOP_WITHIN_S) -> bool:
        """Cancel everything and wait at most `within_s` real seconds; whether the thread has ended by then.

        One that has not (a call that blocks the loop) is left: it is a daemon and dies with the process.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or thread is None:
                return True
            if not loop.is_closed():
                loop.call_soon_threadsafe(loop.stop)
        thread.join(within_s)
        return not thread.is_alive()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.set_exception_handler(_at_the_end)
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=STOP_WITHIN_S / 2))
        finally:
            with self._lock:
                loop.close()


def _at_the_end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What abandoned calls still have to say is nobody's business on the screen that was just given back."""
    _log.debug("after the end: %s", context.get("message"))


class BackgroundFeed:
    """One environment, followed on the feeds' thread (a `Feed`)."""

    def __init__(
        self,
        environment: Environment,
        open_cloud: OpenCloud,
        thread: FeedThread,
        *,
        jitter: random.Random | None = None,
        timing: Timing | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.environment = environment
        self._open_cloud = open_cloud
        self._thread = thread
        self._jitter = jitter or random.Random()
        self._timing = timing or RealTiming()
        self._backoff = backoff or Backoff()
        self._lock = threading.Lock()
        self._observed: dict[object, Callable[[Fleet], None]] = {}
        self._fleet = Fleet(environment)
        self._clock: Clock | None = None
        self._wanted = False
        self._watched: str | None = None
        # What follows is touched on the feeds' thread only.
        self._task: asyncio.Task[None] | None = None
        self._observer: Observer | None = None
        self._again = asyncio.Event()

    def start(self) -> None:
        """Begin to observe in the background; does nothing where it already does."""
        self._wanted = True
        self._thread.call(self._begin)

    def stop(self) -> None:
        """End observing; the last snapshot stays. Returns at once, also while a call hangs."""
        if self._wanted:
            self._wanted = False
            self._thread.call(self._end)

    def latest(self) -> Fleet:
        """The newest snapshot; before the first answer, one in which nothing is known."""
        return self._fleet

    def now(self) -> datetime | None:
        """Service time, None until the clock answered."""
        clock = self._clock
        return None if clock is None else clock.now()

    def subscribe(self, observed: Callable[[Fleet], None]) -> Callable[[], None]:
        """Call `observed` with each new snapshot, from the feeds' thread; returns the way to end it."""
        entry = object()
        with self._lock:
            self._observed = {**self._observed, entry: observed}

        def end() -> None:
            with self._lock:
                self._observed = {other: call for other, call in self._observed.items() if other is not entry}

        return end

    def refresh(self) -> None:
        """Observe every source now, within the quota."""
        if self._wanted:
            self._thread.call(self._refresh)

    def watch(self, service: str | None) -> None:
        """Also observe what the page of this service shows; None ends that."""
        self._watched = service
        if self._wanted:
            self._thread.call(self._watch)

    # --------------------------------------------------------------------------------------------- on the feeds' thread

    def _begin(self) -> None:
        if self._wanted and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._follow())

    def _end(self) -> None:
        if not self._wanted and self._task is not None:
            self._task.cancel()
            self._task = None

    def _refresh(self) -> None:
        self._again.set()
        if self._observer is not None:
            self._observer.refresh()

    def _watch(self) -> None:
        if self._observer is not None:
            self._observer.watch(self._watched)

    async def _follow(self) -> None:
        """Open the environment and observe it; where it does not open, say why and try again."""
        from brconsole.operations import sources
        from brconsole.operations.reading import sentence

        if not self._fleet.sources:
            self._publish(replace(self._fleet, sources=sources.infos(sources.expected(self.environment))))
        failures = 0
        while True:
            try:
                async with self._open_cloud(self.environment) as (cloud, clock):
                    failures = 0
                    await self._observe(cloud, clock)
            except Exception as error:  # noqa: BLE001 - no credentials, a bad endpoint: shown, never fatal
                failures += 1
                self._publish(self._all_failing(sentence("Google Cloud", error)))
                self._again.clear()
                await pause(self._backoff.delay_s(failures, error, self._jitter), self._again, self._timing)

    async def _observe(self, cloud: Cloud, clock: Clock) -> None:
        from brconsole.operations.observe import Observer

        observer = Observer(
            self.environment,
            cloud,
            clock,
            publish=self._publish,
            jitter=self._jitter,
            timing=self._timing,
            backoff=self._backoff,
        )
        observer.watch(self._watched)
        self._clock, self._observer = clock, observer
        try:
            await observer.run()
        finally:
            self._observer = None

    def _all_failing(self, why: str) -> Fleet:
        """The last snapshot with every source failing for one reason."""
        readings: dict[str, Reading[Any]] = {
            name: self._fleet.reading(name).failing(why, self.now()) for name in self._fleet.sources
        }
        return replace(self._fleet, now=self.now(), **readings)  # type: ignore[arg-type]

    def _publish(self, fleet: Fleet) -> None:
        self._fleet = fleet
        for observed in self._observed.values():
            try:
                observed(fleet)
            except Exception:  # noqa: BLE001 - one face that fails must not silence the others
                _log.exception("a face could not take a snapshot of %s", self.environment.name)
