"""Changes: who moved what, newest first."""

from __future__ import annotations

from datetime import datetime

from brconsole.domain.service import Change
from brconsole.tui import formats
from brconsole.tui.paint import Line, Pen, fit_middle, fit_text, pages, shown
from brconsole.tui.state import FleetModel

RECENT_S = 900
"""A change of the last quarter of an hour stands out: it is the first suspect."""


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """One row a change."""
    changes = model.fleet.changes.value or ()
    if not changes:
        return [(("Nobody changed a service in the time looked at.", "dim"),)]
    return pages([line(change, model.now, width) for change in changes], height)


def line(change: Change, now: datetime | None, width: int) -> Line:
    """When, where, what, who, how long ago."""
    old = None if now is None else max(0.0, (now - change.at).total_seconds())
    recent = old is not None and old < RECENT_S
    ago = f"{formats.age(old)} ago"
    when = formats.moment(change.at, now)
    pen = Pen().cell(when, 12 if len(when) > 5 else 5, "strong" if recent else "dim").put(" ")
    service = min(16, max(7, width // 7))
    pen.cell(fit_middle(shown(change.service, 60), service), service, "text").put(" ")
    who = shown(change.who, 80)
    who_width = min(len(who), 28, max(0, (width - pen.width) // 3)) if width >= 56 else 0
    if who_width < len(who):
        who = fit_text(who.partition("@")[0], who_width).rstrip() if len(who.partition("@")[0]) > who_width else who.partition("@")[0]
    room = width - pen.width - (who_width + 1 if who_width else 0) - len(ago) - 1
    pen.cell(fit_text(shown(change.what, 200), room).rstrip(), room, "strong" if recent else "text")
    if who_width:
        pen.put(" ").cell(who, who_width, "dim")
    return pen.put(" ").put(ago, "accent" if recent else "dim").line()
