"""Changes: who moved what, newest first."""

from __future__ import annotations

from datetime import datetime

from brconsole.domain.service import Change
from brconsole.tui import formats
from brconsole.tui.paint import Line, Pen, fit_middle, fit_text, shown
from brconsole.tui.state import FleetModel

RECENT_S = 900
"""A change of the last quarter of an hour stands out: it is the first suspect."""


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """One row a change."""
    changes = model.fleet.changes.value or ()
    if not changes:
        return [(("Nobody changed a service in the time looked at.", "dim"),)]
    return [line(change, model.now, width) for change in changes[:height]]


def line(change: Change, now: datetime | None, width: int) -> Line:
    """When, where, what, who, how long ago."""
    old = None if now is None else max(0.0, (now - change.at).total_seconds())
    recent = old is not None and old < RECENT_S
    ago = f"{formats.age(old)} ago" if width >= 90 else formats.age(old)
    ago_width = 10 if width >= 90 else 6
    when = formats.moment(change.at, now)
    pen = Pen().cell(when, 6, "strong" if recent else "dim").put(" ")
    service = min(18, max(8, width // 5))
    pen.cell(fit_middle(shown(change.service, 60), service), service, "text").put(" ")
    who = shown(change.who, 80).partition("@")[0]
    who_width = 18 if width >= 90 else 12 if width >= 56 else 0
    room = width - pen.width - (who_width + 1 if who_width else 0) - ago_width - 1
    pen.cell(fit_text(shown(change.what, 200), room).rstrip(), room, "strong" if recent else "text")
    if who_width:
        pen.put(" ").cell(who, who_width, "dim")
    return pen.put(" ").cell(ago, ago_width, "accent" if recent else "dim", right=True).line()
