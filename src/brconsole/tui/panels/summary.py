"""The one panel of a small terminal: how the environment is, why, and its services."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brconsole.tui import formats
from brconsole.tui.grid import Box, Panel
from brconsole.tui.paint import Line, Pen, shown, wrap
from brconsole.tui.panels import alerts as alert_panel
from brconsole.tui.panels.frame import panel as framed
from brconsole.tui.state import FleetModel


def panel(model: FleetModel, box: Box, services: Callable[[int, int], Sequence[Line]]) -> Panel:
    """Reasons above, the services below."""
    sign, word, role = model.health_sign()
    trust = model.trust("services", "revisions", "requests")

    def render(width: int, height: int) -> Sequence[Line]:
        reasons = [
            line for reason in model.health.reasons for line in wrap(f"{sign} {shown(reason, 300)}", width, role, 2)
        ]
        room = max(1, min(len(reasons), height - 5))
        lines = reasons[:room] if reasons else []
        table = list(services(width, max(2, height - len(lines) - 2)))
        lines += table
        if height - len(lines) >= 1:
            lines += [()] * max(0, height - len(lines) - 1)
            lines.append(_figures(model))
        return lines[:height]

    number = len(model.health.reasons)
    title = word.lower() if not number else f"{word.lower()}, {number} reason{'s' if number > 1 else ''}"
    return framed(box, title, trust, render)


def _figures(model: FleetModel) -> Line:
    pen = Pen()
    loud = alert_panel.counts(model, short=True)
    pen.put("alerts", "dim").add(loud).put("  ") if loud else pen.put("no alert  ", "dim")
    budgets = [
        slo.budget_remaining_ratio for slo in model.fleet.slos.value or () if slo.budget_remaining_ratio is not None
    ]
    if budgets:
        pen.put(f"budget {formats.whole_percent(min(budgets))}  ", "dim")
    queues = [queue for queue in model.fleet.queues.value or () if queue.depth is not None]
    if queues:
        deepest = max(queues, key=lambda queue: (queue.depth or 0) / queue.alert_depth)
        pen.put(f"queue {shown(deepest.name, 12)} {formats.count(deepest.depth)}  ", "dim")
    if spend := model.fleet.spend.value:
        pen.put(f"spend {formats.whole_percent(spend.share)} ", "dim")
    return pen.line()
