"""The frame around every screen: the header, the verdict below it and the keys at the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brconsole.domain.fleet import Health
from brconsole.tui import formats, glyphs
from brconsole.tui.actions import Action, key_name
from brconsole.tui.console import Mode
from brconsole.tui.paint import EMPTY, Line, Pen, fit, fit_middle, fit_text, shown, width_of
from brconsole.tui.state import FleetModel, PanelTrust, Trust

if TYPE_CHECKING:
    from brconsole.operations.modes import ModeState

RECENT_CHANGE_S = 3600
DISPENSABLE = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the header; the highest rank is dropped first where there is not room."""

    line: Line
    rank: int
    short: Line | None = None


def header(model: FleetModel, mode: Mode | ModeState, *, simulated: bool, width: int, view: str = "") -> Line:
    """Where this is, how it is, and how far to believe it. The environment and its health are never dropped."""
    sign, word, role = model.health_sign()
    badge = (
        Pen().put("▌", f"edge:{model.colour}").put(model.name, f"badge:{model.colour}").put("▐", f"edge:{model.colour}")
    )
    left = [
        Part(badge.line(), 0),
        Part(((f"{sign} {word}", f"{role} bold"),), 0),
        Part(((shown(view, 60), "strong"),), 5, ((fit_middle(shown(view, 60), 16), "strong"),))
        if view
        else Part(EMPTY, 9),
        Part(_place(model), 6),
    ]
    connection = model.connection()
    right = [
        Part(((" SIMULATED ", "simulated"),), 1, ((" SIM ", "simulated"),)) if simulated else Part(EMPTY, 9),
        Part(_mode(mode, short=False), 3, _mode(mode, short=True)),
        Part(_connection(model, connection), 2, _connection_short(model, connection)),
        Part(_api(model), 7),
        Part(_cost(model), 8),
        Part(((formats.clock(model.now) + " UTC", "text"),), 4, ((formats.clock(model.now), "text"),)),
    ]
    return _assemble(left, right, width)


def plain_header(title: str, mode: Mode, *, simulated: bool, clock: str, width: int) -> Line:
    """The header of a screen that belongs to no one environment."""
    left = [Part(((title, "title"),), 0)]
    right = [
        Part(((" SIMULATED ", "simulated"),), 1, ((" SIM ", "simulated"),)) if simulated else Part(EMPTY, 9),
        Part(_mode(mode, short=False), 3, _mode(mode, short=True)),
        Part(((clock + " UTC", "text"),), 4, ((clock, "text"),)),
    ]
    return _assemble(left, right, width)


def _api(model: FleetModel) -> Line:
    return EMPTY if model.api_share is None else ((f"API {formats.whole_percent(model.api_share)}", "dim"),)


def _cost(model: FleetModel) -> Line:
    cost = model.cost_per_day
    return EMPTY if cost is None else ((f"{formats.money(cost, 'USD', cents=True)}/day", "dim"),)


def _place(model: FleetModel) -> Line:
    return ((f"{shown(model.environment.project, 60)} · {shown(model.environment.region, 40)}", "dim"),)


def _mode(mode: Mode | ModeState, *, short: bool) -> Line:
    if mode == "write":
        return ((f" {glyphs.WRITE} WRITE ", "write"),)
    if not isinstance(mode, str) and mode.writable:
        left = "" if mode.left_s is None else f" {max(1, -(-int(mode.left_s) // 60))} min"
        return ((f" {glyphs.WRITE} WRITE{left} ", "write"),)
    return ((f"{glyphs.READ_ONLY} {'R/O' if short else 'READ-ONLY'}", "dim"),)


def _connection(model: FleetModel, trust: PanelTrust) -> Line:
    if trust.trust is Trust.LIVE:
        return ((f"{glyphs.LIVE} ", "good"), (f"live {formats.age(trust.age_s)}", "text"))
    if trust.trust is Trust.PARTIAL:
        text = f"{glyphs.PARTIAL} {len(trust.failed)} of {len(model.fleet.sources)} sources fail"
        return ((text, "warn bold"),)
    if trust.trust is Trust.LOADING:
        return ((f"{glyphs.LOADING} connecting", "dim"),)
    sign = glyphs.STALE if trust.trust is Trust.STALE else glyphs.BAD
    old = f" {formats.age(trust.age_s)}" if trust.age_s is not None else ""
    return ((f"{sign} {trust.trust}{old}", "warn bold" if trust.trust is Trust.STALE else "bad"),)


def _connection_short(model: FleetModel, trust: PanelTrust) -> Line:
    if trust.trust is Trust.PARTIAL:
        return ((f"{glyphs.PARTIAL} {len(trust.failed)}/{len(model.fleet.sources)} fail", "warn bold"),)
    line = trust.badge()
    return (
        ((line[0][0].split(" ")[0] + " " + formats.age(trust.age_s), line[0][1]),) if trust.age_s is not None else line
    )


