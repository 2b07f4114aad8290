"""Help: what the screen means, and the keys that work where it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui import chrome, formats, glyphs
from brconsole.tui.actions import Action, Scope, key_name
from brconsole.tui.grid import Box, Panel, compose
from brconsole.tui.paint import Line, Pen, fit, wrap
from brconsole.tui.screens.base import BoardScreen

_SIGNS = (
    (glyphs.GOOD, "good", "well"),
    (glyphs.WARN, "warn", "worth a look: an alert, drift, a slow burn"),
    (glyphs.BAD, "bad", "act: a page fires, nothing ready serves, a source fails"),
    (glyphs.BUSY, "accent", "Cloud Run is applying a change"),
    (glyphs.PENDING, "warn", "an alert is over its threshold, not yet long enough"),
    (formats.UNKNOWN, "dim", "not known: the source could not be read. Never zero, never fine"),
    (formats.NOTHING, "dim", "does not apply: a worker takes no requests"),
)
_TRUST = (
    (f"{glyphs.LIVE} 12 s", "good", "live, and how old the newest point is"),
    (f"{glyphs.STALE} stale · 4 min", "warn", "older than the API's lag and two rounds"),
    (f"{glyphs.PARTIAL} partial", "warn", "one of its sources fails; the others are fresh"),
    (f"{glyphs.BAD} failed · 4 min", "bad", "grey is the last good value; the cause stands below it"),
    (f"{glyphs.LOADING} loading", "dim", "nothing has answered yet"),
)
_PROSE = (
    (
        "Traffic",
        "95│5 is what serves, stable first. 95│5→100│0 is asked for → serving, where the two differ. "
        "█ is stable, ▒ the canary.",
    ),
    (
        "Burn",
        "How many times faster than allowed the error budget is spent, over each window. "
        "1× lasts exactly the period; 14.4× pages.",
    ),
    ("Queues", "Depth against the depth that alerts, age of the oldest job, and when it is empty at this rate."),
    (
        "Spend",
        "┃ is the budget, │ the forecast for the end of the month. "
        "The export lags by hours; its age stands in the border.",
    ),
    ("Filter", 'text · !not · "exact" · name: status: revision: tag: by: note:'),
    ("Mouse", "Click rows and keys; hold shift to select text."),
)


if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class HelpScreen(BoardScreen):
    """One page to scroll."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.LIST,)

    def __init__(self, app: BrconsoleApp, actions: Sequence[Action]) -> None:
        super().__init__(app)
        self._explained = actions
        self._offset = 0
        self._longest = 0

    def page(self, width: int, height: int) -> Sequence[Line]:
        """Keys at the left and prose at the right; one below the other where it is narrow."""
        app = self.app
        settings = app.settings
        top = chrome.plain_header(
            "brconsole help", settings.mode, simulated=app.simulated(), clock=formats.clock(app.clock), width=width
        )
        body = height - 1
        if width >= 100:
            half = width // 2
            boxes = [Box(0, 0, half, body), Box(half - 1, 0, width - half + 1, body)]
            blocks = [self._keys(boxes[0].inner_width), self._meaning(boxes[1].inner_width)]
        else:
            boxes = [Box(0, 0, width, body)]
            blocks = [[*self._keys(width - 4), (), *self._meaning(width - 4)]]
        room = body - 2
        self._longest = max(len(block) for block in blocks)
        self._offset = max(0, min(self._offset, self._longest - room))
        titles = ("Keys that work here", "What it means") if len(boxes) == 2 else ("Help",)
        more: Line = (
            ((f"{self._longest - room - self._offset} more, j", "accent"),)
            if self._longest - room > self._offset
            else ()
        )
        panels = [
            Panel(
                box,
                ((title, "title"),),
                more if index == len(boxes) - 1 else (),
                block[self._offset : self._offset + room],
            )
            for index, (box, title, block) in enumerate(zip(boxes, titles, blocks, strict=True))
        ]
        return [top, *compose(panels, width, body, "line")]

    def move(self, steps: int) -> None:
        """Scroll."""
        self._offset = max(0, min(self._longest, self._offset + steps))
        self.repaint()

    def _keys(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for group in ("Look", "Act", "Go", "Move", "Ask", "Take"):
            members = [action for action in self._explained if action.group == group]
            if not members:
                continue
            lines += [((group, "title"),)] if not lines else [(), ((group, "title"),)]
            for action in members:
                keys = "1…9" if action.id == "env.open" else " ".join(key_name(key) for key in action.keys)
                pen = Pen().put("  ").cell(keys, 13, "key").put(" ")
                command = f":{action.command}" if action.command and width >= 52 else ""
                room = width - pen.width - len(command) - 1
                lines.append(pen.cell(action.title, room, "text").put(" ").put(command, "dim").line())
        return lines

    def _meaning(self, width: int) -> list[Line]:
        lines: list[Line] = [(("A row", "title"),)]
        for sign, role, meaning in _SIGNS:
            lines.append(fit((("  ", ""), (sign, role), (f"  {meaning}", "text")), width))
        lines += [(), (("A panel", "title"),)]
        for sign, role, meaning in _TRUST:
            lines.append(fit(Pen().put("  ").cell(sign, 21, role).put(meaning, "text").line(), width))
        for title, text in _PROSE:
            lines += [(), ((title, "title"),), *(((("  "), ""), *line) for line in wrap(text, width - 2, "text", 6))]
        return lines
