"""Panels in one frame: neighbours share a border, titles and states stand in it.

The outer frame carries the environment's colour; a protected environment's is heavy, so that it differs without
colour too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from brconsole.tui.paint import Line, Span, fit, width_of

_NORTH, _EAST, _SOUTH, _WEST = 1, 2, 4, 8
_LIGHT = {
    _EAST | _WEST: "─",
    _NORTH | _SOUTH: "│",
    _EAST | _SOUTH: "╭",
    _WEST | _SOUTH: "╮",
    _EAST | _NORTH: "╰",
    _WEST | _NORTH: "╯",
    _NORTH | _EAST | _SOUTH: "├",
    _NORTH | _WEST | _SOUTH: "┤",
    _EAST | _SOUTH | _WEST: "┬",
    _EAST | _NORTH | _WEST: "┴",
    _NORTH | _EAST | _SOUTH | _WEST: "┼",
    _EAST: "─",
    _WEST: "─",
    _NORTH: "│",
    _SOUTH: "│",
    0: " ",
}
_HEAVY = {"─": "━", "│": "┃", "╭": "┏", "╮": "┓", "╰": "┗", "╯": "┛", "├": "┠", "┤": "┨", "┬": "┯", "┴": "┷", "┼": "╋"}


@dataclass(frozen=True, slots=True)
class Box:
    """A panel's place, borders included; a neighbour's border may be the same cells."""

    x: int
    y: int
    width: int
    height: int

    @property
    def inner_width(self) -> int:
        """Cells between the borders and a blank at each side."""
        return self.width - 4

    @property
    def inner_height(self) -> int:
        """Rows between the borders."""
        return self.height - 2


@dataclass(frozen=True, slots=True)
class Panel:
    """A box with what stands in it. `title` and `badge` stand in the top border, at its left and right."""

    box: Box
    title: Line
    badge: Line
    body: Sequence[Line]
    focused: bool = False


def compose(
    panels: Sequence[Panel], width: int, height: int, frame_role: str, *, heavy: bool = False, line_role: str = "line"
) -> list[Line]:
    """All rows of the frame with its panels."""
    borders = _borders(tuple(panel.box for panel in panels), width, height, heavy)
    return [_row(y, panels, borders[y], width, height, (frame_role, line_role)) for y in range(height)]


def _row(y: int, panels: Sequence[Panel], border: str, width: int, height: int, roles: tuple[str, str]) -> Line:
    pieces: list[tuple[int, int, Line]] = []
    for panel in panels:
        box = panel.box
        if y == box.y:
            pieces.extend(_heading(panel))
        elif box.y < y < box.y + box.height - 1:
            index = y - box.y - 1
            content = panel.body[index] if index < len(panel.body) else ()
            line = ((" ", ""), *fit(content, box.width - 4), (" ", ""))
            pieces.append((box.x + 1, box.width - 2, line))
    pieces.sort(key=lambda piece: piece[0])
    spans: list[Span] = []
    at = 0
    edge = y in (0, height - 1)
    for x, cells, line in pieces:
        if x > at:
            spans.extend(_run(border, at, x, width, edge, roles))
        spans.extend(line)
        at = x + cells
    spans.extend(_run(border, at, width, width, edge, roles))
    return tuple(spans)


def _heading(panel: Panel) -> list[tuple[int, int, Line]]:
    box = panel.box
    room = box.width - 4
    badge = panel.badge if width_of(panel.badge) + 2 <= room else ()
    badge_cells = width_of(badge) + 2 if badge else 0
    pieces: list[tuple[int, int, Line]] = []
    title_room = room - badge_cells - 2
    if panel.title and title_room > 2:
        title = panel.title if width_of(panel.title) <= title_room else fit(panel.title, title_room)
        pieces.append((box.x + 2, width_of(title) + 2, ((" ", ""), *title, (" ", ""))))
    if badge:
        pieces.append((box.x + box.width - 2 - badge_cells, badge_cells, ((" ", ""), *badge, (" ", ""))))
    return pieces


def _run(border: str, start: int, end: int, width: int, edge: bool, roles: tuple[str, str]) -> list[Span]:
    frame, inner = roles
    if start >= end:
        return []
    if edge:
        return [(border[start:end], frame)]
    spans: list[Span] = []
    if start == 0:
        spans.append((border[0], frame))
        start = 1
    last = min(end, width - 1)
    if start < last:
        spans.append((border[start:last], inner))
    if end == width and end > start:
        spans.append((border[width - 1], frame))
    return spans


@lru_cache(maxsize=64)
def _borders(boxes: tuple[Box, ...], width: int, height: int, heavy: bool) -> tuple[str, ...]:
    cells = [[0] * width for _ in range(height)]

    def join(x: int, y: int, direction: int) -> None:
        if 0 <= x < width and 0 <= y < height:
            cells[y][x] |= direction

    for box in boxes:
        right, bottom = box.x + box.width - 1, box.y + box.height - 1
        for x in range(box.x, right):
            for y in (box.y, bottom):
                join(x, y, _EAST)
                join(x + 1, y, _WEST)
        for y in range(box.y, bottom):
            for x in (box.x, right):
                join(x, y, _SOUTH)
                join(x, y + 1, _NORTH)
    rows = ["".join(_LIGHT[cell] for cell in row) for row in cells]
    if not heavy:
        return tuple(rows)
    return tuple(
        "".join(
            _HEAVY.get(character, character) if y in (0, height - 1) or x in (0, width - 1) else character
            for x, character in enumerate(row)
        )
        for y, row in enumerate(rows)
    )
