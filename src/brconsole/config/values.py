"""The small languages inside configuration values. Each function raises ValueError with what is allowed."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?", re.ASCII)
_SECONDS = (86_400, 3_600, 60, 1)
_WINDOW = re.compile(r"(\S+) (\S+) - (\S+) (\S+) (\S+)")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})", re.ASCII)


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `30s`, `15m`, `1h30m` or `2d`."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError("a duration such as 30s, 15m, 4h or 1h30m")
    return sum(int(count or 0) * unit for count, unit in zip(found.groups(), _SECONDS, strict=True))


def check_freeze_window(text: str) -> None:
    """Whether a text is a weekly window in a time zone, such as `Fri 16:00 - Mon 08:00 Europe/Berlin`."""
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError("a weekly window such as Fri 16:00 - Mon 08:00 Europe/Berlin")
    from_day, from_clock, to_day, to_clock, zone = found.groups()
    for day in (from_day, to_day):
        if day not in _DAYS:
            raise ValueError(f"weekdays {', '.join(_DAYS)}")
    for clock in (from_clock, to_clock):
        if not _CLOCK.fullmatch(clock):
            raise ValueError("times of day from 00:00 to 23:59")
    if (from_day, from_clock) == (to_day, to_clock):
        raise ValueError("a window whose end is not its start")
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder's name is an OSError
        from zoneinfo import available_timezones

        from brconsole.config.errors import nearest

        guess = nearest(zone, available_timezones())
        hint = f" (such as {guess})" if guess else ""
        raise ValueError(f"a window with a time zone of the IANA database{hint}") from None


def check_loopback_endpoint(text: str) -> None:
    """Whether a text is HOST:PORT on this machine. The connection is neither encrypted nor authenticated."""
    found = _ENDPOINT.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise ValueError("HOST:PORT, such as 127.0.0.1:8085")
    from ipaddress import ip_address

    host = found["v6"] or found["host"]
    try:
        loopback = host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError("an address of this machine (127.0.0.1, [::1] or localhost): the connection is not encrypted")
