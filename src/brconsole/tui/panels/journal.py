"""The journal as a time line: what was meant to be done, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from brconsole.domain.findings import told
from brconsole.operations.journal import CUT, INTENT, Entry
from brconsole.operations.outcome import EXIT_STATUS, OutcomeKind
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import EMPTY, Line, Pen, fit, fit_text, shown

WHO_WIDTH = 100
"""From this width it also says who."""


def lines(entries: Sequence[Entry], now: datetime | None, width: int, *, service: bool) -> list[Line]:
    """One line an entry, oldest first; a day begins with its date."""
    listed: list[Line] = []
    day = None if now is None else now.date()
    for entry in entries:
        at = entry.at
        if at is not None and at.date() != day:
            day = at.date()
            listed.append(((f"{day:%A, %d %B %Y}", "title"),))
        listed.append(line(entry, width, service=service))
    return listed


def line(entry: Entry, width: int, *, service: bool) -> Line:
    """Time, sign, what, who."""
    pen = Pen().put(f"{formats.clock(entry.at)} ", "dim")
    if service:
        pen.cell(shown(entry.text("service"), 63), 15, "strong").put(" ")
    who = shown(entry.text("who"), 80).partition("@")[0] if width >= WHO_WIDTH else ""
    room = width - pen.width - (16 if who else 0)
    sign, role, text, rest = _what(entry)
    if name := entry.text("service"):  # it stands in the title or the column: revisions are told by what follows it
        rest = rest.replace(f"{name}: ", "").replace(f"{name}-", "")
    pen.put(f"{sign} ", role)
    first = fit_text(text, min(len(text), room - 2)).rstrip() if room > 4 else ""
    pen.put(first, role)
    pen.put(fit_text(rest, max(0, room - 2 - len(first))).rstrip(), "text" if entry.kind != INTENT else "dim")
    if who:
        pen.to(width - 15).cell(who, 15, "dim", right=True)
    return fit(pen.line(), width)


def _what(entry: Entry) -> tuple[str, str, str, str]:
    """Sign, role, the first words and the rest."""
    if entry.kind == INTENT:
        why = entry.text("why")
        moves = " → ".join(dict.fromkeys(_split(split) for split in (entry.split_before, entry.split_after)))
        return (
            glyphs.CURSOR,
            "accent",
            shown(entry.text("action"), 40),
            f"  {shown(moves, 200)}" + (f"  ({shown(why, 120)})" if why else ""),
        )
    if entry.kind == CUT:
        return glyphs.WARN, "warn", "cut off", f"  {shown(entry.text('what'), 300)}"
    result = entry.text("result")
    good = result in set(OutcomeKind) and EXIT_STATUS[OutcomeKind(result)] == 0
    sign, role = (glyphs.GOOD, "good") if good else (glyphs.BAD, "bad")
    if result == OutcomeKind.ACCEPTED:  # taken, and looked after by the next look: no failure
        sign, role = glyphs.STALE, "accent"
    if entry.found_afterwards:
        sign, role = glyphs.WARN, "warn"
    return sign, role, shown(result, 40), f"  {shown(entry.text('what'), 400)}"


def _split(split: dict[str, int] | None) -> str:
    return formats.UNKNOWN if split is None else told(split)


def tail(entries: Sequence[Entry], now: datetime | None, width: int, height: int) -> list[Line]:
    """The newest entries that fit."""
    if not entries:
        return [(("Nothing was written from this machine yet.", "dim"),)] if height else [EMPTY]
    every = lines(entries[-height:], now, width, service=False)
    return every[-height:]
