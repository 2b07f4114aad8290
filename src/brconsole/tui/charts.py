"""Charts of braille dots, by span: axis labels, gaps as gaps, and a mark at the newest point of each series.

The mark is also in the legend, so that two series differ without colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, log10

from brconsole.tui import glyphs
from brconsole.tui.paint import Line, Pen, Span

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


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
    curves: Sequence[Curve], width: int, height: int, axis: TimeAxis, label: Callable[[float], str], least_top: float = 0.0
) -> list[Line]:
    """Rows of a chart: the plot with its scale at the left, and a last row with the time."""
    rows = height - 1
    known = [value for curve in curves for value in curve.values if value is not None]
    top = nice_top(max([least_top, *known], default=1.0) if known or least_top else 1.0)
    labels = {0: label(top), rows - 1: label(0.0)}
    if rows >= 5:
        labels[(rows - 1) // 2] = label(top * (1 - ((rows - 1) // 2 + 0.5) / rows))
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


def _row(pen: Pen, cells: dict[tuple[int, int], Span], row: int, columns: int) -> None:
    run, role = "", ""
    for column in range(columns):
        text, own = cells.get((column, row), (" ", role))
        if own != role and run:
            pen.put(run, role)
            run = ""
        run, role = run + text, own
    pen.put(run, role)


def _plot(curves: Sequence[Curve], columns: int, rows: int, top: float) -> dict[tuple[int, int], Span]:
    patterns: dict[tuple[int, int], tuple[int, str]] = {}
    marks: dict[tuple[int, int], Span] = {}
    for curve in curves:
        heights = _heights(curve.values, columns * 2, rows * 4, top)
        before: int | None = None
        for x, y in enumerate(heights):
            if y is None:
                before = None
                continue
            low, high = (y, y) if before is None else (min(y, before), max(y, before))
            if before is not None and high - low > 1:  # a steep step is drawn once, on the side of the newer point
                low, high = (before + 1, y) if y > before else (y, before - 1)
            for dot in range(low, high + 1):
                place = (x // 2, rows - 1 - dot // 4)
                pattern, _ = patterns.get(place, (0, ""))
                patterns[place] = (pattern | _DOTS[x % 2][3 - dot % 4], curve.role)
            before = y
        newest = next((x for x in range(len(heights) - 1, -1, -1) if heights[x] is not None), None)
        if newest is not None:
            place = (newest // 2, rows - 1 - (heights[newest] or 0) // 4)
            while place in marks and place[0] > 0:
                place = (place[0] - 1, place[1])
            marks[place] = (curve.mark, f"{curve.role} bold")
    cells: dict[tuple[int, int], Span] = {
        place: (chr(0x2800 + pattern), role) for place, (pattern, role) in patterns.items()
    }
    cells.update(marks)
    return cells


def _heights(values: Sequence[float | None], dots_wide: int, dots_high: int, top: float) -> list[int | None]:
    """The dot row of each dot column, straight lines between neighbouring known points."""
    last = len(values) - 1
    heights: list[int | None] = []
    for x in range(dots_wide):
        at = x * last / max(1, dots_wide - 1) if last > 0 else 0.0
        left, right = floor(at), ceil(at)
        one, other = (values[left], values[right]) if values else (None, None)
        if one is not None and other is not None:
            value: float | None = one + (other - one) * (at - left)
        else:  # a lone point next to a gap still shows
            nearest = (one if at - left < 0.5 else other) if left != right else one
            value = nearest if nearest is not None and abs(at - round(at)) < 0.5 * last / max(1, dots_wide - 1) + 1e-9 else None
        heights.append(None if value is None else min(dots_high - 1, max(0, round(value / top * (dots_high - 1)))))
    return heights


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
