"""Requests and their latencies, minute by minute and hour by hour, by revision and response code.

An hour is planned from how the service is served as it begins: the hour's counts are drawn, then shared out to the
minutes, so that an hour's sum costs a few draws. From the first minute on in which anything differs (a split that
lands, a fault), minutes are drawn one by one. The plan knows nothing of later events, so a write never changes a
minute that ended before it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from brconsole.simulation import histogram as law
from brconsole.simulation.catalogue import RequestProfile, Stratum
from brconsole.simulation.demand import HOUR, Demand
from brconsole.simulation.faults import Behaviour
from brconsole.simulation.noise import normal, normals, poisson, stream, uniforms
from brconsole.simulation.stages import Piece
from brconsole.simulation.timeline import Timeline

Key = tuple[str, int]
"""Revision and response code."""
Buckets = tuple[int, ...]

_EXACT_UPTO = 180
"""An hour's count up to which each request is given its own minute."""

_ERRORS = ((500, 0.55, 70.0, 0.7), (502, 0.15, 30.0, 0.5), (503, 0.30, 9.0, 0.5))
_DOWN = (Stratum(503, 1.0, 6.0, 0.4),)


@lru_cache(maxsize=512)
def strata(profile: RequestProfile, behaviour: Behaviour) -> tuple[Stratum, ...]:
    """The kinds of requests that a revision answers, their shares summing to 1."""
    if behaviour.down:
        return _DOWN
    errors = min(1.0, profile.error_ratio + behaviour.error_ratio)
    well = 1.0 - errors
    quick = 1.0 - sum(each.share for each in profile.others)
    slow = behaviour.slowness
    return (
        Stratum(200, quick * well, profile.quick_median_ms * slow, profile.quick_sigma),
        *(
            Stratum(each.code, each.share * well, each.median_ms * slow, each.sigma, each.tier)
            for each in profile.others
        ),
        *(Stratum(code, share * errors, median, sigma) for code, share, median, sigma in _ERRORS),
    )


class _Drawn(NamedTuple):
    """A revision's stratum over an hour: its share of the service's requests, its count, latency law and rounding
    offset.
    """

    revision: str
    stratum: Stratum
    ordinal: int
    requests: int
    cdf: Sequence[float]
    offset: float


