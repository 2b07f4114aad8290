"""What every panel shares: its heading, its loading state, and how it says that a source fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brconsole.tui import glyphs
from brconsole.tui.grid import Box, Panel
from brconsole.tui.paint import Line, add_role, fit, wrap
from brconsole.tui.state import PanelTrust, Trust

LOW = 6
_SKELETON = (0.62, 0.38, 0.5, 0.28, 0.44)


def panel(
    box: Box,
    title: str,
    trust: PanelTrust,
    render: Callable[[int, int], Sequence[Line]],
    *,
    focused: bool = False,
    note: Line = (),
) -> Panel:
    """A panel whose content follows its trust: a skeleton while nothing is known, grey where the source fails, the
    cause below.
    """
    heading: Line = (((f"{glyphs.CURSOR} " if focused else "") + title, "title under" if focused else "title"), *note)
    return Panel(box, heading, trust.badge(), _body(box, trust, render), focused)


def _body(box: Box, trust: PanelTrust, render: Callable[[int, int], Sequence[Line]]) -> list[Line]:
    width, height = box.inner_width, box.inner_height
    if trust.trust is Trust.ABSENT:
        return wrap("Not set up for this environment.", width, "dim", height)
    if trust.trust is Trust.LOADING:
        return [*causes(trust, width, 2), *skeleton(width, height)][:height]
    if not trust.causes:
        return list(render(width, height))
    if trust.age_s is None and trust.grey:
        return causes(trust, width, min(height, 6))
    below = causes(trust, width, 2 if trust.grey and height >= LOW else 1)[: max(0, height - 1)]
    if trust.trust is Trust.PARTIAL and height <= LOW:
        below = []  # every row is needed; the border says it, and the panels of the failing source say why
    room = height - len(below)
    lines = list(render(width, height if height < LOW else room))[
        :room
    ]  # a low panel cuts its rows, it does not count them
    if trust.grey:
        lines = [greyed(line) for line in lines]
    lines += [()] * (height - len(below) - len(lines))
    return lines + below


def greyed(line: Line) -> Line:
    """Without its colours; what is filled stays paler than what is drawn over it."""
    return tuple((text, "faint" if role.endswith(" area") else "grey") for text, role in line)


def causes(trust: PanelTrust, width: int, limit: int) -> list[Line]:
    """The sentence of what failed; of several the first, and how many more there are."""
    if not trust.causes or limit < 1:
        return []
    more = len(trust.causes) - 1
    tail = f" (and {more} more like it)" if more else ""
    role = "bad" if trust.grey else "warn"
    lines = wrap(trust.causes[0] + tail, width - 2, "text", limit)
    return [((glyphs.BAD + " ", role) if not index else ("  ", ""), *line) for index, line in enumerate(lines)]


def skeleton(width: int, height: int) -> list[Line]:
    """Where values will stand, plainly not values."""
    rows = min(height, len(_SKELETON))
    return [((glyphs.BAR_REST * max(3, int(width * share)), "faint"),) for share in _SKELETON[:rows]]


def highlight(line: Line, width: int, *, bold: bool = True) -> Line:
    """A row under the cursor."""
    return add_role(fit(line, width), "on-cursor bold" if bold else "on-cursor")
