"""A plan as a person is asked about it: before → after, what moves, the call by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from brconsole.domain.judge import Verdict
from brconsole.domain.plan import Plan
from brconsole.operations.rollback import Check, RollbackCard
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, bar, fit_middle, shown, wrap

VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.PASS: (glyphs.GOOD, "good"),
    Verdict.HOLD: (glyphs.STALE, "warn"),
    Verdict.FAIL: (glyphs.BAD, "bad"),
}
CHECKS: Mapping[bool | None, tuple[str, str]] = {
    True: (glyphs.GOOD, "good"),
    False: (glyphs.BAD, "bad"),
    None: (glyphs.UNKNOWN, "dim"),
}
BAR = 20


def arms(before: Mapping[str, int] | None, after: Mapping[str, int], width: int, role: str = "stable") -> list[Line]:
    """One row a revision: its share before and after."""
    known = before or {}
    names = sorted({*known, *after}, key=lambda name: (-known.get(name, 0), -after.get(name, 0), name))
    column = min(max([8, *(len(shown(name, 63)) for name in names)]), max(12, width - 24))
    lines: list[Line] = [
        Pen()
        .cell("REVISION", column, "dim")
        .cell("BEFORE", 9, "dim", right=True)
        .cell("AFTER", 11, "dim", right=True)
        .line()
    ]
    for name in names:
        was = formats.UNKNOWN if not before else f"{known.get(name, 0)} %"
        share = after.get(name, 0)
        changed = before is None or known.get(name, 0) != share
        pen = Pen().cell(fit_middle(shown(name, 63), column), column, "text")
        pen.cell(was, 9, "text", right=True).put(" → ", "dim").cell(
            f"{share} %", 8, "strong" if changed else "dim", right=True
        )
        if width - pen.width >= BAR + 4:
            pen.put("  ").add(bar(share / 100, BAR, role if share else "faint"))
        lines.append(pen.line())
    return lines


def body(plan: Plan, width: int, *, command: bool = True, known: bool = True) -> list[Line]:
    """The plan: its arms, what moves, why, and the command that does the same by hand."""
    lines = arms(plan.before if known else None, plan.target, width)
    moving = "warn" if plan.moved_percent else "dim"
    lines += [(), *wrap(plan.blast_radius, width, moving, 2)]
    if plan.reason:
        lines += wrap(f"why: {shown(plan.reason, 200)}", width, "dim", 2)
    if command:
        lines += wrap(f"by hand: {shown(plan.gcloud, 600)}", width, "dim", 4)
    return lines


def card(found: RollbackCard | None, at: datetime | None, now: datetime | None, width: int) -> list[Line]:
    """Why this target, and what was checked of it, with the age of the check."""
    if found is None:
        return [(("the target is being looked for", "dim"),)]
    old = None if at is None or now is None else max(0.0, (now - at).total_seconds())
    lines: list[Line] = []
    why = getattr(found.target, "source", None)
    if why is not None:
        lines += wrap(f"target: {shown(found.target.revision, 63)}, {why.value}", width, "strong", 2)  # type: ignore[union-attr]
        for skipped in found.target.skipped:  # type: ignore[union-attr]
            lines += wrap(f"{glyphs.WARN} passed over: {shown(skipped, 160)}", width, "warn", 2)
    lines += checks(found.checks, width)
    lines.append(((f"checked {formats.age(old)} ago" if old is not None else "age of the check not known", "dim"),))
    return lines


def checks(listed: tuple[Check, ...], width: int) -> list[Line]:
    """The checks one after the other, as many on a line as fit."""
    lines: list[Line] = []
    pen = Pen()
    for check in listed:
        sign, role = CHECKS[check.ok]
        text = f"{sign} {shown(check.text, 160)}"
        if pen.width and pen.width + 3 + len(text) > width:
            lines.append(pen.line())
            pen = Pen()
        if not pen.width and len(text) > width:
            lines += wrap(text, width, role if check.ok is False else "text", 2)
            continue
        pen.put("   " if pen.width else "").put(f"{sign} ", role)
        pen.put(shown(check.text, 160), "bad" if check.ok is False else "text" if check.ok else "dim")
    return [*lines, pen.line()] if pen.width else lines
