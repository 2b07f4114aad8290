"""Instances: how many run for each revision, how many start, and how long starting takes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from brconsole.simulation import histogram as law
from brconsole.simulation.demand import HOUR, Demand
from brconsole.simulation.noise import poisson, stream, uniform, uniforms
from brconsole.simulation.timeline import Timeline

_MOOD_S = 600
_CHURN_PER_INSTANCE_MIN = 0.06
_LONGEST_START = 31
"""Index of the bound (3.9 s) under which every start of a healthy container ends."""


class Instances(NamedTuple):
    """Of one revision at the end of a minute, and how many started in it."""

    active: int
    idle: int
    started: int


class InstanceModel:
    """The instances of one service."""

    def __init__(
        self,
        seed: int,
        timeline: Timeline,
        demand: Demand | None,
        workers: Callable[[float], int] | None,
        pages_kept: int,
    ) -> None:
        """`workers` tells the instances of a worker service at the end of a minute; `demand` is for the others."""
        self.timeline = timeline
        self._demand = demand
        self._workers = workers
        self._pages_kept = pages_kept
        self._key = stream(seed, "instances", timeline.project.id, timeline.spec.name)
        self._pages: OrderedDict[int, dict[str, list[Instances | None]]] = OrderedDict()
        timeline.on_change(self.forget_after)

    def forget_after(self, at: float) -> None:
        """Drop what a change at a moment may have made wrong."""
        for hour in [each for each in self._pages if (each + 1) * HOUR > at]:
            del self._pages[hour]

    def _at(self, moment: float, rate: float, mood: float) -> dict[str, tuple[int, int]]:
        """Active and idle instances by revision at the end of a minute, with `rate` requests a second coming in."""
        landed = self.timeline.landed(moment)
        if landed is None:
            return {}
        per_instance = self.timeline.spec.requests_per_instance
        found = {}
        for revision, percent in landed.split:
            share = percent / 100.0
            warm = math.ceil(landed.template.min_instances * share)
            window = landed.down.get(revision)
            if window is not None and window[0] <= moment < window[1]:
                found[revision] = (0, 0)
            elif self._workers is not None:
                found[revision] = (max(warm, math.ceil(self._workers(moment) * share)), 0)
            else:
                active = min(landed.template.max_instances, math.ceil(rate * share * mood / per_instance))
                found[revision] = (active, max(warm - active, round(0.1 * active)))
        return found

    def page(self, hour: int) -> dict[str, list[Instances | None]]:
        """By revision, the instances at the end of each minute of an hour; None where the revision serves nothing."""
        page = self._pages.get(hour)
        if page is None:
            page = self._pages[hour] = self._work_out(hour)
            if len(self._pages) > self._pages_kept:
                self._pages.popitem(last=False)
        return page

    def _work_out(self, hour: int) -> dict[str, list[Instances | None]]:
        page: dict[str, list[Instances | None]] = {}
        begin = hour * HOUR
        low, high = (self._demand.at_hour(hour), self._demand.at_hour(hour + 1)) if self._demand else (0.0, 0.0)
        slot = begin // _MOOD_S
        moods = [0.94 + 0.12 * uniform(self._key, slot + index) for index in range(HOUR // _MOOD_S + 1)]
        before = self._at(begin, low, moods[0])
        draws = uniforms(self._key, hour, 60)
        for minute in range(60):
            elapsed = 60 * (minute + 1)
            now = self._at(begin + elapsed, low + (high - low) * elapsed / HOUR, moods[elapsed // _MOOD_S])
            for revision, (active, idle) in now.items():
                was = sum(before.get(revision, (0, 0)))
                churn = poisson(_CHURN_PER_INSTANCE_MIN * (active + idle), draws[minute])
                grown = max(0, active + idle - was)
                page.setdefault(revision, [None] * 60)[minute] = Instances(active, idle, grown + churn)
            before = now
        return page

    def startups(self, revision: str, minute: int, started: int) -> list[int]:
        """Latency buckets of the starts in a minute, counted from the epoch."""
        template_pace = 0.95 + 0.1 * uniform(self._key, -1 - sum(revision.encode()))
        cdf = law.log_normal_cdf(round(self.timeline.spec.startup_median_ms * template_pace, 2), 0.32)
        capped = (*cdf[:_LONGEST_START], *((1.0,) * (law.BUCKETS - _LONGEST_START)))
        return law.apportion(started, capped, uniform(self._key, minute + (1 << 40)))
