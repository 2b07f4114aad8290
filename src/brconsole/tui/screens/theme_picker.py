"""The theme picker: moving shows a theme at once, escape brings back the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui import chrome, formats, glyphs
from brconsole.tui.actions import Scope
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import Line, Pen, add_role, fit, shown, wrap
from brconsole.tui.screens.base import BoardScreen
from brconsole.tui.theme_files import shipped_folder

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class ThemePicker(BoardScreen):
    """The themes at the left, a sample at the right."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.THEMES, Scope.LIST)

    def __init__(self, app: BrconsoleApp) -> None:
        super().__init__(app)
        self._names = sorted(app.theme_set.themes)
        self._before = app.palette.theme.name
        self._index = self._names.index(self._before) if self._before in self._names else 0

    def page(self, width: int, height: int) -> Sequence[Line]:
        """The list and a sample of its colours."""
        app = self.app
        top = chrome.plain_header(
            "Choose a theme", app.settings.mode, simulated=app.simulated(), clock=formats.clock(app.clock), width=width
        )
        body = height - 1
        left = min(34, width // 2)
        boxes = (Box(0, 0, left, body), Box(left - 1, 0, width - left + 1, body))
        room = body - 2
        first = max(0, self._index - room + 1)
        rows = [self._row(index, boxes[0].inner_width) for index in range(first, min(len(self._names), first + room))]
        panels = (
            Panel(boxes[0], (("Themes", "title"),), (), rows),
            Panel(boxes[1], ((app.palette.theme.name, "title"),), (), self._sample(boxes[1].inner_width, room)),
        )
        return [top, *compose(panels, width, body, "accent")]

    def _row(self, index: int, width: int) -> Line:
        name = self._names[index]
        theme = self.app.theme_set.themes[name]
        line = fit(
            Pen()
            .put(f"{glyphs.CURSOR if index == self._index else ' '} {name}")
            .put("  dark" if theme.dark else "  light", "dim")
            .line(),
            width,
        )
        return add_role(line, "on-cursor bold") if index == self._index else line

    def _sample(self, width: int, height: int) -> list[Line]:
        app = self.app
        lines: list[Line] = [
            Pen()
            .put("▌", "env:dev")
            .put("dev", "badge:dev")
            .put("▐ ", "env:dev")
            .put("▌", "env:staging")
            .put("staging", "badge:staging")
            .put("▐ ", "env:staging")
            .put("▌", "env:prod")
            .put("prod", "badge:prod")
            .put("▐", "env:prod")
            .line(),
            (),
            Pen()
            .put(f"{glyphs.GOOD} healthy  ", "good")
            .put(f"{glyphs.WARN} degraded  ", "warn")
            .put(f"{glyphs.BAD} critical  ", "bad")
            .put(f"{glyphs.UNKNOWN} unknown", "dim")
            .line(),
            (),
            Pen().put("traffic  ", "dim").put("█" * 12, "stable").put("▒" * 4, "canary").put(" 75│25", "canary").line(),
            Pen()
            .put("charts   ", "dim")
            .put("", "")
            .add(tuple((f"{glyphs.MARKS[i]} ━━ ", f"series{i}") for i in range(3)))
            .line(),
            Pen()
            .put("text     ", "dim")
            .put("plain ", "text")
            .put("strong ", "strong")
            .put("dim ", "dim")
            .put("grey ", "grey")
            .line(),
            (),
            (("A row under the cursor", "on-cursor bold"), (" ", "on-cursor")),
        ]
        path = app.palette.theme.path
        origin = "shipped" if path is None or path.is_relative_to(shipped_folder()) else shown(str(path))
        lines += [(), *wrap(origin, width, "dim", 2)]
        for problem in app.theme_set.problems:
            lines += [(), *wrap(f"{glyphs.WARN} {problem}", width, "warn", 3)]
        if app.no_color:
            lines += [(), *wrap("NO_COLOR is set: the colours stay as they are.", width, "warn", 2)]
        return lines[:height]

    def move(self, steps: int) -> None:
        """Try the next theme on."""
        self._index = max(0, min(len(self._names) - 1, self._index + steps))
        if not self.app.no_color:
            self.app.use_theme(self._names[self._index])
        self.repaint()

    def do_theme_use(self, _key: str) -> None:
        """`theme.use`"""
        self.app.close()

    def back(self) -> bool:
        """Bring the theme back that was there before; the picker closes all the same."""
        if not self.app.no_color:
            self.app.use_theme(self._before)
        return False