class HourBlock:
    """One service in one hour. Everything beyond the plan's totals is worked out when first asked for."""

    def __init__(self, source: RequestSource, hour: int, pieces: Sequence[Piece]) -> None:
        self._source = source
        self._hour = hour
        self._start = hour * HOUR
        self._pieces = pieces
        self._rates = (source.demand.at_hour(hour), source.demand.at_hour(hour + 1))
        self._mood = round(1.5 * normal(source.key("mood"), hour))
        planned = bool(pieces) and pieces[0].start <= self._start
        self._plan = self._draw(pieces[0]) if planned else []
        changed = self._start if not planned else (pieces[1].start if len(pieces) > 1 else self._start + HOUR)
        self._planned_minutes = min(60, math.floor((changed - self._start) / 60))
        self._counts: dict[Key, list[int]] | None = None
        self._histograms: dict[Key, list[Buckets | None]] | None = None
        self._live: dict[int, list[tuple[Key, int, Sequence[float], float]]] = {}
        self._minute_counts: list[list[int]] = []
        self._totals: Mapping[Key, int] | None = None
        self._histogram_totals: Mapping[Key, Buckets] | None = None
        self._within: dict[int, tuple[tuple[int, int], ...]] = {}
        self._failed: tuple[tuple[int, int], ...] | None = None
        self.keeps_detail = False

    def _law(self, revision: str, stratum: Stratum) -> Sequence[float]:
        """The latency law of a stratum: each revision has its own pace, each hour its mood, both in steps of 1 %."""
        steps = max(-6, min(6, self._source.pace(revision) + self._mood))
        return law.log_normal_cdf(round(stratum.median_ms * 1.01**steps, 4), stratum.sigma)

    # -------------------------------------------------------------------------------------------------------- plan

    def _draw(self, piece: Piece) -> list[_Drawn]:
        source = self._source
        arrivals = HOUR * (self._rates[0] + self._rates[1]) / 2
        drawn = []
        for revision, share, behaviour in piece.mix:
            kinds = strata(source.profile, behaviour)
            draws = uniforms(source.key("hour", revision), self._hour, 2 * len(kinds))
            for index, stratum in enumerate(kinds):
                count = poisson(arrivals * share * stratum.share, draws[2 * index])
                cdf = self._law(revision, stratum)
                drawn.append(_Drawn(revision, stratum, index, count, cdf, draws[2 * index + 1]))
        return drawn

    def _gusts(self) -> tuple[list[float], list[float]]:
        """By minute: what share of the hour's requests, and how much more or fewer slow ones than usual."""
        low, high = self._rates
        noise = normals(self._source.key("gusts"), self._hour, 124)
        weights = [(low + (high - low) * (minute + 0.5) / 60) * (1.0 + 0.012 * noise[minute]) for minute in range(60)]
        slow = [
            max(0.4, 1.0 + 0.085 * (noise[61 + minute] + noise[62 + minute] + noise[63 + minute]))
            for minute in range(60)
        ]
        return weights, slow

    def _share_out(self, drawn: _Drawn, weights: Sequence[float], slow: Sequence[float]) -> list[int]:
        """The stratum's hour over its minutes."""
        n = drawn.requests
        minutes = [0] * 60
        key = self._source.key("minutes", drawn.revision, drawn.ordinal)
        if n <= _EXACT_UPTO:
            for u in uniforms(key, self._hour, n):
                minutes[int(u * 60)] += 1
            return minutes
        spread = math.sqrt(60.0 / n)
        noise = normals(key, self._hour, 60)
        gusty = drawn.stratum.tier == "slow"
        cumulative = []
        total = 0.0
        for minute, weight in enumerate(weights):
            total += weight * max(0.02, 1.0 + spread * noise[minute]) * (slow[minute] if gusty else 1.0)
            cumulative.append(total)
        before = 0
        for minute in range(59):
            upto = math.floor(n * cumulative[minute] / total + drawn.offset * 0.5)
            minutes[minute] = upto - before
            before = upto
        minutes[59] = n - before
        return minutes

    # -------------------------------------------------------------------------------------------------------- live

    def _draw_minute(
        self, minute: int, weights: Sequence[float], slow: Sequence[float]
    ) -> list[tuple[Key, int, Sequence[float], float]]:
        """What comes in one minute, by stratum, weighed by the stretches of time that its pieces cover."""
        source = self._source
        begin = self._start + 60 * minute
        found = []
        ordinals: dict[str, int] = {}
        for piece in self._pieces:
            covered = min(piece.end, begin + 60) - max(piece.start, begin)
            if covered <= 0:
                continue
            for revision, share, behaviour in piece.mix:
                ordinal = ordinals.get(revision, 0)
                ordinals[revision] = ordinal + 1
                kinds = strata(source.profile, behaviour)
                draws = uniforms(source.key("live", revision, ordinal), self._hour * 60 + minute, 2 * len(kinds))
                for index, stratum in enumerate(kinds):
                    mean = weights[minute] * covered * share * stratum.share
                    if stratum.tier == "slow":
                        mean *= slow[minute]
                    count = poisson(mean, draws[2 * index])
                    if count:
                        cdf = self._law(revision, stratum)
                        found.append(((revision, stratum.code), count, cdf, draws[2 * index + 1]))
        return found

    def _work_out(self) -> dict[Key, list[int]]:
        if self._counts is not None:
            return self._counts
        weights, slow = self._gusts()
        counts: dict[Key, list[int]] = {}
        for drawn in self._plan:
            minutes = self._share_out(drawn, weights, slow)
            self._minute_counts.append(minutes)
            into = counts.setdefault((drawn.revision, drawn.stratum.code), [0] * 60)
            for minute in range(self._planned_minutes):
                into[minute] += minutes[minute]
        for minute in range(self._planned_minutes, 60):
            self._live[minute] = self._draw_minute(minute, weights, slow)
            for key, count, _, _ in self._live[minute]:
                counts.setdefault(key, [0] * 60)[minute] += count
        self._counts = counts
        return counts

    # -------------------------------------------------------------------------------------------------------- read

    def counts(self) -> Mapping[Key, list[int]]:
        """Requests of each of the 60 minutes."""
        return self._work_out()

    def totals(self) -> Mapping[Key, int]:
        """Requests of the hour: exactly the sums of its minutes."""
        if self._totals is None:
            if self._planned_minutes == 60:
                totals: dict[Key, int] = {}
                for drawn in self._plan:
                    key = (drawn.revision, drawn.stratum.code)
                    totals[key] = totals.get(key, 0) + drawn.requests
                self._totals = totals
            else:
                self._totals = {key: sum(minutes) for key, minutes in self._work_out().items()}
                self._let_go()
        return self._totals

    def histograms(self) -> Mapping[Key, list[Buckets | None]]:
        """Latency buckets of each of the 60 minutes, None where no request came."""
        if self._histograms is not None:
            return self._histograms
        self._work_out()
        parts: dict[Key, list[list[Sequence[int]]]] = {}
        for drawn, minutes in zip(self._plan, self._minute_counts, strict=True):
            into = parts.setdefault((drawn.revision, drawn.stratum.code), [[] for _ in range(60)])
            self._deal(drawn, minutes, into)
        for minute, found in self._live.items():
            for key, count, cdf, offset in found:
                into = parts.setdefault(key, [[] for _ in range(60)])
                into[minute].append(law.apportion(count, cdf, offset))
        self._histograms = {
            key: [law.add(part) if part else None for part in minutes] for key, minutes in parts.items()
        }
        return self._histograms

    def _deal(self, drawn: _Drawn, minutes: Sequence[int], into: list[list[Sequence[int]]]) -> None:
        """Deal the hour's buckets to its minutes in turn, so that both the minutes and the buckets keep their sums."""
        buckets = law.apportion(drawn.requests, drawn.cdf, drawn.offset)
        used = [index for index, count in enumerate(buckets) if count]
        if not used:
            return
        low, high = used[0], used[-1] + 1
        remaining = buckets[low:high]
        total = drawn.requests
        before = (0,) * low
        after = (0,) * (law.BUCKETS - high)
        offsets = uniforms(self._source.key("deal", drawn.revision, drawn.ordinal), self._hour, self._planned_minutes)
        for minute in range(self._planned_minutes):
            n = minutes[minute]
            if not n:
                continue
            dealt = law.take(remaining, total, n, offsets[minute])
            into[minute].append((*before, *dealt, *after))
            remaining = [have - gone for have, gone in zip(remaining, dealt, strict=True)]
            total -= n

    def histogram_totals(self) -> Mapping[Key, Buckets]:
        """Latency buckets of the hour: exactly the sums of its minutes."""
        if self._histogram_totals is None:
            if self._planned_minutes == 60:
                parts: dict[Key, list[list[int]]] = {}
                for drawn in self._plan:
                    if drawn.requests:
                        buckets = law.apportion(drawn.requests, drawn.cdf, drawn.offset)
                        parts.setdefault((drawn.revision, drawn.stratum.code), []).append(buckets)
                self._histogram_totals = {key: law.add(part) for key, part in parts.items()}
            else:
                self._histogram_totals = {
                    key: law.add([buckets for buckets in minutes if buckets is not None])
                    for key, minutes in self.histograms().items()
                    if any(buckets is not None for buckets in minutes)
                }
                self._let_go()
        return self._histogram_totals

    def within(self, bound: int) -> tuple[int, int]:
        """Requests of the hour at or below BOUNDS[bound], and all of them."""
        if self._planned_minutes == 60:
            good = sum(law.at_most(drawn.requests, drawn.cdf, drawn.offset, bound) for drawn in self._plan)
            return good, sum(drawn.requests for drawn in self._plan)
        minutes = self.within_by_minute(bound)
        return sum(good for good, _ in minutes), sum(every for _, every in minutes)

    def within_by_minute(self, bound: int) -> Sequence[tuple[int, int]]:
        """Requests of each of the 60 minutes at or below BOUNDS[bound], and all of them.

        The same as summing the histograms, without dealing every bucket; two numbers a minute are kept for as long as
        the hour is.
        """
        found = self._within.get(bound)
        if found is None:
            self._work_out()
            good, every = [0] * 60, [0] * 60
            for drawn, minutes in zip(self._plan, self._minute_counts, strict=True):
                self._deal_within(drawn, minutes, bound, good)
                for minute in range(self._planned_minutes):
                    every[minute] += minutes[minute]
            for minute, live in self._live.items():
                for _, count, cdf, offset in live:
                    good[minute] += law.at_most(count, cdf, offset, bound)
                    every[minute] += count
            found = self._within[bound] = tuple(zip(good, every, strict=True))
            self._let_go()
        return found

    def _deal_within(self, drawn: _Drawn, minutes: Sequence[int], bound: int, good: list[int]) -> None:
        """What `_deal` gives each minute of the buckets up to a bound: dealing is cumulative, so two sums will do."""
        left = law.at_most(drawn.requests, drawn.cdf, drawn.offset, bound)
        total = drawn.requests
        offsets = uniforms(self._source.key("deal", drawn.revision, drawn.ordinal), self._hour, self._planned_minutes)
        for minute in range(self._planned_minutes):
            if n := minutes[minute]:
                dealt = law.take_at_most(left, total, n, offsets[minute])
                good[minute] += dealt
                left -= dealt
                total -= n

    def failed_by_minute(self) -> Sequence[tuple[int, int]]:
        """Requests of each of the 60 minutes that were answered with 5xx, and all of them."""
        if self._failed is None:
            failed, every = [0] * 60, [0] * 60
            for (_, code), minutes in self._work_out().items():
                for minute, count in enumerate(minutes):
                    every[minute] += count
                    failed[minute] += count if code >= 500 else 0
            self._failed = tuple(zip(failed, every, strict=True))
            self._let_go()
        return self._failed

    def _let_go(self) -> None:
        if not self.keeps_detail:
            self.lighten()

    def lighten(self) -> None:
        """Forget the minutes; they can be worked out again."""
        self.keeps_detail = False
        self._counts = None
        self._histograms = None
        self._live = {}
        self._minute_counts = []


