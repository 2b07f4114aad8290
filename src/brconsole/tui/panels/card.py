"""One environment on the wall."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.queue import QueueReport
from brconsole.domain.series import summed
from brconsole.domain.slo import SloReport
from brconsole.tui import formats, glyphs
from brconsole.tui.charts import Curve, TimeAxis, chart
from brconsole.tui.grid import Box, Panel
from brconsole.tui.paint import EMPTY, Line, Pen, bar, fit, fit_middle, recolour, shown, sparkline, wrap
from brconsole.tui.panels import alerts, changes, spend
from brconsole.tui.panels.budget import name_of
from brconsole.tui.panels.frame import causes, skeleton
from brconsole.tui.panels.services import budget_colour, burn_colour, split_text, traffic_bar
from brconsole.tui.state import LEVEL_SIGNS, FleetModel, Level, Trust

LABEL = 9
FLAT_HEIGHT, FLAT_WIDTH = 9, 70
"""Below this height and from this width two figures share a row."""
CHART_HEIGHT = 7


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of a card that stand together; a lower rank stays longer where there is not room."""

    rank: int
    lines: tuple[Line, ...]
    gap: bool = False
    """A blank line above, where there is room for it."""


def panel(model: FleetModel, box: Box, *, chosen: bool) -> Panel:
    """A card: its digit and name, how fresh it is, and what fits of its state."""
    cursor = f"{glyphs.CURSOR} " if chosen else ""
    title = Pen().put(cursor, "strong").put(f"{model.number} ", "dim").put(f" {model.name} ", f"badge:{model.colour}")
    place = f" {shown(model.environment.project, 40)}"
    if box.inner_width >= 40:
        title.put(place, "dim")
    trust = model.connection()
    return Panel(box, title.line(), trust.badge(), _body(model, box.inner_width, box.inner_height))


def _body(model: FleetModel, width: int, height: int) -> list[Line]:
    trust = model.connection()
    if trust.trust is Trust.LOADING:
        return [(("waiting for Google Cloud", "dim"),), *skeleton(width, min(4, height - 1))][:height]
    if height < FLAT_HEIGHT and width >= FLAT_WIDTH:
        return _flat(model, width, height)
    lines = choose(_blocks(model, width, height), height)
    room = height - len(lines) - 2
    if room >= CHART_HEIGHT and model.fleet.requests.value is not None:
        lines += [EMPTY, (("requests/s, last hour", "dim"),), *_chart(model, width, min(room, 16))]
    return lines


def _flat(model: FleetModel, width: int, height: int) -> list[Line]:
    """A low and wide card: two figures in a row."""
    half = width // 2 - 1
    other = width - half - 2
    pairs = (
        (_grey(model, "services", _services(model, half)), _grey(model, "alerts", _alerts(model, other))),
        (_grey(model, "slos", _burn(model, half)), _grey(model, "slos", _budget(model, other))),
        (_grey(model, "queues", _deepest(model, half)), _grey(model, "spend", _spend(model, other))),
        (_grey(model, "requests", _requests(model, half)), _grey(model, "changes", _last_change(model, other))),
    )
    lines = [_head(model, width)]
    cause = causes(model.connection(), width, 1)
    if cause and height > len(pairs) + 1:
        lines += cause
    for left, right in pairs:
        lines.append((*fit(left, half), ("  ", ""), *fit(right, other)))
    return lines[:height]


def _head(model: FleetModel, width: int) -> Line:
    sign, word, role = model.health_sign()
    pen = Pen().put(f"{sign} {word}", f"{role} bold")
    pending = model.pending_alerts
    if not model.health.reasons and pending:
        pen.put(f"  {glyphs.PENDING} {shown(pending[0].policy, 60)} pending", "warn")
    if model.health.reasons:
        more = len(model.health.reasons) - 1
        tail = f"  and {more} more" if more else ""
        pen.put("  ").add(
            wrap(shown(model.health.reasons[0], 200), max(8, width - pen.width - 2 - len(tail)), "text", 1)[0]
        ).put(tail, "dim")
    return pen.line()


