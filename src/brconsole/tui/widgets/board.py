"""The board: one widget that paints a whole screen from lines, and repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from brconsole.tui.glyphs import to_ascii
from brconsole.tui.paint import EMPTY, Line
from brconsole.tui.themes import Palette

Page = Callable[[int, int], Sequence[Line]]
"""The lines of a screen of this width and height."""


class Board(Widget):
    """Paints a page. Hundreds of small widgets would cost layout, styles and garbage at every refresh; lines do not."""

    ALLOW_SELECT = False

    def __init__(self, page: Page, palette: Callable[[], Palette], *, ascii_only: bool = False) -> None:
        super().__init__()
        self._page = page
        self._palette = palette
        self._ascii = ascii_only
        self._lines: list[Line] = []
        self._painted_size = (0, 0)
        self._painted_with: Palette | None = None

    def repaint(self) -> None:
        """Make the page anew and repaint the lines that differ."""
        width, height = self.size
        if not width or not height:
            return
        before, self._lines = self._lines, list(self._page(width, height))
        if self._painted_size != (width, height) or self._painted_with is not self._palette():
            self._painted_size = (width, height)
            self._painted_with = self._palette()
            self.refresh()
            return
        changed = [
            Region(0, y, width, 1)
            for y in range(height)
            if (self._lines[y] if y < len(self._lines) else EMPTY) != (before[y] if y < len(before) else EMPTY)
        ]
        if changed:
            self.refresh(*changed)

    def on_resize(self, event: Resize) -> None:
        """A new size is a new page."""
        event.stop()
        self.repaint()

    def render_line(self, y: int) -> Strip:
        """One line in the theme's colours."""
        width = self.size.width
        if self._painted_size != (width, self.size.height):
            self._lines = list(self._page(width, self.size.height))
            self._painted_size = (width, self.size.height)
            self._painted_with = self._palette()
        palette = self._palette()
        line = self._lines[y] if y < len(self._lines) else EMPTY
        strip = Strip([Segment(self._safe(text), palette.style(role)) for text, role in line])
        return strip.adjust_cell_length(width, palette.base)

    def _safe(self, text: str) -> str:
        """The last gate before the terminal: nothing that could move the cursor or begin a sequence passes."""
        if not text.isprintable():
            text = "".join(character if character.isprintable() else "\ufffd" for character in text)
        return to_ascii(text) if self._ascii else text
