"""The ARQ queues: arrivals, workers, backlog, the age of the oldest job.

A backlog is an integral, so it is computed from check-points: before the world's start each day begins empty at 04:00
UTC, when hardly anything arrives; from the day of the start on it is continuous, and the state at each full hour is
kept. Counters (`arq/jobs`, `arq/job_runtime`) start again at 04:00 UTC every day, when the workers are recycled.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from brconsole.simulation import histogram as law
from brconsole.simulation.demand import HOUR, level
from brconsole.simulation.faults import Faults
from brconsole.simulation.noise import poisson, stream, uniforms
from brconsole.simulation.stages import Piece
from brconsole.simulation.timeline import Timeline

DAY_HOURS = 24
_RECYCLED_AT = 4
_PAGES_KEPT = 24 * 8


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue when it is well."""

    name: str
    arrivals_per_min: float
    """At 14:00 UTC on a weekday."""
    jobs_per_instance_min: float
    runtime_median_ms: float
    runtime_sigma: float
    failed_ratio: float = 0.004
    retried_ratio: float = 0.010


Extra = Callable[[float, int], int]
"""Further jobs in the minute that begins at a moment, given how many are due: a scenario's batches and load tests."""


@dataclass(frozen=True, slots=True)
class Minute:
    """A queue at the end of a minute; the counters since the workers were recycled."""

    depth: int
    deferred: int
    oldest_age_s: float
    workers: int
    arrived: int
    complete: int
    failed: int
    retried: int


@dataclass(frozen=True, slots=True)
class _State:
    depth: int = 0
    waiting: tuple[tuple[int, int, int], ...] = ()
    """First in, first out: (minute of arrival, how many arrived, how many are left)."""
    complete: int = 0
    failed: int = 0
    retried: int = 0


def specs(environment: str) -> tuple[QueueSpec, ...]:
    """The queues of one environment."""
    scale = {"dev": 0.02, "staging": 0.10, "prod": 1.0}[environment]
    return (
        QueueSpec("cron", 12.0 * max(scale, 0.3), 30.0, 900.0, 0.6),
        QueueSpec("extract", 500.0 * scale, 102.0, 560.0, 0.7),
        QueueSpec("import", 300.0 * scale, 165.0, 340.0, 0.8),
    )


