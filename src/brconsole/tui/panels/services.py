"""The services of a fleet: one row each, a second line of detail where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, fit_middle, sparkline
from brconsole.tui.panels.frame import highlight
from brconsole.tui.state import LEVEL_SIGNS, ServiceRow

SORTS = ("status", "name", "req/s", "5xx", "p95", "burn", "instances")


@dataclass(frozen=True, slots=True)
class Columns:
    """What fits, decided once for all rows so that they align."""

    width: int
    name: int
    bar: int
    split: int
    budget: bool
    trend: int
    changed: bool
    who: int


def columns_for(rows: Sequence[ServiceRow], width: int) -> Columns:
    """The columns for a width; what matters least goes first."""
    longest = max((len(row.name) for row in rows), default=8)
    split = max([len("TRAFFIC") - 4, *(len(split_text(row)[0]) for row in rows)])
    split = min(split, max(5, width // 5))
    name = max(8, min(longest, 15 if width < 76 else 24))
    numbers = _NUMBERS if width >= 58 else _NUMBERS_TIGHT
    left = width - 2 - name - 2 - 1 - split - numbers
    bar = max(0, min(8 if width < 100 else 14, left))
    left -= bar
    budget = left >= 7 and width >= 84
    left -= 7 if budget else 0
    trend = min(24, left - 2) if left >= 12 else 0
    left -= trend + 2 if trend else 0
    changed = left >= 9
    left -= 9 if changed else 0
    who = min(18, left - 2) if left >= 12 else 0
    left -= who + 2 if who else 0
    more = min(left, max(0, 26 - bar)) if left > 0 else 0
    left -= more
    name += min(max(0, longest - name), left)
    return Columns(width, name, bar + more, split, budget, trend, changed, who)


_NUMBERS = 7 + 8 + 9 + 9 + 5
_NUMBERS_TIGHT = 7 + 8


def heading(columns: Columns, sort: str) -> Line:
    """The names of the columns; the sorted one is marked."""

    def mark(title: str, own: str) -> tuple[str, str]:
        return (f"{title}▾" if own == sort else title), ("accent bold" if own == sort else "dim")

    pen = Pen().put("  ").cell(*_swap(mark("SERVICE", "name"), columns.name)).put("  ")
    pen.cell("TRAFFIC", columns.bar + 1 + columns.split, "dim")
    for title, own, width in (("REQ/S", "req/s", 7), ("5XX", "5xx", 8)):
        _right(pen, mark(title, own), width)
    if columns.width >= 58:
        for title, own, width in (("P95", "p95", 9), ("BURN 1H", "burn", 9)):
            _right(pen, mark(title, own), width)
        if columns.budget:
            pen.cell("LEFT", 7, "dim", right=True)
        _right(pen, mark("INST", "instances"), 5)
    if columns.trend:
        pen.put("  ").cell("LAST HOUR", columns.trend, "dim")
    if columns.changed:
        pen.cell("CHANGED", 9, "dim", right=True)
    if columns.who:
        pen.put("  ").cell("BY", columns.who, "dim")
    return pen.line()


def _swap(mark: tuple[str, str], width: int) -> tuple[str, int, str]:
    return mark[0], width, mark[1]


def _right(pen: Pen, mark: tuple[str, str], width: int) -> None:
    pen.cell(mark[0], width, mark[1], right=True)


def line(row: ServiceRow, columns: Columns, now: datetime | None, failed: frozenset[str], *, chosen: bool) -> Line:
    """One service."""
    sign, role = LEVEL_SIGNS[row.level]
    rates = row.rates
    pen = Pen().put(f"{sign} ", role)
    pen.cell(fit_middle(row.name, columns.name), columns.name, "strong" if chosen else "text").put("  ")
    pen.add(traffic_bar(row, columns.bar)).put(" ")
    text, text_role = split_text(row)
    pen.cell(text, columns.split, text_role)

    requests_role = "grey" if "requests" in failed else "text"
    asked = row.service.is_worker
    _number(pen, rates.requests_per_s, formats.rate(rates.requests_per_s), 7, requests_role, asked)
    error_role = "grey" if "requests" in failed else _error_role(rates.error_ratio)
    nothing_asked = asked or rates.requests_per_s == 0
    _number(pen, rates.error_ratio, formats.percent(rates.error_ratio), 8, error_role, nothing_asked)
    if columns.width >= 58:
        latency_role = "grey" if "latency" in failed else "text"
        _number(pen, rates.latency_p95_ms, formats.latency(rates.latency_p95_ms), 9, latency_role, nothing_asked)
        burn = row.burn_1h
        burn_role = "grey" if "slos" in failed else burn_colour(burn)
        _number(pen, burn, formats.burn(burn), 9, burn_role, not row.slos)
        if columns.budget:
            left = row.budget_left
            left_role = "grey" if "slos" in failed else budget_colour(left)
            _number(pen, left, formats.whole_percent(left), 7, left_role, not row.slos)
        instances_role = "grey" if "instances" in failed else "text"
        _number(pen, rates.instances, formats.count(rates.instances), 5, instances_role, False)
    if columns.trend:
        pen.put("  ").add(_trend(row, columns.trend, grey="requests" in failed))
    if columns.changed:
        changed = row.service.updated
        since = (now - changed).total_seconds() if now and changed else None
        pen.cell(formats.age(since), 9, "dim", right=True)
    if columns.who:
        pen.put("  ").cell(row.who or formats.NOTHING, columns.who, "dim")
    drawn = pen.line()
    return highlight(drawn, columns.width) if chosen else drawn


def _number(pen: Pen, value: float | None, text: str, width: int, role: str, nothing: bool) -> None:
    """A number, `–` where there can be none, `?` where it is not known."""
    if value is None:
        pen.cell(formats.NOTHING if nothing else formats.UNKNOWN, width, "faint" if nothing else "dim", right=True)
    else:
        pen.cell(text, width, role, right=True)


def _trend(row: ServiceRow, width: int, *, grey: bool) -> Line:
    if row.requests is None:
        queue = row.queue
        if queue is not None and queue.depth_history is not None:
            text = f" {formats.count(queue.depth)} due"
            marks = sparkline(queue.depth_history.values, width - len(text), "secondary", queue.alert_depth / 4)
            return Pen().add(marks).put(text, "dim").line()
        known = row.service.is_worker or row.rates.requests_per_s == 0
        return Pen().cell("no requests" if known else "not known", width, "faint").line()
    values = row.requests.requests.values
    highest = max((value for value in values if value is not None), default=0.0)
    return sparkline(values, width, "grey" if grey else "spark", highest * 1.15)  # a hair of room between the rows


def detail(row: ServiceRow, columns: Columns, *, chosen: bool) -> Line:
    """The second line: what serves, and why the row is not well."""
    pen = Pen().put("  ")
    if row.notes:
        pen.put(row.notes[0], LEVEL_SIGNS[row.level][1].replace("bold", "")).put("   ")
    taking = [share for share in row.shares if share.serving or share.desired]
    for index, share in enumerate(taking):
        pen.put(" + " if index else "", "faint")
        pen.put(fit_middle(share.revision, 30), "dim")
        if len(taking) > 1:
            pen.put(f" {formats.share(share.serving)}", "canary" if share.canary else "dim")
    if row.service.pinned and row.service.latest_ready:
        pen.put(f"   pinned, newer {fit_middle(row.service.latest_ready, 30)} serves nothing", "accent")
    drawn = pen.line()
    return highlight(drawn, columns.width, bold=False) if chosen else drawn


def traffic_bar(row: ServiceRow, width: int) -> Line:
    """What is served, by revision: stable solid, canary hatched; at least one cell for any share."""
    if width <= 0:
        return ()
    serving = [share for share in row.shares if share.serving]
    if not row.service.serving:
        return ((formats.UNKNOWN.center(width, "·"), "dim"),) if row.service.reconciling else (("·" * width, "faint"),)
    cells = [max(1, round((share.serving or 0) * width / 100)) for share in serving]
    if cells:
        cells[cells.index(max(cells))] += width - sum(cells)
    spans = []
    for share, count in zip(serving, cells, strict=True):
        glyph, role = (glyphs.BAR_CANARY, "canary") if share.canary else (glyphs.BAR_ROW, "stable")
        spans.append((glyph * count, role))
    return tuple(spans)


def split_text(row: ServiceRow) -> tuple[str, str]:
    """The split in numbers; where what was asked for is not what serves, both."""
    taking = [share for share in row.shares if share.serving or share.desired]
    if not taking:
        return formats.NOTHING, "dim"
    serving = "│".join(str(share.serving) if share.serving is not None else formats.UNKNOWN for share in taking)
    desired = "│".join(str(share.desired) if share.desired is not None else formats.UNKNOWN for share in taking)
    if serving != desired:
        return f"{desired}→{serving}", "accent" if row.service.reconciling else "warn"
    return serving, "canary" if row.canary else "text"


def _error_role(ratio: float | None) -> str:
    return "text" if ratio is None or ratio < 0.005 else "warn" if ratio < 0.02 else "bad"


def burn_colour(burn: float | None) -> str:
    """The role of a burn rate: above 1 the budget does not last the period, 14.4 is the fast-burn page."""
    return "text" if burn is None or burn < 1 else "warn" if burn < 6 else "bad"


def budget_colour(left: float | None) -> str:
    """The role of a share of budget left."""
    return "good" if left is None or left >= 0.25 else "warn" if left > 0 else "bad"


def sort_rows(rows: Sequence[ServiceRow], sort: str) -> list[ServiceRow]:
    """Rows in the order of a column; the unknown last, equals by name."""

    def number(value: float | None) -> tuple[bool, float]:
        return (value is None, -(value or 0.0))

    keys = {
        "status": lambda row: (-row.level, row.key),
        "name": lambda row: row.key,
        "req/s": lambda row: (number(row.rates.requests_per_s), row.key),
        "5xx": lambda row: (number(row.rates.error_ratio), row.key),
        "p95": lambda row: (number(row.rates.latency_p95_ms), row.key),
        "burn": lambda row: (number(row.burn_1h), row.key),
        "instances": lambda row: (number(row.rates.instances), row.key),
    }
    return sorted(rows, key=keys[sort])
