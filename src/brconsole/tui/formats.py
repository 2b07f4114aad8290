"""Numbers as a person reads them: short, with their unit, and never a number where nothing is known."""

from __future__ import annotations

from datetime import datetime

from brconsole.domain.queue import QueueReport
from brconsole.domain.text import clean

UNKNOWN = "?"
"""Could not be read."""
NOTHING = "–"
"""Was read, and there is nothing of it: a worker takes no requests."""

_CURRENCIES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


_ABSURD = 1e12
"""A broken exporter writes such numbers; 300 digits of one must not push the columns beside it off the screen."""


def _absurd(value: float) -> str:
    return f"{value:.0e}" if abs(value) >= _ABSURD else ""


def count(value: float | None) -> str:
    """A whole number of things, in thousands from 100,000 on."""
    if value is None:
        return UNKNOWN
    if figure := _absurd(value):
        return figure
    if value >= 9_950_000:
        return f"{value / 1e6:.0f}M"
    if value >= 999_500:
        return f"{value / 1e6:.1f}M"
    if value >= 100_000:
        return f"{value / 1e3:.0f}k"
    return f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Events a second."""
    if value is None:
        return UNKNOWN
    if figure := _absurd(value):
        return figure
    if value >= 99_950:
        return f"{value / 1e3:.0f}k"
    if value >= 9_950:
        return f"{value / 1e3:.1f}k"
    if value >= 9.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}" if value >= 0.005 else "<.01"


def percent(ratio: float | None) -> str:
    """A ratio of 0…1 as a percentage with about two significant digits."""
    if ratio is None:
        return UNKNOWN
    value = ratio * 100
    if figure := _absurd(value):
        return f"{figure} %"
    if value == 0:
        return "0 %"
    if abs(value) < 0.005:
        return "<.01 %"
    if abs(value) < 1:
        return f"{value:.2f} %"
    return f"{value:.1f} %" if abs(value) < 9.95 else f"{value:.0f} %"


def whole_percent(ratio: float | None) -> str:
    """A ratio of 0…1 as whole per cent, for shares where the decimals say nothing."""
    return UNKNOWN if ratio is None else f"{_absurd(ratio * 100) or format(ratio * 100, '.0f')} %"


def latency(milliseconds: float | None) -> str:
    """A latency in the unit that keeps it short."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{_absurd(seconds) or format(seconds, '.0f')} s"


def burn(value: float | None) -> str:
    """A burn rate: how many times faster than allowed."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}×" if value < 9.95 else f"{_absurd(value) or format(value, ',.0f')}×"


def age(seconds: float | None) -> str:
    """How long ago, in one unit."""
    if seconds is None:
        return UNKNOWN
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 129_600 else f"{seconds / 86_400:.0f} d"


def duration(seconds: float | None) -> str:
    """How long, in two units where that matters."""
    if seconds is None:
        return UNKNOWN
    if figure := _absurd(seconds):
        return f"{figure} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 172_800:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400} d"


def money(amount: float | None, currency: str, *, cents: bool = False) -> str:
    """An amount in its currency; cents only where they matter."""
    if amount is None:
        return UNKNOWN
    sign = _CURRENCIES.get(currency)
    figure = _absurd(amount) or (f"{amount:,.2f}" if cents else f"{amount:,.0f}")
    return f"{sign}{figure}" if sign else f"{figure} {clean(currency, 8)}"


def size(number: int | None) -> str:
    """Bytes in the unit that keeps them short."""
    if number is None:
        return UNKNOWN
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1023.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{_absurd(value) or format(value, ',.1f')} TiB"


def clock(at: datetime | None) -> str:
    """The time of day, dashes until it is known."""
    return "--:--:--" if at is None else at.strftime("%H:%M:%S")


def moment(at: datetime | None, now: datetime | None) -> str:
    """A moment: the time of day, or the day where that is not today."""
    if at is None:
        return UNKNOWN
    if now is None or at.date() != now.date():
        return at.strftime("%d %b")
    return at.strftime("%H:%M")


def share(percent_value: int | None) -> str:
    """A whole percentage as Cloud Run counts it."""
    return UNKNOWN if percent_value is None else f"{percent_value} %"


def movement(queue: QueueReport) -> tuple[str, str]:
    """Whether a queue drains and when it is empty, and the role of these words in a theme."""
    if queue.depth is None:
        return UNKNOWN, "dim"
    if queue.depth == 0:
        return "empty", "dim"
    if queue.drain_eta_s is not None:
        return f"drains in {duration(queue.drain_eta_s)}", "good"
    if queue.arrivals_per_s is None or queue.completions_per_s is None:
        return "trend unknown", "dim"
    grows = queue.arrivals_per_s - queue.completions_per_s
    return (f"filling +{rate(grows)}/s", "warn") if grows > 0.005 else ("steady", "dim")
