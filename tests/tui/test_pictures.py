"""A few screens as pictures, at one frozen moment; the rest is asserted on text."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
import samples
from acting import acting, released, rollout, seen
from standing import WAIT_S
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
        await _until(app, pilot, shown)
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


RELEASES = {
    "release": ((160, 45), ("v",), "Undo target"),
    "release-small": ((80, 24), ("v",), "Undo target"),
    "rollback": ((160, 45), ("B",), "checked 4 s ago"),
    "rollback-small": ((80, 24), ("B",), "checked 4 s ago"),
}
"""Size, keys from the fleet on, and what is there when the picture is complete."""


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_and_its_rollback_look_as_they_were_approved(name: str, snap_compare: Compare) -> None:
    size, keys, shown = RELEASES[name]
    fleet = released(rollout())
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet)
    desk.answer = desk.proposal
    app = BrconsoleApp(console)

    async def ready(pilot: Pilot[None]) -> None:
        await _until(app, pilot, "Services")
        await pilot.press(*keys)
        await _until(app, pilot, shown)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


async def _until(app: BrconsoleApp, pilot: Pilot[None], shown: str) -> None:
    """Let the application run until a text stands on the screen."""
    end = monotonic() + WAIT_S
    while shown not in _text(app):
        assert monotonic() < end, f"“{shown}” never came; the screen shows\n{_text(app)}"
        await pilot.pause()


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
