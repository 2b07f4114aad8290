"""Where the panels of the fleet stand, for every size. They depend on nothing else, so they never move."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from brconsole.tui.grid import Box

SMALL_WIDTH, SMALL_HEIGHT = 76, 18
"""Below this there is one panel: how the environment is, and why."""
WIDE = 118
CHART_HEIGHT = 8
"""A chart lower than this says less than the rows it would take from the services."""


@lru_cache(maxsize=32)
def fleet_layout(width: int, height: int) -> Mapping[str, Box]:
    """The boxes of a body of this size by panel; a panel without a box is not shown at this size."""
    if width < SMALL_WIDTH or height < SMALL_HEIGHT:
        boxes = {"summary": Box(0, 0, width, height)}
    else:
        boxes = _wide(width, height) if width >= WIDE else _narrow(width, height)
    return MappingProxyType(boxes)


def _narrow(width: int, height: int) -> dict[str, Box]:
    """Services above, two by two below, changes at the foot; for 80x24 and tall narrow windows."""
    content = height - 5  # borders: above the services, between the four bands, below
    budget, queues, changes = (4, 3, 3) if content >= 16 else (3, 3, 3)
    spare = max(0, content - budget - queues - changes - 7)
    budget += min(9, spare // 4)
    queues += min(6, spare // 4)
    changes += min(9, spare // 4)
    services = content - budget - queues - changes
    half = width // 2 + 1
    boxes = {"services": Box(0, 0, width, services + 2)}
    y = services + 1
    boxes["budget"] = Box(0, y, half, budget + 2)
    boxes["alerts"] = Box(half - 1, y, width - half + 1, budget + 2)
    y += budget + 1
    boxes["queues"] = Box(0, y, half, queues + 2)
    boxes["spend"] = Box(half - 1, y, width - half + 1, queues + 2)
    y += queues + 1
    boxes["changes"] = Box(0, y, width, height - y)
    return boxes


def _wide(width: int, height: int) -> dict[str, Box]:
    """Two columns: what runs at the left; budgets, alerts and sources at the right."""
    right = max(40, min(64, width // 3 - 4))
    left = width - right + 1
    tall = max(0, height - 27)
    lower = min(11, 3 + tall // 4)
    changes = min(12, 3 + tall // 5)
    upper = height - 4 - lower - changes  # borders: above, between the three bands, below
    services = upper
    chart = 0
    if upper >= 8 + 1 + CHART_HEIGHT:
        services = 12 if upper >= 12 + 1 + CHART_HEIGHT else max(8, upper - 1 - CHART_HEIGHT)
        services += max(0, upper - services - 1 - 16)  # beyond 16 rows a chart shows no more
        chart = upper - services - 1
    boxes = {"services": Box(0, 0, left, services + 2)}
    y = services + 1
    if chart:
        boxes["chart"] = Box(0, y, left, chart + 2)
        y += chart + 1
    half = left // 2 + 1
    boxes["queues"] = Box(0, y, half, lower + 2)
    boxes["spend"] = Box(half - 1, y, left - half + 1, lower + 2)
    y += lower + 1
    boxes["changes"] = Box(0, y, left, height - y)
    return {**boxes, **_right(left - 1, right, height)}


def _right(x: int, width: int, height: int) -> dict[str, Box]:
    sources = 13 if height >= 40 else 0
    rest = height - max(0, sources - 1)
    budget = rest * 11 // 20 if sources else rest * 12 // 20
    boxes = {"budget": Box(x, 0, width, budget), "alerts": Box(x, budget - 1, width, rest - budget + 1)}
    if sources:
        boxes["sources"] = Box(x, rest - 1, width, sources)
    return boxes