class RequestSource:
    """The requests of one service, with its recent hours kept at hand (their number is bounded)."""

    def __init__(
        self, seed: int, timeline: Timeline, profile: RequestProfile, *, hours_kept: int, detailed_kept: int
    ) -> None:
        self._hours_kept = hours_kept
        self._detailed_kept = detailed_kept
        self.profile = profile
        self.timeline = timeline
        self._identity = (seed, timeline.project.id, timeline.spec.name)
        self.demand = Demand(seed, timeline.project, timeline.spec.name, timeline.spec.requests_per_s)
        self._paces: dict[str, int] = {}
        self._keys: dict[tuple[str | int, ...], bytes] = {}
        self._blocks: OrderedDict[int, HourBlock] = OrderedDict()
        self._detailed: OrderedDict[int, HourBlock] = OrderedDict()
        timeline.on_change(self._forget_after)

    def key(self, *parts: str | int) -> bytes:
        """The key of one of this service's streams of draws."""
        found = self._keys.get(parts)
        if found is None:
            if len(self._keys) > 4096:
                self._keys.clear()
                self._paces.clear()
            found = self._keys[parts] = stream("requests", *self._identity, *parts)
        return found

    def pace(self, revision: str) -> int:
        """By how many steps of 1 % a revision is slower than its siblings."""
        found = self._paces.get(revision)
        if found is None:
            found = self._paces[revision] = round(2.0 * normal(self.key("pace", revision)))
        return found

    def _forget_after(self, at: float) -> None:
        for store in (self._blocks, self._detailed):
            for hour in [hour for hour in store if (hour + 1) * HOUR > at]:
                del store[hour]

    def block(self, hour: int, *, detailed: bool = True) -> HourBlock:
        """The hour, counted from the epoch. Only the last ones that were asked for their minutes keep their minutes."""
        block = self._blocks.get(hour)
        if block is None:
            block = self._blocks[hour] = HourBlock(self, hour, self.timeline.pieces(hour * HOUR, (hour + 1) * HOUR))
            if len(self._blocks) > self._hours_kept:
                self._blocks.popitem(last=False)
        if detailed:
            block.keeps_detail = True
            self._detailed[hour] = block
            self._detailed.move_to_end(hour)
            if len(self._detailed) > self._detailed_kept:
                self._detailed.popitem(last=False)[1].lighten()
        return block
