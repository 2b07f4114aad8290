"""Where the panels of the fleet stand, for every size. For one size they never move, whatever they show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from brconsole.tui.grid import Box

SMALL_WIDTH, SMALL_HEIGHT = 76, 18
"""Below this there is one panel: how the environment is, and why."""
WIDE = 118


@dataclass(frozen=True, slots=True)
class FleetLayout:
    """A box by panel name; a panel without a box is not shown at this size."""

    boxes: dict[str, Box]
    row_lines: int
    """Rows a service takes: 1, or 2 with its detail."""


@lru_cache(maxsize=32)
def fleet_layout(width: int, height: int, services: int) -> FleetLayout:
    """The panels of the fleet for a body of this size. `services` only decides how tall their table is."""
    if width < SMALL_WIDTH or height < SMALL_HEIGHT:
        return FleetLayout({"summary": Box(0, 0, width, height)}, 1)
    return _wide(width, height, services) if width >= WIDE else _narrow(width, height, services)


def _narrow(width: int, height: int, services: int) -> FleetLayout:
    """Services above, two by two below, changes at the foot; for 80x24."""
    content = height - 5  # borders: above the services, between the four bands, below
    changes, spend, budget = 3, 2, 2
    table = content - changes - spend - budget
    wanted = services + 1
    spare = max(0, table - wanted)
    if spare:
        budget += min(4, (spare + 2) // 3)
        spend += min(4, (spare + 1) // 3)
        changes += min(6, spare // 3)
        table = content - changes - spend - budget
    half = width // 2 + 1
    y = 0
    boxes = {"services": Box(0, y, width, table + 2)}
    y += table + 1
    boxes["budget"] = Box(0, y, half, budget + 2)
    boxes["alerts"] = Box(half - 1, y, width - half + 1, budget + 2)
    y += budget + 1
    boxes["queues"] = Box(0, y, half, spend + 2)
    boxes["spend"] = Box(half - 1, y, width - half + 1, spend + 2)
    y += spend + 1
    boxes["changes"] = Box(0, y, width, height - y)
    return FleetLayout(boxes, 1)


def _wide(width: int, height: int, services: int) -> FleetLayout:
    """Two columns: what runs at the left, budgets and alerts at the right."""
    right = max(38, min(58, width // 3 - 4))
    left = width - right + 1
    changes = 3 if height < 34 else 5 if height < 44 else 7 if height < 54 else 10
    lower = 3 if height < 34 else 6 if height < 44 else 8 if height < 54 else 11
    content = height - 4  # borders: above, between the three bands, below
    upper = content - changes - lower
    row_lines = 2 if upper >= services * 2 + 1 and width >= 140 and height >= 34 else 1
    table = min(upper, max(6, services * row_lines + 1))
    chart = upper - table - 1
    if chart < 7:
        table, chart = upper, 0
    boxes = {"services": Box(0, 0, left, table + 2)}
    y = table + 1
    if chart:
        boxes["chart"] = Box(0, y, left, chart + 2)
        y += chart + 1
    half = left // 2 + 1
    boxes["queues"] = Box(0, y, half, lower + 2)
    boxes["spend"] = Box(half - 1, y, left - half + 1, lower + 2)
    y += lower + 1
    boxes["changes"] = Box(0, y, left, height - y)
    budget = height * 6 // 10
    boxes["budget"] = Box(left - 1, 0, right, budget)
    boxes["alerts"] = Box(left - 1, budget - 1, right, height - budget + 1)
    return FleetLayout(boxes, row_lines)
