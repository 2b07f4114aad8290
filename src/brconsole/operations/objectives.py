"""Service level objectives: what is read of them, and how the parts make a report.

Burn comes from request counts, not from SLO selectors: one grouped call a resolution serves all availability objectives
(facts §11). Only the budget left, and the events of objectives that request counts cannot tell, are asked for one by
one; their number is configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from brconsole.domain.fleet import RequestSeries, RevisionKey
from brconsole.domain.freshness import Reading
from brconsole.domain.requests import RequestTable
from brconsole.domain.series import newest_end
from brconsole.domain.slo import BURN_WINDOWS, BurnWindow, Events, Objective, SloReport, report
from brconsole.operations.ports import Metrics, Slos
from brconsole.operations.reading import Answer, closed_minute, joined, sentence

T = TypeVar("T")

RESOLUTIONS: Mapping[int, tuple[BurnWindow, ...]] = {60: ("5m", "30m", "1h"), 300: ("6h",), 3600: ("3d",)}
"""Interval in seconds → the windows that are counted in it."""
LONG_WINDOWS: Mapping[str, tuple[BurnWindow, int]] = {"burn_6h": ("6h", 300), "burn_3d": ("3d", 3600)}
"""Source → the window that it reads, and in which intervals."""
_API = "Cloud Monitoring"


@dataclass(frozen=True, slots=True)
class ObjectiveFacts:
    """An objective, its budget left, and its events by window where request counts cannot tell them (else None)."""

    objective: Objective
    budget_remaining_ratio: float | None
    events: Mapping[BurnWindow, Events] | None = None


@dataclass
class ObjectiveReader:
    """Reads the objectives. A part that fails keeps what it last said, and makes the answer as old as that."""

    slos: Slos
    _kept: dict[tuple[str, int], tuple[Any, datetime]] = field(default_factory=dict)

    async def read(self, now: datetime) -> Answer[tuple[ObjectiveFacts, ...]]:
        """All objectives as they stand at the last closed minute."""
        end = closed_minute(now)
        errors: list[str] = []
        objectives = await self.slos.objectives()
        read = await asyncio.gather(*(self._facts(objective, end, errors) for objective in objectives))
        known = {objective.resource for objective in objectives}
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] in known}
        return Answer(tuple(facts for facts, _ in read), min((as_of for _, as_of in read), default=end), joined(errors))

    async def _facts(self, objective: Objective, end: datetime, errors: list[str]) -> tuple[ObjectiveFacts, datetime]:
        async def budget() -> tuple[float | None, datetime]:
            return await self.slos.budget_remaining(objective, end), end

        counted = () if objective.kind == "availability" else tuple(RESOLUTIONS)
        remaining, windows = await asyncio.gather(
            self._read_or_kept((objective.resource, 0), budget, errors),
            asyncio.gather(
                *(
                    self._read_or_kept(
                        (objective.resource, period_s), partial(self._counts, objective, end, period_s), errors
                    )
                    for period_s in counted
                )
            ),
        )
        events = {window: of for part in windows if part is not None for window, of in part[0].items()}
        facts = ObjectiveFacts(objective, None if remaining is None else remaining[0], events if counted else None)
        return facts, min((part[1] for part in (remaining, *windows) if part is not None), default=end)

    async def _counts(
        self, objective: Objective, end: datetime, period_s: int
    ) -> tuple[dict[BurnWindow, Events], datetime]:
        windows = RESOLUTIONS[period_s]
        longest_s = max(BURN_WINDOWS[window] for window in windows)
        good, bad = await self.slos.good_and_bad(objective, end, longest_s, period_s)
        events = {
            window: Events(
                sum(good.known_until(end, BURN_WINDOWS[window])), sum(bad.known_until(end, BURN_WINDOWS[window]))
            )
            for window in windows
        }
        return events, newest_end((good, bad)) or end

    async def _read_or_kept(
        self, key: tuple[str, int], ask: Callable[[], Awaitable[tuple[T, datetime]]], errors: list[str]
    ) -> tuple[T, datetime] | None:
        """A part as read now, else as last read, else None."""
        try:
            answer = await ask()
        except Exception as error:  # noqa: BLE001 - a reply that does not parse must cost this part only
            errors.append(sentence(_API, error))
            return cast("tuple[T, datetime] | None", self._kept.get(key))
        self._kept[key] = answer
        return answer


async def read_long_window(metrics: Metrics, source: str, now: datetime) -> Answer[Mapping[str, Events]]:
    """The events of every service over one long window."""
    window, period_s = LONG_WINDOWS[source]
    end = closed_minute(now)
    rows = await metrics.requests(end, BURN_WINDOWS[window], period_s)
    as_of = newest_end(row.requests for row in rows.values()) or end
    return Answer(_events_by_service(rows, end, BURN_WINDOWS[window]), as_of)


def _events_by_service(rows: Mapping[RevisionKey, RequestSeries], end: datetime, window_s: int) -> dict[str, Events]:
    totals: dict[str, Events] = {}
    for key, row in rows.items():
        before = totals.get(key.service, Events(0.0, 0.0))
        asked, bad = sum(row.requests.known_until(end, window_s)), sum(row.errors.known_until(end, window_s))
        totals[key.service] = Events(before.good + asked - bad, before.bad + bad)
    return totals


def compose(
    objectives: Reading[tuple[ObjectiveFacts, ...]],
    requests: Reading[Mapping[RevisionKey, RequestSeries]],
    long_windows: Mapping[BurnWindow, Reading[Mapping[str, Events]]],
    now: datetime | None,
) -> Reading[tuple[SloReport, ...]]:
    """The reports, as old as the oldest part used; the error of any part is theirs, while the windows that are known
    stay.
    """
    if objectives.value is None:
        return Reading(None, None, objectives.error, objectives.failed_at)
    by_requests = any(facts.events is None for facts in objectives.value)
    parts: list[Reading[Any]] = [objectives]
    if by_requests:
        parts += [requests, *long_windows.values()]
    reports = tuple(
        report(facts.objective, facts.budget_remaining_ratio, events_by_window(facts, requests, long_windows), now)
        for facts in objectives.value
    )
    return Reading(
        reports,
        min(part.as_of for part in parts if part.as_of is not None),
        joined(part.error for part in parts if part.error is not None),
        max((part.failed_at for part in parts if part.failed_at is not None), default=None),
    )


def events_by_window(
    facts: ObjectiveFacts,
    requests: Reading[Mapping[RevisionKey, RequestSeries]],
    long_windows: Mapping[BurnWindow, Reading[Mapping[str, Events]]],
) -> Mapping[BurnWindow, Events | None]:
    """An objective's good and bad events by window, None where a window was not read."""
    if facts.events is not None:
        return facts.events
    service = facts.objective.service
    events: dict[BurnWindow, Events | None] = {}
    if isinstance(requests.value, RequestTable):
        total, end = requests.value.service(service), requests.value.end
        for window in RESOLUTIONS[60]:
            asked = sum(total.requests.known_until(end, BURN_WINDOWS[window])) if total else 0.0
            bad = sum(total.errors.known_until(end, BURN_WINDOWS[window])) if total else 0.0
            events[window] = Events(asked - bad, bad)
    for window, reading in long_windows.items():
        events[window] = None if reading.value is None else reading.value.get(service, Events(0.0, 0.0))
    return events
