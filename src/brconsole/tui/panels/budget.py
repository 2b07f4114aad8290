"""Error budgets: how much is left, how fast it goes, and when it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from brconsole.domain.slo import BURN_WINDOWS, SloReport, SloStatus
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, bar, fit_middle, pages, shown
from brconsole.tui.panels.services import budget_colour, burn_colour
from brconsole.tui.state import FleetModel

_WORDS = {
    SloStatus.OK: (glyphs.GOOD, "ok", "good"),
    SloStatus.SLOW_BURN: (glyphs.WARN, "burns slowly", "warn"),
    SloStatus.FAST_BURN: (glyphs.BAD, "burns fast", "bad"),
    SloStatus.EXHAUSTED: (glyphs.BAD, "spent", "bad"),
    SloStatus.UNKNOWN: (formats.UNKNOWN, "unknown", "dim"),
}
_ORDER = {SloStatus.EXHAUSTED: 0, SloStatus.FAST_BURN: 1, SloStatus.SLOW_BURN: 2, SloStatus.UNKNOWN: 3, SloStatus.OK: 4}


def title(model: FleetModel) -> str:
    """The panel's title with the period, where all objectives share one."""
    periods = {slo.objective.period_days for slo in model.fleet.slos.value or ()}
    return f"Error budget · {periods.pop()} days" if len(periods) == 1 else "Error budget"


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """Every objective of the environment, the worst first, as tall as there is room."""
    slos = sorted(
        model.fleet.slos.value or (), key=lambda slo: (_ORDER[slo.status], slo.objective.service, slo.objective.name)
    )
    return objectives(slos, model.now, width, height)


def objectives(slos: Sequence[SloReport], now: datetime | None, width: int, height: int) -> list[Line]:
    """Objectives in one, two or four rows each, whatever fits."""
    if not slos:
        return [(("No SLO is defined in Service Monitoring.", "dim"),)]
    if height >= len(slos) * 5 - 1:
        return _tall(slos, now, width)
    if height >= len(slos) * 4:
        return [line for slo in slos for line in _four(slo, now, width)]
    if height >= len(slos) * 3:
        return [line for slo in slos for line in _four(slo, now, width)[:3]]
    if height >= len(slos) * 2:
        return [line for slo in slos for line in (_compact(slo, width), _burns(slo, width, "  "))]
    return pages([_compact(slo, width) for slo in slos], height)


def _tall(slos: Sequence[SloReport], now: datetime | None, width: int) -> list[Line]:
    every: list[Line] = []
    for slo in slos:
        every += [*_four(slo, now, width), ()]
    return every[:-1]


def name_of(slo: SloReport) -> str:
    """Service and objective, each said once; a latency objective with its limit."""
    objective = slo.objective
    name = objective.name.removeprefix(f"{objective.service}-")
    limit = "" if objective.threshold_ms is None else f" {formats.latency(objective.threshold_ms)}"
    return f"{shown(objective.service, 60)} {shown(name, 60)}{limit}"


def _four(slo: SloReport, now: datetime | None, width: int) -> list[Line]:
    sign, word, role = _WORDS[slo.status]
    left = slo.budget_remaining_ratio
    goal = f"{slo.objective.goal * 100:g} %"
    right: Line = ((f"{sign} {word}", role),)
    room = max(6, width - len(goal) - len(word) - 5)
    name = name_of(slo)
    name = fit_middle(name if len(name) <= room else name.replace("availability", "avail."), room)
    head = Pen().put(name, "strong").put(f" {goal}", "dim")
    head.to(width - len(word) - 2).add(right)
    tail = f"{formats.whole_percent(left):>5} left"
    gauge = (
        Pen().add(bar(left, max(4, width - len(tail) - 1), budget_colour(left))).put(" ").put(tail, budget_colour(left))
    )
    burns = _burns(slo, width, "")
    foot = Pen()
    if "3d " not in "".join(text for text, _ in burns):  # what did not fit moves on
        long = slo.burn.get("3d")
        foot.put("3d ", "dim").put(formats.burn(long), "dim" if long is None else burn_colour(long)).put("  ")
    foot.put(f"runs out: {runs_out(slo, now)}", _out_role(slo))
    return [head.line(), gauge.line(), burns, foot.line()]


def _out_role(slo: SloReport) -> str:
    return "dim" if slo.exhausts_at is None else "warn"


def runs_out(slo: SloReport, now: datetime | None) -> str:
    """When the budget is spent at the present burn, as a sentence part."""
    if slo.status is SloStatus.EXHAUSTED:
        return "it is spent"
    if slo.budget_remaining_ratio is None or slo.burn.get("1h") is None:
        return formats.UNKNOWN
    if slo.exhausts_at is None or now is None:
        return f"not in {slo.objective.period_days} days"
    seconds = (slo.exhausts_at - now).total_seconds()
    return f"in {formats.duration(max(0.0, seconds))}, {formats.moment(slo.exhausts_at, now)}"


def _burns(slo: SloReport, width: int, indent: str) -> Line:
    pen = Pen().put(indent)
    windows = list(BURN_WINDOWS)
    texts = [(window, formats.burn(slo.burn.get(window))) for window in windows]
    needed = sum(len(window) + 1 + len(text) for window, text in texts)
    gap = 2 if width - len(indent) >= needed + 2 * (len(texts) - 1) else 1
    for index, (window, text) in enumerate(texts):
        burn = slo.burn.get(window)
        if pen.width + len(window) + 1 + len(text) + (gap if index else 0) > width:
            break
        pen.put(" " * gap if index else "").put(f"{window} ", "dim")
        pen.put(text, "dim" if burn is None else burn_colour(burn))
    return pen.line()


def _compact(slo: SloReport, width: int) -> Line:
    sign, _, role = _WORDS[slo.status]
    left = slo.budget_remaining_ratio
    tail = f"{formats.whole_percent(left):>5} {formats.burn(slo.burn.get('1h')):>5}"
    name = name_of(slo)
    if len(name) > width - len(tail) - 8:
        name = name.replace("availability", "avail.")
    gauge = max(4, min(14, width - len(name) - len(tail) - 4))
    room = width - gauge - len(tail) - 4
    pen = Pen().put(f"{sign} ", role).cell(fit_middle(name, room), room, "text").put(" ")
    pen.add(bar(left, gauge, budget_colour(left), solid=glyphs.BAR_ROW))
    pen.put(f"{formats.whole_percent(left):>5}", budget_colour(left))
    return pen.put(" ").put(f"{formats.burn(slo.burn.get('1h')):>5}", burn_colour(slo.burn.get("1h"))).line()
