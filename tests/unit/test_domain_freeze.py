"""Freeze windows, also over the two nights a year on which the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.config.values import check_freeze_window
from brconsole.domain.freeze import DAYS, frozen, parse

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = parse("Fri 16:00 - Mon 08:00 Europe/Berlin")


def berlin(year: int, month: int, day: int, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "held"),
    [
        (berlin(2026, 11, 20, 15, 59), False),
        (berlin(2026, 11, 20, 16, 0), True),
        (berlin(2026, 11, 22, 3, 0), True),
        (berlin(2026, 11, 23, 7, 59), True),
        (berlin(2026, 11, 23, 8, 0), False),
        (berlin(2026, 11, 24, 12, 0), False),
    ],
)
def test_a_weekend_is_frozen_from_friday_to_monday(now: datetime, held: bool) -> None:
    assert (frozen([WEEKEND], now) is not None) is held


@pytest.mark.parametrize(("friday", "hours"), [((2026, 3, 27), 63), ((2026, 10, 23), 65), ((2026, 11, 20), 64)])
def test_the_weekend_is_as_long_as_the_wall_clock_makes_it(friday: tuple[int, int, int], hours: int) -> None:
    start = berlin(*friday, 16)
    freeze = frozen([WEEKEND], start)
    assert freeze is not None
    assert freeze.until - start == timedelta(hours=hours)
    assert freeze.until.astimezone(BERLIN).strftime("%a %H:%M") == "Mon 08:00"


def test_a_start_that_the_clock_skips_begins_no_later_than_the_jump() -> None:
    window = parse("Sun 02:30 - Sun 05:00 Europe/Berlin")
    jump = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 becomes 03:00
    assert frozen([window], jump) is not None
    assert frozen([window], berlin(2026, 3, 29, 4, 59)) is not None
    assert frozen([window], berlin(2026, 3, 29, 5, 0)) is None


def test_an_end_that_the_clock_repeats_is_the_second_of_the_two() -> None:
    window = parse("Sat 20:00 - Sun 02:30 Europe/Berlin")
    assert frozen([window], berlin(2026, 10, 25, 2, 40, fold=0)) is not None
    assert frozen([window], berlin(2026, 10, 25, 2, 29, fold=1)) is not None
    assert frozen([window], berlin(2026, 10, 25, 2, 30, fold=1)) is None


def test_a_start_that_the_clock_repeats_is_the_first_of_the_two() -> None:
    window = parse("Sun 02:30 - Sun 06:00 Europe/Berlin")
    assert frozen([window], berlin(2026, 10, 25, 2, 29, fold=0)) is None
    for fold in (0, 1):
        assert frozen([window], berlin(2026, 10, 25, 2, 45, fold=fold)) is not None
    assert frozen([window], berlin(2026, 10, 25, 2, 0, fold=1)) is not None


def test_windows_that_touch_end_together() -> None:
    windows = [
        parse("Fri 16:00 - Sat 00:00 UTC"),
        parse("Sat 00:00 - Sun 12:00 UTC"),
        parse("Wed 00:00 - Wed 01:00 UTC"),
    ]
    freeze = frozen(windows, datetime(2026, 11, 20, 17, tzinfo=UTC))
    assert freeze is not None
    assert freeze.until == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert freeze.window is windows[0]


def test_windows_that_leave_no_gap_are_a_freeze_all_the_same() -> None:
    windows = [parse("Mon 00:00 - Fri 00:00 UTC"), parse("Fri 00:00 - Mon 00:00 UTC")]
    assert frozen(windows, datetime(2026, 11, 20, 17, tzinfo=UTC)) is not None


def test_without_windows_nothing_is_frozen() -> None:
    assert frozen([], datetime(2026, 11, 20, 17, tzinfo=UTC)) is None


@given(
    st.integers(0, 10_079),
    st.integers(0, 10_079),
    st.integers(0, 2 * 365 * 1440),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_a_moment_is_frozen_exactly_when_its_wall_clock_is_in_the_window(
    start: int, end: int, minutes: int, zone: str
) -> None:
    if start == end:
        return
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    local = moment.astimezone(ZoneInfo(zone))
    around = [(moment + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset() for hours in range(-30, 31, 3)]
    if len(set(around)) > 1:
        return  # the nights of the change have tests of their own
    window = parse(f"{wall(start)} - {wall(end)} {zone}")
    minute = local.weekday() * 1440 + local.hour * 60 + local.minute
    inside = start <= minute < end if start < end else minute >= start or minute < end
    freeze = frozen([window], moment)
    assert (freeze is not None) is inside
    if freeze is not None:
        assert freeze.until > moment
        assert frozen([window], freeze.until) is None
        assert frozen([window], freeze.until - timedelta(microseconds=1)) is not None


def wall(minute: int) -> str:
    return f"{DAYS[minute // 1440]} {minute % 1440 // 60:02d}:{minute % 60:02d}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Fri 16:00",
        "fri 16:00 - Mon 08:00 UTC",
        "Fri 24:00 - Mon 08:00 UTC",
        "Fri 16:60 - Mon 08:00 UTC",
        "Fri 16:00 - Fri 16:00 UTC",
        "Fri 16:00 - Mon 08:00 Europe/Atlantis",
        "Fri 16:00 - Mon 08:00 ../etc/passwd",
        "Fri 16:00 - Mon 08:00",
        "Fri  16:00 - Mon 08:00 UTC",
        "Fri 16:00 - Mon 08:00 UTC\n",
    ],
)
def test_what_is_no_window_is_refused_here_and_in_the_configuration(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)
    with pytest.raises(ValueError, match=r"."):
        check_freeze_window(text)


def test_what_the_configuration_accepts_can_be_read() -> None:
    for text in (
        "Fri 16:00 - Mon 08:00 Europe/Berlin",
        "Sun 23:59 - Mon 00:00 America/New_York",
        "Mon 00:00 - Mon 23:00 UTC",
    ):
        check_freeze_window(text)
        assert parse(text).text == text