def _chart(model: FleetModel, width: int, height: int) -> list[Line]:
    """Requests of all services together."""
    total = summed(row.requests.requests for row in model.rows if row.requests is not None)
    if total is None:
        return []
    values = [None if value is None else value / total.period_s for value in total.values[-60:]]
    return chart([Curve(values, "stable")], width, height, TimeAxis(total.end, 3600), formats.rate)


def choose(blocks: Iterable[Block], height: int) -> list[Line]:
    """The blocks that fit by rank, in their own order, spread by blank lines where there is room."""
    listed = list(blocks)
    kept: set[int] = set()
    used = 0
    for index in sorted(range(len(listed)), key=lambda index: listed[index].rank):
        if used + len(listed[index].lines) <= height:
            kept.add(index)
            used += len(listed[index].lines)
    lines: list[Line] = []
    gaps = height - used
    wanted = [index for index in sorted(kept) if listed[index].gap]
    spaced = set(wanted) if gaps >= len(wanted) else set()
    for index in sorted(kept):
        if index in spaced and lines:
            lines.append(EMPTY)
        lines.extend(listed[index].lines)
    return lines


def _blocks(model: FleetModel, width: int, height: int) -> list[Block]:
    report = model.health
    sign, word, role = model.health_sign()
    trust = model.connection()
    reasons = [
        wrapped
        for reason in report.reasons[:3]
        for wrapped in wrap(f"{shown(reason, 200)}", width - 2, "text", 1 if height < 20 else 2)
    ]
    tall = height >= 12
    blocks = [Block(0, (((f"{sign} {word}", f"{role} bold"),) if tall else _head(model, width),))]
    if trust.causes and not set(trust.causes) & set(report.reasons):
        blocks.append(Block(1, tuple(causes(trust, width, 1 if height < 20 else 3))))
    if reasons and tall:
        blocks.insert(1, Block(2, tuple((("  ", ""), *line) for line in reasons)))

    def room_of(source: str) -> int:
        """Cells that the age of a failing source takes."""
        return 14 if model.fleet.reading(source).error is not None and model.fleet.reading(source).known else 0

    blocks += [
        Block(3, (_grey(model, "services", _services(model, width)),), gap=True),
        Block(
            11,
            tuple(_grey(model, "services", line) for line in _service_rows(model, width, max(0, height - 26))),
            gap=False,
        ),
        Block(7, (_trusted(model, "requests", _requests(model, width - room_of("requests"))),), gap=True),
        Block(4, (_trusted(model, "slos", _burn(model, width - room_of("slos"))),)),
        Block(4, (_trusted(model, "slos", _budget(model, width - room_of("slos"))),)),
        Block(5, (_trusted(model, "queues", _deepest(model, width - room_of("queues"))),), gap=True),
        Block(12, tuple(_grey(model, "queues", line) for line in _other_queues(model, width))),
        Block(6, (_trusted(model, "spend", _spend(model, width - room_of("spend"))),), gap=True),
        Block(8, (_trusted(model, "alerts", _alerts(model, width - room_of("alerts"))),), gap=True),
        Block(13, tuple(_grey(model, "alerts", line) for line in _alert_rows(model, width))),
        Block(9, (_last_change(model, width),), gap=True),
        Block(14, tuple(_other_changes(model, width, max(0, min(5, height - 30))))),
    ]
    return [block for block in blocks if block.lines]


def _trusted(model: FleetModel, source: str, line: Line) -> Line:
    """The line, grey and with its age where its source fails: then it is the last good value."""
    reading = model.fleet.reading(source)
    if reading.error is None or not reading.known:
        return line
    old = f" ({formats.age(reading.age_s(model.now))} old)"
    return (*recolour(line, "grey"), (old, "grey"))


def _grey(model: FleetModel, source: str, line: Line) -> Line:
    """The line, grey where its source fails."""
    return line if model.fleet.reading(source).error is None else recolour(line, "grey")


def _labelled(label: str) -> Pen:
    return Pen().cell(label, LABEL, "dim")


def _unknown(label: str, model: FleetModel, source: str) -> Line:
    if model.fleet.sources and source not in model.fleet.sources:
        return _labelled(label).put("not set up", "faint").line()
    failed = model.fleet.reading(source).error is not None
    return _labelled(label).put(f"{formats.UNKNOWN} not known" if failed else f"{glyphs.LOADING} loading", "dim").line()


