"""Lines made of spans: what the panels hand to the board, free of any colour, terminal or toolkit.

A span is a text and its role ("warn", "dim bold"); the palette of a theme gives the role its style. Texts from
outside pass `shown`
first, so that a span never holds a control character and its width is what the terminal makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

from brconsole.domain.text import clean
from brconsole.tui import glyphs

Span = tuple[str, str]
Line = tuple[Span, ...]

EMPTY: Line = ()

_VARIATION = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]")
"""Selectors and skin tones: they change a glyph's width in some terminals and not in others."""
_FLAG_LETTERS = {0x1F1E6 + index: chr(ord("A") + index) for index in range(26)}
"""Two of them are a flag of two cells in one terminal and two letters of four in another; as letters they are sure."""


def shown(text: str, longest: int = 300) -> str:
    """Foreign text as it may stand on the screen: harmless, on one line, and without selectors that change a glyph's
    width.
    """
    cleaned = clean(text, longest)
    return cleaned if cleaned.isascii() else _VARIATION.sub("", cleaned.translate(_FLAG_LETTERS))


def width_of(line: Line) -> int:
    """Cells of a line."""
    return sum(cell_len(text) for text, _ in line)


def fit_text(text: str, width: int) -> str:
    """Text of exactly `width` cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def fit_middle(text: str, width: int) -> str:
    """Text of at most `width` cells that keeps its end, where names of revisions and projects differ."""
    if cell_len(text) <= width:
        return text
    if width < 5 or not text.isascii():
        return fit_text(text, width).rstrip()
    tail = (width - 1) * 2 // 3
    return text[: width - 1 - tail] + "…" + text[-tail:]


def fit(line: Line, width: int) -> Line:
    """A line of exactly `width` cells: padded, or cut with an ellipsis."""
    used = width_of(line)
    if used == width:
        return line
    if used < width:
        return (*line, (" " * (width - used), ""))
    spans: list[Span] = []
    left = width
    for text, role in line:
        cells = cell_len(text)
        if cells < left:
            spans.append((text, role))
            left -= cells
            continue
        spans.append((set_cell_size(text, left - 1) + "…" if left > 0 else "", role))
        break
    return tuple(spans)


def cut(line: Line, start: int, end: int) -> Line:
    """The cells from `start` up to `end` of a line; a wide character at a cut becomes blanks."""
    spans: list[Span] = []
    at = 0
    for text, role in line:
        cells = cell_len(text)
        first, last = max(start - at, 0), min(end - at, cells)
        if first < last:
            whole = first == 0 and last == cells
            spans.append((text if whole else _cells(text, first, last), role))
        at += cells
    return tuple(spans)


def _cells(text: str, first: int, last: int) -> str:
    if text.isascii():
        return text[first:last]
    kept, at = "", 0
    for character in text:
        cells = cell_len(character)
        if at >= first and at + cells <= last:
            kept += character
        elif at < last and at + cells > first:
            kept += " " * (min(last, at + cells) - max(first, at))
        at += cells
    return kept


def recolour(line: Line, role: str) -> Line:
    """The same text in one role."""
    return tuple((text, role) for text, _ in line)


def add_role(line: Line, role: str) -> Line:
    """The same line with one more role on every span, such as the cursor's."""
    return tuple((text, f"{own} {role}" if own else role) for text, own in line)


class Pen:
    """Writes one line from left to right."""

    __slots__ = ("_spans", "width")

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self.width = 0

    def put(self, text: str, role: str = "") -> Pen:
        """Write text as it stands."""
        if text:
            self._spans.append((text, role))
            self.width += cell_len(text)
        return self

    def cell(self, text: str, width: int, role: str = "", *, right: bool = False) -> Pen:
        """Write text into exactly `width` cells."""
        if width <= 0:
            return self
        cells = cell_len(text)
        if cells > width:
            text = fit_text(text, width)
        elif right:
            text = " " * (width - cells) + text
        else:
            text += " " * (width - cells)
        self._spans.append((text, role))
        self.width += width
        return self

    def add(self, line: Line) -> Pen:
        """Write a ready line."""
        self._spans.extend(line)
        self.width += width_of(line)
        return self

    def to(self, column: int, role: str = "") -> Pen:
        """Move on to a column; does nothing where the pen is past it."""
        return self.put(" " * max(0, column - self.width), role)

    def line(self) -> Line:
        """What was written."""
        return tuple(self._spans)