class QueueModel:
    """One queue and the worker service that drains it."""

    def __init__(
        self, seed: int, start: float, timeline: Timeline, spec: QueueSpec, faults: Faults, extra: Extra | None
    ) -> None:
        self.spec = spec
        self.timeline = timeline
        self._faults = faults
        self._extra = extra
        self._target = f"{timeline.project.id}/{spec.name}"
        self._key = stream(seed, "queue", timeline.project.id, spec.name)
        self._origin = _recycled(math.floor(start / HOUR))
        self._states: dict[int, _State] = {self._origin: _State()}
        self._reached = self._origin
        self._pages: OrderedDict[int, tuple[list[Minute], _State]] = OrderedDict()
        self._runtimes: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        timeline.on_change(self.forget_after)

    def forget_after(self, at: float) -> None:
        """Drop what a change at a moment may have made wrong."""
        hour = math.floor(at / HOUR)
        for state_hour in [each for each in self._states if each > max(hour, self._origin)]:
            del self._states[state_hour]
        self._reached = max(self._states)
        for page in [each for each in self._pages if each >= hour]:
            del self._pages[page]
        for page in [each for each in self._runtimes if each >= hour]:
            del self._runtimes[page]

    # ---------------------------------------------------------------------------------------------------- integral

    def page(self, hour: int) -> list[Minute]:
        """The 60 minutes of an hour, counted from the epoch."""
        found = self._pages.get(hour)
        if found is not None:
            self._pages.move_to_end(hour)
            return found[0]
        if hour >= self._origin:
            for each in range(min(self._reached, hour), hour):
                if each + 1 not in self._states:
                    self._states[each + 1] = self._page(each, self._states[each])[1]
                    self._reached = max(self._reached, each + 1)
            return self._page(hour, self._states[hour])[0]
        state = _State()
        for each in range(_recycled(hour), hour):
            state = self._page(each, state)[1]
        return self._page(hour, state)[0]

    def _page(self, hour: int, state: _State) -> tuple[list[Minute], _State]:
        found = self._pages.get(hour)
        if found is None:
            found = self._pages[hour] = self._integrate(hour, state)
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        return found

    def _integrate(self, hour: int, state: _State) -> tuple[list[Minute], _State]:
        environment = self.timeline.project.environment
        begin = hour * HOUR
        low = level(environment, begin)
        high = level(environment, begin + HOUR)
        recycled = hour == _recycled(hour)
        complete, failed, retried = (0, 0, 0) if recycled else (state.complete, state.failed, state.retried)
        depth = state.depth
        waiting: deque[tuple[int, int, int]] = deque(state.waiting)
        draws = uniforms(self._key, hour, 60 * 6)
        throughput = self._throughput(begin)
        failing = self._failing(begin)
        most = self.timeline.spec.max_instances
        per_instance = self.spec.jobs_per_instance_min
        floods = self._faults.of("queue-flood", self._target)
        minutes = []
        for minute in range(60):
            u = draws[6 * minute : 6 * minute + 6]
            at = begin + 60 * minute
            expected = self.spec.arrivals_per_min * (low + (high - low) * minute / 60)
            flood = sum(fault.magnitude for fault in floods if fault.at <= at + 30 < fault.until)
            arrived = poisson(expected + flood, u[0])
            if self._extra is not None:
                arrived += self._extra(at, depth)
            workers = max(1, min(most, math.ceil(expected / per_instance) + depth // 600))
            can = int(workers * per_instance * throughput(minute) * (0.96 + 0.08 * u[1]))
            in_flight = min(arrived, int(arrived * (0.01 + 0.07 * u[2])) + 1)
            done = max(0, min(can, depth + arrived - in_flight))
            if arrived:
                waiting.append((hour * 60 + minute, arrived, arrived))
            _serve(waiting, done)
            depth += arrived - done
            lost = min(done, poisson(done * min(1.0, self.spec.failed_ratio + failing(minute)), u[3]))
            complete += done - lost
            failed += lost
            retried += poisson(done * self.spec.retried_ratio, u[4])
            deferred = poisson(0.4 * expected + 1.0, u[5])
            minutes.append(
                Minute(depth, deferred, _oldest_age(waiting, at + 60), workers, arrived, complete, failed, retried)
            )
        return minutes, _State(depth, tuple(waiting), complete, failed, retried)

    def _throughput(self, begin: float) -> Callable[[int], float]:
        """The share of its normal throughput that the worker reaches in a minute of the hour."""
        pieces = self.timeline.pieces(begin, begin + HOUR)
        if len(pieces) == 1 and pieces[0].start <= begin and not self._faults.of("stuck-worker", self._target):
            steady = _alive(pieces[0])
            return lambda _: steady

        def of(minute: int) -> float:
            at = begin + 60 * minute
            stuck = min(1.0, sum(self._faults.magnitudes("stuck-worker", at + 30, self._target)))
            factor = 0.0
            for piece in pieces:
                covered = min(piece.end, at + 60) - max(piece.start, at)
                if covered > 0:
                    factor += covered / 60 * _alive(piece)
            return factor * (1.0 - stuck)

        return of

    def _failing(self, begin: float) -> Callable[[int], float]:
        """The further share of jobs that fail in a minute of the hour."""
        pieces = self.timeline.pieces(begin, begin + HOUR)

        def of(minute: int) -> float:
            at = begin + 60 * minute + 30
            piece = next((each for each in pieces if each.start <= at < each.end), None)
            return sum(share * how.error_ratio for _, share, how in piece.mix) if piece else 0.0

        return of

    # -------------------------------------------------------------------------------------------------------- read

    def at(self, moment: float) -> Minute:
        """The queue at the end of a minute (a multiple of 60)."""
        index = int(moment // 60) - 1
        return self.page(index // 60)[index % 60]

    def reset_before(self, moment: float) -> float:
        """When the counters that are read at the end of a minute began."""
        return float(_recycled((int(moment // 60) - 1) // 60) * HOUR)

    def cumulative_runtimes(self, ends: Iterable[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(end of the minute, buckets of the run times of all jobs since the counters began) for ascending ends."""
        hour: int | None = None
        upto = 0
        total: tuple[int, ...] = ()
        for end in ends:
            index = end // 60 - 1
            if index // 60 != hour:
                hour = index // 60
                upto = 0
                total = (0,) * law.BUCKETS if hour == _recycled(hour) else self._runtimes_upto(hour - 1)
            if index % 60 == 59:
                total = self._runtimes_upto(hour)
            else:
                parts = [self._runtimes_of(hour, minute) for minute in range(upto, index % 60 + 1)]
                total = law.add([total, *parts])
            upto = index % 60 + 1
            yield end, total

    def _runtimes_upto(self, hour: int) -> tuple[int, ...]:
        """The buckets since the counters began, at the end of an hour."""
        total: tuple[int, ...] = (0,) * law.BUCKETS
        for each in range(_recycled(hour), hour + 1):
            kept = self._runtimes.get(each)
            if kept is None:
                kept = law.add([total, *(self._runtimes_of(each, minute) for minute in range(60))])
                self._runtimes[each] = kept
                if len(self._runtimes) > _PAGES_KEPT:
                    self._runtimes.popitem(last=False)
            total = kept
        return total

    def _runtimes_of(self, hour: int, minute: int) -> list[int]:
        page = self.page(hour)
        now = page[minute]
        finished = now.complete + now.failed
        if minute:
            finished -= page[minute - 1].complete + page[minute - 1].failed
        elif hour != _recycled(hour):
            before = self.page(hour - 1)[-1]
            finished -= before.complete + before.failed
        slowness = math.prod(
            self._faults.magnitudes("slow-database", hour * HOUR + 60 * minute + 30, self.timeline.project.id)
        )
        cdf = law.log_normal_cdf(round(self.spec.runtime_median_ms * slowness, 4), self.spec.runtime_sigma)
        return law.apportion(finished, cdf, (hour * 60 + minute) * 0.6180339887498949 % 1.0)


def _recycled(hour: int) -> int:
    """The full hour, counted from the epoch, at which the day of an hour began for the queues."""
    return (hour - _RECYCLED_AT) // DAY_HOURS * DAY_HOURS + _RECYCLED_AT


def _alive(piece: Piece) -> float:
    return sum(0.0 if how.down else share / how.slowness for _, share, how in piece.mix)


def _serve(waiting: deque[tuple[int, int, int]], done: int) -> None:
    while done > 0 and waiting:
        minute, arrived, left = waiting[0]
        if left <= done:
            waiting.popleft()
            done -= left
        else:
            waiting[0] = (minute, arrived, left - done)
            done = 0


def _oldest_age(waiting: deque[tuple[int, int, int]], now: float) -> float:
    if not waiting:
        return 0.0
    minute, arrived, left = waiting[0]
    return round(now - (minute * 60 + 60 * (1 - left / arrived)), 3)
