"""The sources: which API each comes from, how old it is, and how much of the quota looking takes."""

from __future__ import annotations

from brconsole.domain.freshness import SourceState
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, pages, shown
from brconsole.tui.state import FleetModel

_SIGNS = {
    SourceState.LIVE: (glyphs.LIVE, "live", "good"),
    SourceState.STALE: (glyphs.STALE, "stale", "warn"),
    SourceState.FAILED: (glyphs.BAD, "failed", "bad"),
    SourceState.NEVER: (glyphs.LOADING, "loading", "dim"),
}
_LATE = {SourceState.FAILED: 0, SourceState.STALE: 1, SourceState.NEVER: 2, SourceState.LIVE: 3}


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """One row a source, what fails first; where there is room, the calls of each API below."""
    names = sorted(model.fleet.sources, key=lambda name: _LATE[model.source_state(name)])
    rows = [_source(model, name, width) for name in names]
    uses = [
        Pen()
        .cell(use.api, width - 24, "dim")
        .cell(f"{use.calls_per_minute} calls/min", 14, "text", right=True)
        .cell(f"of {formats.count(use.limit_per_minute)}", 10, "dim", right=True)
        .line()
        for use in model.fleet.api_use
    ]
    if uses and height >= len(rows) + len(uses) + 1:
        rows += [(), *uses]
    return pages(rows, height)


def _source(model: FleetModel, name: str, width: int) -> Line:
    state = model.source_state(name)
    sign, word, role = _SIGNS[state]
    old = formats.age(model.fleet.reading(name).age_s(model.now))
    pen = Pen().put(f"{sign} ", role).cell(name.replace("_", " "), 20 if width >= 48 else 14, "text")
    pen.cell(shown(model.fleet.sources[name].api, 40), max(6, width - pen.width - 15), "dim").put(" ")
    return pen.cell(word, 7, role).cell(old if old != formats.UNKNOWN else formats.NOTHING, 7, "dim", right=True).line()
