"""The poller: one loop a source, each with its own cadence and back-off, into one immutable Fleet.

A source that fails leaves the others alone and keeps its last good value with its age and its error. Nothing that a
source answers or raises ends a loop.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.domain.service import Service
from brconsole.operations import alerts, objectives, sources, spend
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.reading import Answer, sentence
from brconsole.operations.sources import Pace, Source
from brconsole.operations.timing import Backoff, RealTiming, Timing, within

PUBLISH_EVERY_S = 0.25
"""Real seconds between two snapshots at least; the last state is always published."""
LEAST_CADENCE_S = 1.0
"""Real seconds between two reads of a source at least, at any speed of a simulation."""
REFRESH_SPACING_S = 2.0
"""Real seconds that a refresh on demand keeps from the last read of a source."""
CHANGING = timedelta(seconds=60)
"""For how long after a change a service is read at the fastest cadence."""
RESYNCHRONISE_S = 60.0
STALL_S = 30.0
"""A source that answers nothing for so long is given up, whatever its adapter promised (its own deadline is 8 s a
call).
"""
JITTER = 0.1
"""Share of a cadence by which loops drift apart, so that consoles do not call in step."""
_PACE_WINDOW = timedelta(minutes=30)
_PACE_KNOWN_AFTER = timedelta(minutes=2)
_PACE_SAMPLE = timedelta(seconds=30)
_DAY_S = 86_400.0


@dataclass
class _Schedule:
    """When a source is read next. Real seconds."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = float("-inf")
    took_s: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    not_before: float = 0.0
    """Set by a server that said when to come back; a refresh on demand does not undercut it."""
    stretch: float = 1.0
    requested: bool = False