def _services(model: FleetModel, width: int) -> Line:
    if model.fleet.services.value is None:
        return _unknown("services", model, "services")
    rows = model.rows
    pen = _labelled("services").put(str(len(rows)), "strong")
    for level in (Level.BAD, Level.WARN, Level.BUSY, Level.UNKNOWN, Level.GOOD):
        number = sum(row.level is level for row in rows)
        if number:
            sign, role = LEVEL_SIGNS[level]
            pen.put(f"  {sign} {number}", role)
    for row in rows:
        if row.canary:
            text, role = split_text(row)
            room = width - pen.width - len(text) - 3
            if room >= 4:
                pen.put(f"  {fit_middle(row.name, room)} ", "text").put(text, role)
            break
    return pen.line()


def _service_rows(model: FleetModel, width: int, limit: int) -> list[Line]:
    rows = sorted(model.rows, key=lambda row: (-row.level, row.canary is None, row.key))[:limit]
    if not rows:
        return []
    lines = []
    name = min(18, max(len(row.name) for row in rows))
    for row in rows:
        sign, role = LEVEL_SIGNS[row.level]
        text, text_role = split_text(row)
        pen = Pen().put(f"  {sign} ", role).cell(fit_middle(row.name, name), name, "text").put(" ")
        rate = (
            formats.rate(row.rates.requests_per_s) + "/s" if row.rates.requests_per_s is not None else formats.NOTHING
        )
        errors = formats.percent(row.rates.error_ratio) if row.rates.error_ratio is not None else formats.NOTHING
        tail = f"{rate:>8}{errors:>8}"
        gauge = max(0, min(12, width - pen.width - len(text) - len(tail) - 2))
        pen.add(traffic_bar(row, gauge)).put(" ").put(text, text_role)
        if width - pen.width >= len(tail):
            pen.to(width - len(tail)).put(tail, "dim")
        lines.append(pen.line())
    return lines


def _requests(model: FleetModel, width: int) -> Line:
    if model.fleet.requests.value is None:
        return _unknown("requests", model, "requests")
    total = errors = 0.0
    for row in model.rows:
        rates = row.rates
        if rates.requests_per_s is not None:
            total += rates.requests_per_s
            errors += rates.requests_per_s * (rates.error_ratio or 0.0)
    together = summed(row.requests.requests for row in model.rows if row.requests is not None)
    columns = together.values[-60:] if together else ()
    pen = _labelled("requests").put(f"{formats.rate(total)}/s", "strong")
    pen.put(f"  5xx {formats.percent(errors / total if total else None)}" if total else "", "text")
    slowest = max(
        (row.rates.latency_p95_ms for row in model.rows if row.rates.latency_p95_ms is not None), default=None
    )
    if slowest is not None and width - pen.width >= 16:
        pen.put(f"  p95 {formats.latency(slowest)}", "text")
    room = width - pen.width - 2
    highest = max((value for value in columns if value is not None), default=0.0)
    return (
        pen.put("  ").add(sparkline(columns, min(30, room), "spark", highest * 1.15)).line()
        if room >= 8
        else pen.line()
    )


def _worst(model: FleetModel, key: Callable[[SloReport], float | None]) -> SloReport | None:
    known = [slo for slo in model.fleet.slos.value or () if key(slo) is not None]
    return max(known, key=lambda slo: key(slo) or 0.0, default=None)


def _burn(model: FleetModel, width: int) -> Line:
    if model.fleet.slos.value is None:
        return _unknown("burn 1h", model, "slos")
    worst = _worst(model, lambda slo: slo.burn.get("1h"))
    if worst is None:
        return _labelled("burn 1h").put(formats.NOTHING, "faint").line()
    burn = worst.burn["1h"]
    pen = _labelled("burn 1h").put(formats.burn(burn), f"{burn_colour(burn)} bold")
    return pen.put(f"  {fit_middle(name_of(worst), max(6, width - pen.width - 2))}", "dim").line()


def _budget(model: FleetModel, width: int) -> Line:
    if model.fleet.slos.value is None:
        return _unknown("budget", model, "slos")
    worst = _worst(model, lambda slo: None if slo.budget_remaining_ratio is None else -slo.budget_remaining_ratio)
    if worst is None:
        return _labelled("budget").put(formats.NOTHING, "faint").line()
    left = worst.budget_remaining_ratio
    text = f" {formats.whole_percent(left)} left"
    return (
        _labelled("budget")
        .add(bar(left, max(4, width - LABEL - len(text)), budget_colour(left)))
        .put(text, budget_colour(left))
        .line()
    )


