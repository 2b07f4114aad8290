"""Queues: how deep, how old, and whether they drain."""

from __future__ import annotations

from brconsole.domain.queue import QueueReport, QueueStatus
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, bar, fit_middle, pages, shown, sparkline
from brconsole.tui.state import FleetModel

_SIGNS = {
    QueueStatus.OK: (glyphs.GOOD, "good"),
    QueueStatus.WARN: (glyphs.WARN, "warn"),
    QueueStatus.CRITICAL: (glyphs.BAD, "bad"),
    QueueStatus.UNKNOWN: (formats.UNKNOWN, "dim"),
}


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """One, two or three rows a queue."""
    queues = model.fleet.queues.value or ()
    if not queues:
        return [(("No queue reports a depth.", "dim"),)]
    if height >= len(queues) * 3 - 1 and width >= 34:
        spaced = [line for queue in queues for line in (*_two(queue, width), ())]
        return spaced[:-1]
    if height >= len(queues) * 2 and width >= 34:
        return [line for queue in queues for line in _two(queue, width)]
    return pages([_one(queue, width) for queue in queues], height)


def _one(queue: QueueReport, width: int) -> Line:
    sign, role = _SIGNS[queue.status]
    depth = formats.count(queue.depth)
    oldest = formats.duration(queue.oldest_age_s)
    moving, moving_role = formats.movement(queue)
    name_width = max(6, min(len(shown(queue.name, 40)), 12, width // 4))
    pen = Pen().put(f"{sign} ", role).cell(fit_middle(shown(queue.name, 40), name_width), name_width, "text").put(" ")
    tail_width = 7 + 1 + 7
    moving_width = 18 if width - pen.width - tail_width >= 18 + 6 else 0
    spark = max(0, min(16, width - pen.width - tail_width - (moving_width + 1 if moving_width else 0) - 1))
    pen.add(_history(queue, spark, role)).put(" " if spark else "")
    pen.cell(depth, 7, role if queue.status is not QueueStatus.OK else "text", right=True)
    pen.cell(oldest, 8, "dim", right=True)
    if moving_width:
        pen.put(" ").cell(moving, moving_width, moving_role)
    return pen.line()


def _two(queue: QueueReport, width: int) -> list[Line]:
    sign, role = _SIGNS[queue.status]
    moving, moving_role = formats.movement(queue)
    name = fit_middle(shown(queue.name, 40), max(6, width // 3))
    head = (
        Pen()
        .put(f"{sign} ", role)
        .put(name, "strong")
        .put(f"  {formats.count(queue.depth)}", role if role != "good" else "text")
    )
    right = Pen().put(moving, moving_role)
    limit = f" of {formats.count(queue.alert_depth)}"
    if head.width + len(limit) + right.width < width:
        head.put(limit, "dim")
    if width - head.width - right.width >= 18:
        right.put(f"   oldest {formats.duration(queue.oldest_age_s)}", "dim")
    elif width - head.width - right.width >= 10:
        right.put(f"  {formats.duration(queue.oldest_age_s)}", "dim")
    head.to(width - right.width).add(right.line())
    below = Pen().put("  ")
    gauge = max(6, min(20, width // 4))
    share = None if queue.depth is None else queue.depth / queue.alert_depth
    rates = f"  in {formats.rate(queue.arrivals_per_s)}/s out {formats.rate(queue.completions_per_s)}/s"
    spark = width - 2 - gauge - 2 - (len(rates) if width >= 48 else 0)
    below.add(_history(queue, spark, role)).put("  ").add(bar(share, gauge, role))
    if width >= 48:
        below.put(rates, "dim")
    return [head.line(), below.line()]


def _history(queue: QueueReport, width: int, role: str) -> Line:
    if queue.depth_history is None:
        return ((" " * width, ""),)
    values = queue.depth_history.values
    highest = max((value for value in values if value is not None), default=0.0)
    return sparkline(values, width, "spark" if role == "good" else role, highest * 1.15)