class Observer:
    """Follows one environment. All methods belong to the loop that runs it.

    `publish` is called with each new snapshot, at most four times a real second, and must not raise.
    """

    def __init__(
        self,
        environment: Environment,
        cloud: Cloud,
        clock: Clock,
        *,
        publish: Callable[[Fleet], None] | None = None,
        jitter: random.Random | None = None,
        timing: Timing | None = None,
        backoff: Backoff | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._cloud = cloud
        self._clock = clock
        self._publish = publish or _nobody
        self._jitter = jitter or random.Random()
        self._timing = timing or RealTiming()
        self._backoff = backoff or Backoff()
        self._stall_s = stall_s
        self._sources = {source.name: source for source in sources.of(environment, cloud)}
        self._watched: Source | None = None
        self._watched_service: str | None = None
        self._readings: dict[str, Reading[Any]] = {}
        self._schedules: dict[str, _Schedule] = {name: _Schedule() for name in (*self._sources, "latency_by_revision")}
        self._not_configured: set[str] = set()
        self._environment = environment
        self._pace = Pace()
        self._seen_services: Mapping[str, object] | None = None
        self._seen_revisions: Mapping[str, object] | None = None
        self._changing_until: datetime | None = None
        self._changed = asyncio.Event()
        self._time_known = asyncio.Event()
        self._ask_time = asyncio.Event()
        self._returned: deque[tuple[datetime, int]] = deque(maxlen=1 + _PACE_WINDOW // _PACE_SAMPLE)

    # ------------------------------------------------------------------------------------------------ from outside

    async def once(self, deadline_s: float = 15.0) -> Fleet:
        """Read every source once, side by side, within real seconds; what has not answered by then has failed."""
        began = self._timing.monotonic()
        ends = began + deadline_s
        if self._clock.now() is not None or await self._synchronise(deadline_s):
            left_s = max(0.0, ends - self._timing.monotonic())
            wanted = [source for source in self._sources.values() if source.name not in sources.HOUSEKEEPING]
            if self._watched is not None:
                wanted.append(self._watched)
            await asyncio.gather(*(self._observe(source, left_s, f"{deadline_s:g} s") for source in wanted))
            took_s = self._timing.monotonic() - began
            for schedule in self._schedules.values():  # what answered first is not stale for having waited for the rest
                schedule.took_s = max(schedule.took_s, took_s)
        return self.fleet()

    async def run(self) -> None:
        """Follow every source until cancelled."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._keep_time())
                loops.create_task(self._publish_changes())
                for source in self._sources.values():
                    loops.create_task(self._follow(source.name))
                loops.create_task(self._follow("latency_by_revision"))
        finally:
            if self._changed.is_set():
                self._publish(self.fleet())

    def refresh(self) -> None:
        """Read every source now; one that was read a moment ago follows a moment later, and spend is asked twice an
        hour at most.
        """
        self._ask_time.set()
        for name, schedule in self._schedules.items():
            if name not in sources.HOUSEKEEPING and not self._spend_is_recent(name):
                schedule.requested = True
                schedule.wake.set()

    def watch(self, service: str | None) -> None:
        """Also read what the page of this service shows; None ends that."""
        if service == self._watched_service:
            return
        self._watched_service = service
        self._watched = None if service is None else sources.of_service(self._cloud, service)
        self._readings.pop("latency_by_revision", None)
        schedule = self._schedules["latency_by_revision"]
        schedule.failures, schedule.started = 0, float("-inf")
        schedule.wake.set()
        self._changed.set()

    def fleet(self) -> Fleet:
        """Everything known now."""
        now = self._clock.now()
        speed = self._clock.speed if now is not None else 1.0
        listed = [name for name in self._sources if name not in self._not_configured]
        if self._watched is not None:
            listed.append(self._watched.name)
        read = self._readings.get
        empty: Reading[Any] = Reading()
        plain = {
            name: read(name, empty)
            for name in listed
            if name not in sources.PART_OF and name not in sources.HOUSEKEEPING
        }
        slos = objectives.compose(
            read("objectives", empty),
            read("requests", empty),
            {window: read(name, empty) for name, (window, _) in objectives.LONG_WINDOWS.items()},
            now,
        )
        spent = read("spend", empty) if "spend" in listed else None
        return Fleet(
            self._environment,
            now,
            self._clock.simulated,
            slos=slos,
            alerts=alerts.compose(read("conditions", empty), spent),
            watched=self._watched_service,
            sources=sources.infos(listed, lambda name: speed * (LEAST_CADENCE_S + self._schedules[name].took_s)),
            api_use=self._cloud.meter.use(),
            series_per_day=self._series_per_day(now),
            **plain,
        )

    # ---------------------------------------------------------------------------------------------------- one source

    async def _follow(self, name: str) -> None:
        """Read one source for ever."""
        schedule = self._schedules[name]
        while True:
            await self._time_known.wait()
            source = self._current(name)
            if source is None:
                await schedule.wake.wait()
                schedule.wake.clear()
                continue
            await self._observe(source, self._stall_s, f"{self._stall_s:g} s")
            schedule.stretch = 1.0 + self._jitter.uniform(-JITTER, JITTER)
            await self._until_due(name)

    def _current(self, name: str) -> Source | None:
        return self._watched if name == "latency_by_revision" else self._sources[name]

    async def _until_due(self, name: str) -> None:
        """Wait until a source is to be read; what wakes the wait may have moved that moment."""
        schedule = self._schedules[name]
        while (source := self._current(name)) is not None:
            left_s = self._due(source, schedule) - self._timing.monotonic()
            if left_s <= 0:
                return
            await self._sleep_or(schedule.wake, left_s)

    def _due(self, source: Source, schedule: _Schedule) -> float:
        if schedule.requested:
            return max(schedule.started + REFRESH_SPACING_S, schedule.not_before)
        if schedule.failures:
            return schedule.retry_at
        cadence_s = source.rhythm.cadence_s(self._pace) * schedule.stretch / max(self._clock.speed, 1e-3)
        return schedule.started + max(LEAST_CADENCE_S, cadence_s)

    async def _observe(self, source: Source, limit_s: float, limit: str) -> None:
        """Read a source once and keep what it says, or why it does not."""
        schedule = self._schedules[source.name]
        schedule.requested = False
        schedule.started = self._timing.monotonic()
        now = self._clock.now()
        if now is None:
            return
        try:
            self._answered(source, await within(source.read(now), limit_s, self._timing))
        except TimeoutError:
            self._failed(source, None, f"{source.rhythm.api}: no answer within {limit}")
        except Exception as error:  # noqa: BLE001 - whatever a reply does to its reader costs this source only
            self._failed(source, error, sentence(source.rhythm.api, error))

    def _answered(self, source: Source, answer: Answer[Any]) -> None:
        if self._current(source.name) is not source:
            return
        schedule = self._schedules[source.name]
        real_now = self._timing.monotonic()
        schedule.failures, schedule.not_before = (0 if answer.error is None else schedule.failures + 1), 0.0
        schedule.took_s = real_now - schedule.started
        self._not_configured.discard(source.name)
        reading: Reading[Any] = Reading(answer.value, answer.as_of)
        if source.name == "services":
            self._adapt(answer.value)
        if answer.error is not None:  # a part failed: that is no reason to show it failing for a whole cadence
            schedule.retry_at = real_now + self._backoff.delay_s(schedule.failures, None, self._jitter)
        self._readings[source.name] = (
            reading if answer.error is None else reading.failing(answer.error, self._clock.now())
        )
        self._changed.set()

    def _failed(self, source: Source, error: BaseException | None, why: str) -> None:
        if self._current(source.name) is not source:
            return
        schedule = self._schedules[source.name]
        schedule.failures += 1
        if isinstance(error, SourceFailure) and error.kind is FailureKind.NOT_CONFIGURED:
            self._not_configured.add(source.name)
        real_now = self._timing.monotonic()
        schedule.retry_at = real_now + self._backoff.delay_s(schedule.failures, error, self._jitter)
        asked_s = error.retry_after_s if isinstance(error, SourceFailure) else None
        schedule.not_before = real_now + (asked_s or 0.0)
        self._readings[source.name] = self._readings.get(source.name, Reading()).failing(why, self._clock.now())
        self._changed.set()

    def _spend_is_recent(self, name: str) -> bool:
        if name != "spend" or self._schedules[name].failures:
            return False
        since_s = (self._timing.monotonic() - self._schedules[name].started) * self._clock.speed
        return since_s < spend.ASKED_EVERY.total_seconds()

    # -------------------------------------------------------------------------------------------------- adaptive pace

    def _adapt(self, services: tuple[Service, ...]) -> None:
        """Look more often while a split is under way or after a change, and at the revisions as soon as there are new
        ones.
        """
        now = self._clock.now()
        seen = {s.name: (s.generation, s.latest_created, s.serving, s.reconciling) for s in services}
        revisions = {s.name: (s.generation, s.latest_created, s.latest_ready) for s in services}
        if self._seen_services is not None and seen != self._seen_services and now is not None:
            self._changing_until = now + CHANGING
        if self._seen_revisions is not None and revisions != self._seen_revisions:
            self._schedules["revisions"].requested = True
            self._schedules["revisions"].wake.set()
        self._seen_services, self._seen_revisions = seen, revisions
        changing = now is not None and self._changing_until is not None and now < self._changing_until
        pace = Pace(any(_moves(service) for service in services), changing)
        if pace != self._pace:
            self._pace = pace
            for schedule in self._schedules.values():
                schedule.wake.set()

    # ---------------------------------------------------------------------------------------------------------- time

    async def _keep_time(self) -> None:
        """Learn the time, then keep it; until it is known no source is read, since nothing would have an age."""
        failures = 0
        if self._clock.now() is not None:
            self._time_known.set()
        while True:
            known = await self._synchronise(self._stall_s)
            failures = 0 if known else failures + 1
            delay_s = RESYNCHRONISE_S if known else self._backoff.delay_s(failures, None, self._jitter)
            await self._timing.sleep(LEAST_CADENCE_S)
            await self._sleep_or(self._ask_time, delay_s)

    async def _synchronise(self, limit_s: float) -> bool:
        """Ask for the time; whether it is known afterwards. Once known it is extrapolated, so a later failure changes
        nothing.
        """
        why = "the clock has not answered"
        try:
            await within(self._clock.synchronise(), limit_s, self._timing)
        except TimeoutError:
            why = f"the clock has not answered within {limit_s:g} s"
        except Exception as error:  # noqa: BLE001 - a garbled time is an unknown time
            why = sentence("clock", error)
        if self._clock.now() is not None:
            self._time_known.set()
            return True
        for source in self._sources.values():
            self._readings[source.name] = self._readings.get(source.name, Reading()).failing(why, None)
        self._changed.set()
        return False

    async def _sleep_or(self, wake: asyncio.Event, seconds: float) -> None:
        """Wait for real seconds or until woken."""
        waiting = (asyncio.ensure_future(wake.wait()), asyncio.ensure_future(self._timing.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        wake.clear()

    # ------------------------------------------------------------------------------------------------------ publishing

    async def _publish_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._publish(self.fleet())
            await self._timing.sleep(PUBLISH_EVERY_S)

    def _series_per_day(self, now: datetime | None) -> float | None:
        """From the trailing half hour of service time; the first round reads everything at once and is no measure."""
        if now is None:
            return None
        returned = self._cloud.meter.series_returned()
        if not self._returned or now - self._returned[-1][0] >= _PACE_SAMPLE:
            self._returned.append((now, returned))
        since, before = self._returned[1] if len(self._returned) > 1 else (now, returned)
        passed = now - since
        if passed < _PACE_KNOWN_AFTER:
            return None
        return (returned - before) / passed.total_seconds() * _DAY_S


def _nobody(fleet: Fleet) -> None:
    """Whoever only wants one look is told of it by `once`."""


def _moves(service: Service) -> bool:
    """Whether a split is under way: Cloud Run is at work on it, or traffic is shared."""
    return service.reconciling or len(service.serving_split()) > 1 or len(service.desired_split()) > 1
