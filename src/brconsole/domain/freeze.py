"""Freeze windows: weekly times in which nothing is promoted, such as `Fri 16:00 - Mon 08:00 Europe/Berlin`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(r"([A-Z][a-z]{2}) ([0-2]\d):([0-5]\d) - ([A-Z][a-z]{2}) ([0-2]\d):([0-5]\d) (\S+)", re.ASCII)
_LONGEST_CHAIN = 64
"""Windows that follow one another without a gap are told as one up to here; a freeze without end needs no longer."""


@dataclass(frozen=True, slots=True)
class WeeklyMoment:
    """A weekday (Monday is 0) and a wall-clock time."""

    weekday: int
    at: time


@dataclass(frozen=True, slots=True)
class FreezeWindow:
    """From one weekly moment to another in a time zone; `text` is as it was written."""

    text: str
    start: WeeklyMoment
    end: WeeklyMoment
    zone: ZoneInfo

    def around(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The occurrence that contains `now`, as UTC instants (the end not included).

        A wall-clock time that the zone skips or repeats when its offset changes stands for two instants: the start is
        the earlier and the end the later of them, so that a freeze is never shorter than written.
        """
        local_day = now.astimezone(self.zone).date()
        monday = local_day - timedelta(days=local_day.weekday())
        length = (self.end.weekday - self.start.weekday) % 7
        if length == 0 and self.end.at <= self.start.at:
            length = 7
        for week in (-2, -1, 0, 1):
            first = monday + timedelta(days=7 * week + self.start.weekday)
            start = min(self._instants(first, self.start.at))
            end = max(self._instants(first + timedelta(days=length), self.end.at))
            if start <= now < end:
                return start, end
        return None

    def _instants(self, day: date, at: time) -> tuple[datetime, datetime]:
        wall = datetime.combine(day, at, self.zone)
        return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that holds now: the window and the moment (UTC) from which no window holds any more."""

    window: FreezeWindow
    until: datetime


def parse(text: str) -> FreezeWindow:
    """Read a window; ValueError says what is allowed."""
    found = _WINDOW.fullmatch(text)
    if found is None or found[1] not in DAYS or found[4] not in DAYS:
        raise ValueError(f"{text!r} is not a weekly window such as Fri 16:00 - Mon 08:00 Europe/Berlin")
    try:
        start = WeeklyMoment(DAYS.index(found[1]), time(int(found[2]), int(found[3])))
        end = WeeklyMoment(DAYS.index(found[4]), time(int(found[5]), int(found[6])))
    except ValueError:
        raise ValueError(f"{text!r}: times of day go from 00:00 to 23:59") from None
    if start == end:
        raise ValueError(f"{text!r}: the end must not be the start")
    try:
        zone = ZoneInfo(found[7])
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder's name is an OSError
        raise ValueError(f"{text!r}: {found[7]} is no time zone of the IANA database") from None
    return FreezeWindow(text, start, end, zone)


def frozen(windows: Iterable[FreezeWindow], now: datetime) -> Freeze | None:
    """The freeze that holds at `now`, None outside of all windows. Windows that touch or overlap end together."""
    every = tuple(windows)
    first: FreezeWindow | None = None
    until = now
    for _ in range(_LONGEST_CHAIN):
        ends = [(occurrence[1], window) for window in every if (occurrence := window.around(until)) is not None]
        if not ends:
            break
        latest, window = max(ends, key=lambda found: found[0])
        first = first or window
        until = latest
    return None if first is None else Freeze(first, until)