def ends(left: Line, right: Line, width: int) -> Line:
    """Two lines at both ends of `width` cells; the left one is cut where there is not room for both."""
    room = width - width_of(right) - 2
    if room < 1:
        return fit(right, width)
    return (*fit(left, room), ("  ", ""), *right)


def wrap(text: str, width: int, role: str = "", limit: int = 3) -> list[Line]:
    """Text broken at blanks into at most `limit` lines; the last one is cut."""
    lines: list[str] = []
    words = text.split(" ")
    current = ""
    for index, word in enumerate(words):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if len(lines) == limit - 1:
            current = fit_text(" ".join(([current] if current else []) + words[index:]), width)
            break
        if current:
            lines.append(current)
        current = word
        while cell_len(current) > width and len(lines) < limit - 1:
            head = set_cell_size(current, width)
            lines.append(head)
            current = current[len(head.rstrip()) or 1 :]
    lines.append(fit_text(current, width) if cell_len(current) > width else current)
    return [((line, role),) for line in lines[:limit]]


def bar(
    share: float | None,
    width: int,
    role: str,
    rest: str = glyphs.BAR_REST,
    rest_role: str = "faint",
    solid: str = glyphs.BAR,
) -> Line:
    """A bar filled to `share` (0…1, more is full), in eighths of a cell where it is solid; nothing known is a dotted
    track.
    """
    if share is None:
        return ((UNKNOWN_TRACK * width, "faint"),)
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    if solid != glyphs.BAR:
        cells = max(1 if share > 0 else 0, round(eighths / 8))
        return ((solid * cells, role), (rest * (width - cells), rest_role))
    whole, part = divmod(eighths, 8)
    filled = glyphs.BAR * whole + (glyphs.BAR_EIGHTHS[part] if part else "")
    return ((filled, role), (rest * (width - len(filled)), rest_role))


UNKNOWN_TRACK = "·"


def sparkline(values: Sequence[float | None], width: int, role: str, top: float | None = None) -> Line:
    """The newest `width` columns of a history; a gap stays blank, zero is the lowest block. Longer histories are
    averaged.
    """
    if width <= 0:
        return EMPTY
    columns = resample(values, width)
    known = [value for value in columns if value is not None]
    highest = max(top or 0.0, max(known, default=0.0))
    marks = "".join(
        " " if value is None else glyphs.SPARKS[min(7, int(value / highest * 7.999))] if highest else glyphs.SPARKS[0]
        for value in columns
    )
    return ((" " * (width - len(marks)) + marks, role),)


def resample(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` means over equal stretches of the values, oldest first; a stretch of gaps is a gap."""
    if len(values) <= width:
        return list(values)
    columns: list[float | None] = []
    for column in range(width):
        first = column * len(values) // width
        stretch = [
            value for value in values[first : max(first + 1, (column + 1) * len(values) // width)] if value is not None
        ]
        columns.append(sum(stretch) / len(stretch) if stretch else None)
    return columns


def pages(lines: Iterable[Line], height: int, more_role: str = "dim") -> list[Line]:
    """The first lines that fit; where some do not, the last one says how many are missing."""
    every = list(lines)
    if len(every) <= height:
        return every
    if height <= 0:
        return []
    hidden = len(every) - height + 1
    return [*every[: height - 1], ((f"  … {hidden} more", more_role),)]