def _by_depth(model: FleetModel) -> list[QueueReport]:
    return sorted(model.fleet.queues.value or (), key=lambda queue: -((queue.depth or 0.0) / queue.alert_depth))


def _deepest(model: FleetModel, width: int) -> Line:
    if model.fleet.queues.value is None:
        return _unknown("queues", model, "queues")
    every = _by_depth(model)
    return _queue("queues", every[0], width) if every else _labelled("queues").put("none", "faint").line()


def _other_queues(model: FleetModel, width: int) -> list[Line]:
    return [_queue("", queue, width) for queue in _by_depth(model)[1:4]]


def _queue(label: str, queue: QueueReport, width: int) -> Line:
    moving, role = formats.movement(queue)
    sign_role = {"ok": "text", "warn": "warn", "critical": "bad"}.get(queue.status, "dim")
    pen = (
        _labelled(label)
        .put(f"{fit_middle(shown(queue.name, 40), 12)} ", "text")
        .put(formats.count(queue.depth), f"{sign_role} bold")
    )
    room = width - pen.width - 2
    return pen.put("  ").put(moving if len(moving) <= room else moving.partition(" ")[0][: max(0, room)], role).line()


def _spend(model: FleetModel, width: int) -> Line:
    report = model.fleet.spend.value
    if report is None:
        return _unknown("spend", model, "spend")
    role = spend.share_role(report.share)
    text = f" {formats.money(report.month_to_date, report.currency)}"
    if report.budget:
        text += f" of {formats.money(report.budget, report.currency)}"
    gauge = max(4, min(20, width - LABEL - len(text) - 6))
    share = f" {formats.whole_percent(report.share)}" if report.budget else ""
    return (
        _labelled("spend")
        .add(bar(report.share, gauge, role, glyphs.BAR_TRACK))
        .put(share, f"{role} bold")
        .put(text, "dim")
        .line()
    )


def _alerts(model: FleetModel, width: int) -> Line:
    if model.fleet.alerts.value is None:
        return _unknown("alerts", model, "alerts")
    pen = _labelled("alerts")
    loud = alerts.counts(model)
    if not loud:
        return pen.put(f"{glyphs.GOOD} ", "good").put("quiet", "dim").line()
    for index, (text, role) in enumerate(loud):
        pen.put(text.removeprefix(" · ") if not index else text, role)
    if width >= 50 and (first := _loud_alerts(model)):
        pen.put(f"  {fit_middle(shown(first[0].policy, 60), max(6, width - pen.width - 2))}", "dim")
    return pen.line()


def _loud_alerts(model: FleetModel) -> list[AlertReport]:
    loud = (AlertState.FIRING, AlertState.PENDING)
    return sorted((alert for alert in model.fleet.alerts.value or () if alert.state in loud), key=alerts.order)


def _alert_rows(model: FleetModel, width: int) -> list[Line]:
    return [
        (("  ", ""), *line) for line in (alerts.one(alert, model.now, width - 2) for alert in _loud_alerts(model)[:4])
    ]


def _last_change(model: FleetModel, width: int) -> Line:
    if model.fleet.changes.value is None:
        return _unknown("changed", model, "changes")
    if not model.fleet.changes.value:
        return _labelled("changed").put("nothing lately", "dim").line()
    change = model.fleet.changes.value[0]
    old = None if model.now is None else max(0.0, (model.now - change.at).total_seconds())
    pen = _labelled("changed").put(
        f"{formats.age(old)} ago ", "accent" if old is not None and old < changes.RECENT_S else "text"
    )
    text = shown(f"{change.service} {change.what}", 200)
    room = width - pen.width
    return pen.cell(text, room, "text").line() if room > 8 else pen.line()


def _other_changes(model: FleetModel, width: int, limit: int) -> list[Line]:
    return [
        (("  ", ""), *changes.line(change, model.now, width - 2))
        for change in (model.fleet.changes.value or ())[1 : 1 + limit]
    ]
