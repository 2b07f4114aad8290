"""Charts of block elements: a filled area for what is stable and lines over it for what is compared with it.

Axis labels, gaps as gaps, and at the newest point of each series its mark from the legend, so that two series differ
without colour. Block elements, not braille: every terminal font has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, log10

from brconsole.tui import glyphs
from brconsole.tui.paint import Line, Pen, Span


@dataclass(frozen=True, slots=True)
class Curve:
    """One series of a chart, oldest value first; None is a gap."""

    values: Sequence[float | None]
    role: str
    mark: str = glyphs.MARKS[0]


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The newest moment of a chart and how much of time it shows."""

    end: datetime | None
    span_s: int


def nice_top(value: float) -> float:
    """The next round number at or above a value, so that the scale does not tremble with each point."""
    if value <= 0:
        return 1.0
    magnitude = 10.0 ** floor(log10(value))
    return next(step * magnitude for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * magnitude * 1.0000001)


def chart(
    curves: Sequence[Curve],
    width: int,
    height: int,
    axis: TimeAxis,
    label: Callable[[float], str],
    least_top: float = 0.0,
) -> list[Line]:
    """Rows of a chart: the plot with its scale at the left, and a last row with the time."""
    rows = height - 1
    known = [value for curve in curves for value in curve.values if value is not None]
    top = nice_top(max([least_top, *known], default=1.0) if known or least_top else 1.0)
    labels = {0: label(top), rows - 1: label(0.0)}
    if rows >= 5:
        labels[(rows - 1) // 2] = label(top / 2)
    gutter = max(len(text) for text in labels.values())
    columns = width - gutter - 1
    if columns < 4 or rows < 1:
        return []
    cells = _plot(curves, columns, rows, top) if known else {}
    lines: list[Line] = []
    for row in range(rows):
        pen = Pen().cell(labels.get(row, ""), gutter, "dim", right=True).put("┤" if row in labels else "│", "faint")
        if not known and row == rows // 2:
            pen.put("no points in this hour".center(columns)[:columns], "dim")
        else:
            _row(pen, cells, row, columns)
        lines.append(pen.line())
    lines.append(_times(axis, gutter, columns))
    return lines


def _plot(curves: Sequence[Curve], columns: int, rows: int, top: float) -> dict[tuple[int, int], Span]:
    """The first curve as an area, the others as lines over it: is the line above the area?"""
    cells: dict[tuple[int, int], Span] = {}
    for index, curve in enumerate(curves):
        if index:
            _draw_line(cells, curve, columns, rows, top)
        else:
            _draw_area(cells, curve, columns, rows, top)
    marks: dict[tuple[int, int], Span] = {}
    for index, curve in enumerate(curves):
        parts = 2 if index else 8
        heights = _heights(curve.values, columns, rows * parts, top)
        newest = next((x for x in range(len(heights) - 1, -1, -1) if heights[x] is not None), None)
        if newest is not None:
            place = (newest, rows - 1 - (heights[newest] or 0) // parts)
            while place in marks and place[0] > 0:
                place = (place[0] - 1, place[1])
            covered = cells.get(place, ("", ""))[1].endswith((" area", " on-area"))
            marks[place] = (curve.mark, f"{curve.role} bold" + (" on-area" if covered else ""))
    return {**cells, **marks}


def _draw_area(cells: dict[tuple[int, int], Span], curve: Curve, columns: int, rows: int, top: float) -> None:
    for x, eighths in enumerate(_heights(curve.values, columns, rows * 8, top)):
        if eighths is None:
            continue
        whole, part = divmod(eighths, 8)
        for row in range(whole):
            cells[x, rows - 1 - row] = (glyphs.BAR, f"{curve.role} area")
        cells[x, rows - 1 - whole] = (glyphs.SPARKS[part], curve.role)


def _draw_line(cells: dict[tuple[int, int], Span], curve: Curve, columns: int, rows: int, top: float) -> None:
    quarters: dict[tuple[int, int], int] = {}
    before: int | None = None
    for x, y in enumerate(_heights(curve.values, columns * 2, rows * 2, top)):
        if y is None:
            before = None
            continue
        low, high = (y, y) if before is None else (min(y, before), max(y, before))
        if before is not None and high - low > 1:  # a steep step is drawn once, on the side of the newer point
            low, high = (before + 1, y) if y > before else (y, before - 1)
        for dot in range(low, high + 1):
            place = (x // 2, rows - 1 - dot // 2)
            quarters[place] = quarters.get(place, 0) | 1 << (x % 2 + (0 if dot % 2 else 2))
        before = y
    for place, pattern in quarters.items():
        under = cells.get(place)
        covered = under is not None and under[0] == glyphs.BAR and under[1].endswith(" area")
        cells[place] = (glyphs.QUARTERS[pattern], f"{curve.role} on-area" if covered else curve.role)


def _heights(values: Sequence[float | None], wide: int, high: int, top: float) -> list[int | None]:
    """The height of each column, 0…high-1, on straight lines between neighbouring known points."""
    last = len(values) - 1
    half = 0.5 * last / max(1, wide - 1)
    heights: list[int | None] = []
    for x in range(wide):
        at = x * last / max(1, wide - 1) if last > 0 else 0.0
        left, right = floor(at), ceil(at)
        one, other = (values[left], values[right]) if values else (None, None)
        if one is not None and other is not None:
            value: float | None = one + (other - one) * (at - left)
        else:  # a lone point next to a gap still shows
            nearest, away = (one, at - left) if one is not None else (other, right - at)
            value = nearest if away <= half + 1e-9 else None
        heights.append(None if value is None else min(high - 1, max(0, round(value / top * (high - 1)))))
    return heights


def _row(pen: Pen, cells: dict[tuple[int, int], Span], row: int, columns: int) -> None:
    run, role = "", ""
    for column in range(columns):
        text, own = cells.get((column, row), (" ", role))
        if own != role and run:
            pen.put(run, role)
            run = ""
        run, role = run + text, own
    pen.put(run, role)


def _times(axis: TimeAxis, gutter: int, columns: int) -> Line:
    def at(back_s: float) -> str:
        if axis.end is None:
            return f"-{back_s / 60:.0f}m" if back_s else "now"
        return (axis.end - timedelta(seconds=back_s)).strftime("%H:%M")

    first, last = at(axis.span_s), at(0)
    pen = Pen().put(" " * gutter + "└", "faint").put(first, "dim")
    if columns >= 24:
        middle = at(axis.span_s / 2)
        pen.to(gutter + 1 + columns // 2 - len(middle) // 2).put(middle, "dim")
    return pen.to(gutter + 1 + columns - len(last)).put(last, "dim").line()
