"""Spend of the month against its budget, where it is heading, and on what."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime

from brconsole.domain.spend import SpendReport
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, bar, fit_middle, shown, sparkline
from brconsole.tui.state import FleetModel


def title(model: FleetModel) -> str:
    """The panel's title with the month of the figures."""
    spend = model.fleet.spend.value
    moment = (spend and spend.month) or model.fleet.spend.as_of or model.now
    return "Spend" if moment is None else f"Spend · {moment:%B}"


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """Figures and the month's bar; top services and days where there is room."""
    spend = model.fleet.spend.value
    if spend is None:
        return []
    rows = [_figures(spend, width), _month(spend, model.fleet.spend.as_of or model.now, width)]
    if height <= 2:
        return rows[:height]
    if spend.estimated:
        estimated = f"{formats.money(spend.estimated, spend.currency)} of it estimated"
        rows.append(((estimated + (", not yet in the export" if width >= 50 else ""), "dim"),))
    room = height - len(rows)
    if room >= 2 and spend.top:
        if room > len(spend.top) + 3:
            rows.append(())
        rows += [
            _service(spend, name, cost, width) for name, cost in spend.top[: max(1, room - 3 if room > 5 else room)]
        ]
    room = height - len(rows)
    if room >= 2 and len(spend.daily) > 1:
        rows += [()] if room >= 3 else []
        rows.append(_days(spend, width))
    return rows


def share_role(share: float | None) -> str:
    """The role of spent over budget."""
    return "good" if share is None or share < 0.8 else "warn" if share <= 1 else "bad"


def _figures(spend: SpendReport, width: int) -> Line:
    currency = spend.currency
    pen = Pen().put(formats.money(spend.month_to_date, currency), f"{share_role(spend.share)} bold")
    if spend.budget is None:
        pen.put(" no budget is set", "dim")
    else:
        pen.put(f" of {formats.money(spend.budget, currency)}", "text")
        if width >= 44:
            pen.put(f"  {formats.whole_percent(spend.share)}", share_role(spend.share))
    if spend.forecast is not None:
        over = spend.budget is not None and spend.forecast > spend.budget
        text = f"{'forecast' if width - pen.width >= 18 else '→'} {formats.money(spend.forecast, currency)}"
        if pen.width + 2 + len(text) <= width:
            pen.to(width - len(text)).put(text, "warn" if over else "dim")
    return pen.line()


def _month(spend: SpendReport, as_of: datetime | None, width: int) -> Line:
    if spend.budget is None or not spend.budget:
        return ((formats.NOTHING, "dim"),)
    days = "" if as_of is None else f" day {as_of.day} of {monthrange(as_of.year, as_of.month)[1]}"
    if as_of is not None and spend.month is not None and as_of.date() < spend.month:
        days = " not in the export yet"
    gauge = max(6, width - len(days))
    scale = max(spend.budget, spend.month_to_date, spend.forecast or 0.0)
    over = scale > spend.budget
    filled = bar(spend.month_to_date / scale, gauge, share_role(spend.share), glyphs.BAR_TRACK)
    marks = {min(gauge - 1, round(gauge * spend.budget / scale) - 1): ("┃", "bad" if over else "text")}
    if spend.forecast is not None:
        forecast_at = min(gauge - 1, round(gauge * spend.forecast / scale))
        marks.setdefault(forecast_at, ("│", "warn" if over else "accent"))
    pen = Pen()
    column = 0
    for text, role in filled:
        for character in text:
            mark = marks.get(column)
            pen.put(*(mark if mark and (character == glyphs.BAR_TRACK or mark[0] == "┃") else (character, role)))
            column += 1
    return pen.put(days, "dim").line()


def _service(spend: SpendReport, name: str, cost: float, width: int) -> Line:
    top = max(cost for _, cost in spend.top) or 1.0
    amount = formats.money(cost, spend.currency)
    label = min(22, max(8, width // 2 - 4))
    pen = Pen().cell(fit_middle(shown(name, 60), label), label, "dim").put(" ")
    pen.add(bar(cost / top, max(3, width - label - 10), "secondary", " ", solid=glyphs.BAR_ROW))
    return pen.put(f"{amount:>9}", "text").line()


def _days(spend: SpendReport, width: int) -> Line:
    costs = [cost for _, cost in spend.daily]
    label = "by day "
    highest = f" up to {formats.money(max(costs), spend.currency)}"
    marks = sparkline(costs, min(len(costs), max(4, width - len(label) - len(highest))), "secondary")
    return Pen().put(label, "dim").add(marks).put(highest, "dim").line()