def _assemble(left: Sequence[Part], right: Sequence[Part], width: int) -> Line:
    parts = [part for part in (*left, *right) if part.line]
    chosen = {id(part): part.line for part in parts}

    def total() -> int:
        cells = sum(width_of(line) for line in chosen.values() if line)
        return cells + 2 * (sum(1 for line in chosen.values() if line) - 1)

    for part in sorted(parts, key=lambda part: -part.rank):
        if total() <= width:
            break
        if part.short is not None:
            chosen[id(part)] = part.short
        elif part.rank >= DISPENSABLE:  # it goes before anything that matters more is shortened
            chosen[id(part)] = EMPTY
    for part in sorted(parts, key=lambda part: -part.rank):
        if total() <= width or part.rank <= 1:
            break
        chosen[id(part)] = EMPTY
    for part in sorted(parts, key=lambda part: part.rank):  # what was shortened gets its room back where there is some
        if chosen[id(part)] and width_of(part.line) - width_of(chosen[id(part)]) <= width - total():
            chosen[id(part)] = part.line

    def side(members: Sequence[Part]) -> Line:
        pen = Pen()
        for part in members:
            line = chosen.get(id(part), EMPTY)
            if line:
                pen.put("  " if pen.width else "").add(line)
        return pen.line()

    first, last = side(left), side(right)
    gap = max(1, width - width_of(first) - width_of(last))
    line = fit((*first, (" " * gap, ""), *last), width)
    own = ("simulated", "badge:", "edge:", "write")
    return tuple((text, role if role.startswith(own) else f"{role} on-panel") for text, role in line)


def verdict(model: FleetModel, width: int) -> Line:
    """One sentence: what is wrong, or that nothing is."""
    sign, _, role = model.health_sign()
    pen = Pen().put(" ").put(f"{sign} ", role)
    last = _last_change(model) if width >= 110 else EMPTY
    whole, width = width, width - width_of(last)
    line = _reasons(model, pen, width)
    return fit((*fit(line, width), *last), whole)


def _last_change(model: FleetModel) -> Line:
    """The first suspect: what changed last, where that was in the last hour."""
    change = next(iter(model.fleet.changes.value or ()), None)
    old = None if change is None or model.now is None else (model.now - change.at).total_seconds()
    if change is None or old is None or old > RECENT_CHANGE_S:
        return EMPTY
    text = shown(f"{change.service} {change.what}", 60)
    return (
        ("  changed ", "dim"),
        (f"{formats.age(max(0.0, old))} ago", "accent"),
        (f": {fit_text(text, 40).rstrip()} ", "dim"),
    )


def _reasons(model: FleetModel, pen: Pen, width: int) -> Line:
    report = model.health
    _, word, role = model.health_sign()
    if report.health is Health.HEALTHY:
        connection = model.connection()
        if not model.unjudged:
            pending = model.pending_alerts
            if pending:
                names = ", ".join(shown(f"{alert.policy} {alert.subject}".strip(), 60) for alert in pending)
                pen.put("nothing fires; ", "dim").put(f"{glyphs.PENDING} pending: ", "warn").put(names, "text")
            else:
                pen.put("nothing fires, desired and serving traffic agree", "dim")
        elif connection.causes:
            pen.put(f"nothing known to be wrong, but not all is known: {connection.causes[0]}", "warn")
        else:
            pen.put(f"nothing known to be wrong yet; waiting for {', '.join(model.unjudged)}", "dim")
        if connection.causes and not model.unjudged:
            pen.put("  ").put(f"{glyphs.PARTIAL} {connection.causes[0]}", "warn")
        return fit(pen.line(), width)
    if report.health is Health.UNKNOWN and model.fleet.services.error is None:
        return fit(pen.put("waiting for Cloud Run: nothing is known yet", "dim").line(), width)
    reasons = [shown(reason, 300) for reason in report.reasons]
    pen.put(f"{word.lower()}: ", role)
    for index, reason in enumerate(reasons):
        pen.put(" · " if index else "", "dim")
        rest = len(reasons) - index - 1
        tail = f" · {rest} more" if rest else ""
        room = width - pen.width - len(tail)
        if room < 12:
            pen.put(f"{rest + 1} more", "dim")
            break
        if len(reason) > room:
            pen.cell(reason, room, "text").put(tail, "dim")
            break
        pen.put(reason, "text")
    return fit(pen.line(), width)


@dataclass(frozen=True, slots=True)
class KeyHint:
    """Where a key stands in the footer, so that it can be clicked."""

    start: int
    end: int
    action_id: str


ALWAYS = ("app.help", "app.back", "app.quit")


def footer(actions: Sequence[Action], width: int) -> tuple[Line, tuple[KeyHint, ...]]:
    """The keys that work here; help, back and quit always, the rest as there is room."""
    always = [action for action in actions if action.id in ALWAYS]
    others = [action for action in actions if action.hint and action.id not in ALWAYS]
    tail_cells = sum(_hint_cells(action) for action in always)
    pen, hints = Pen().put(" "), []
    for action in others:
        if pen.width + _hint_cells(action) > width - tail_cells:
            continue
        hints.append(_hint(pen, action))
    hints.extend(_hint(pen, action) for action in always if pen.width + _hint_cells(action) <= width + 2)
    line = fit(pen.line(), width)
    return tuple((text, f"{role} on-panel") for text, role in line), tuple(hints)


def _hint_cells(action: Action) -> int:
    return len(key_name(action.keys[0])) + 1 + len(action.hint) + 2


def _hint(pen: Pen, action: Action) -> KeyHint:
    start = pen.width
    pen.put(key_name(action.keys[0]), "key").put(f" {action.hint}", "dim")
    end = pen.width
    pen.put("  ")
    return KeyHint(start, end, action.id)
