"""A few screens as pictures, at one frozen moment; the rest is asserted on text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import samples
from textual.pilot import Pilot

from brconsole.domain.fleet import Fleet
from brconsole.tui.app import BrconsoleApp

Compare = Callable[..., bool]

PICTURES = {
    "fleet": ((samples.canary(),), "prod", "bytereview-dark", (120, 40), (), "DEGRADED"),
    "fleet-small": ((samples.canary(),), "prod", "bytereview-dark", (80, 24), (), "DEGRADED"),
    "fleet-light": ((samples.canary(),), "prod", "bytereview-light", (120, 40), (), "DEGRADED"),
    "fleet-partial": ((samples.partial(),), "prod", "bytereview-dark", (120, 40), (), "partial"),
    "fleet-offline": ((samples.offline(),), "prod", "bytereview-dark", (80, 24), (), "offline"),
    "fleet-loading": ((samples.loading(),), "prod", "bytereview-dark", (80, 24), (), "loading"),
    "wall": (samples.wall(), None, "bytereview-dark", (120, 40), (), "partial"),
    "service": ((samples.watched(),), "prod", "bytereview-dark", (120, 40), ("enter",), "DEGRADED"),
    "themes": ((samples.canary(),), "prod", "deuteranopia", (80, 24), ("t",), "DEGRADED"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_screen_looks_as_it_was_approved(name: str, snap_compare: Compare) -> None:
    fleets, start, theme, size, keys, shown = PICTURES[name]
    app = BrconsoleApp(samples.console(*fleets, start=start, theme=theme))

    async def ready(pilot: Pilot[None]) -> None:
        while shown not in _text(app):
            await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


def _text(app: BrconsoleApp) -> str:
    board = app._host().board
    if board is None:
        return ""
    return "\n".join(board.render_line(y).text for y in range(board.size.height))


def test_every_picture_shows_a_sample_and_never_the_wall_clock() -> None:
    for fleets, *_ in PICTURES.values():
        for fleet in fleets:
            assert isinstance(fleet, Fleet)
            assert fleet.now in (samples.NOW, None)
