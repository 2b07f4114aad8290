"""A release in the console, on the embedded Google Cloud: started, stepped and rolled back by keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from embedded import EmbeddedCloud, embedded_cloud

from brconsole.config.load import load
from brconsole.domain.intent import Phase, Rollout, intent_of
from brconsole.operations.background import BackgroundFeed, FeedThread
from brconsole.operations.background_desk import BackgroundDesk, SharedClouds
from brconsole.operations.journal import Journal
from brconsole.operations.modes import Modes
from brconsole.operations.ports import Cloud
from brconsole.tui.app import BrconsoleApp
from brconsole.tui.console import Console
from brconsole.wiring import ConnectionOptions, open_cloud

SPEED = 20.0
WITHIN_S = 60.0


async def who(_: Cloud) -> str:
    return "ana@example.com"


class Sitting:
    """A person in front of the console."""

    def __init__(self, app: BrconsoleApp, pilot: object, desk: BackgroundDesk) -> None:
        self.app = app
        self.pilot = pilot
        self.desk = desk

    def text(self) -> str:
        board = self.app._host().board
        assert board is not None
        return "\n".join(board.render_line(y).text for y in range(board.size.height))

    async def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < end, f"{what} never came; the screen shows\n{self.text()}"
            await self.pilot.pause(0.02)  # type: ignore[attr-defined]

    async def shown(self, text: str) -> None:
        await self.until(lambda: text in self.text(), text)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)  # type: ignore[attr-defined]

    def state(self) -> Rollout | None:
        view = self.desk.seen("api").view
        found = None if view is None else intent_of(view.service)
        return found if isinstance(found, Rollout) else None


def console_on(cloud: EmbeddedCloud, folder: Path) -> tuple[Console, BackgroundDesk, FeedThread, Journal]:
    loaded = load(None, {}, folder, {}, ())
    environment = loaded.environment("prod")
    options: ConnectionOptions = cloud.options(8.0)
    thread = FeedThread()
    clouds = SharedClouds(partial(open_cloud, options=options))
    feed = BackgroundFeed(environment, clouds.open, thread)
    modes, journal = Modes(environment, None), Journal(folder / "state")
    desk = BackgroundDesk(
        environment, clouds.open, thread, modes, lambda: journal, who, fleet=feed.latest, observe=feed.refresh
    )
    console = Console(
        (environment,),
        {"prod": feed},
        "prod",
        "bytereview-dark",
        (),
        {},
        True,
        "read-only",
        desks={"prod": desk},
        modes={"prod": modes},
    )
    return console, desk, thread, journal


async def test_a_candidate_is_released_by_keys_and_rolled_back_with_b_a_y_while_everything_but_run_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    with embedded_cloud(scenario="release-ready", speed=SPEED) as cloud:
        console, desk, thread, journal = console_on(cloud, tmp_path)
        app = BrconsoleApp(console)
        async with app.run_test(size=(160, 45), notifications=True) as pilot:
            person = Sitting(app, pilot, desk)
            await person.shown("Services · 5")
            await person.press("v")
            await person.shown("S starts one of")
            await person.press("w", *"e2e", "enter")
            await person.shown("WRITE 30 min")

            await person.press("S")
            await person.shown("step it by hand ]")
            await pilot.pause(0.35)  # a plan is looked at before it is confirmed
            await person.press("y")
            await person.shown("✔ serving")
            await person.press("escape")
            await person.until(lambda: (state := person.state()) and state.phase is Phase.PREPARED, "prepared")
            await person.shown("this console holds the wheel")
            await person.shown("your turn: the gates pass")

            await person.press("P")
            await person.shown("promote to 5 % ]")
            await pilot.pause(0.35)
            await person.press("y")
            await person.shown("✔ serving")
            await person.press("escape")
            await person.until(lambda: (state := person.state()) and state.percent == 5, "5 %")
            await person.press("colon", *"read-only", "enter")
            await person.shown("READ-ONLY")

            for api in ("monitoring", "logging", "bigquery"):
                cloud.fault(api, code="UNAVAILABLE")
            await person.press("B", "a", "y")
            await person.shown("✔ serving")
            assert "rolled back: api-00041-zq8 serves 100 %" in person.text()
            assert "◌ drained" in person.text()
            await person.press("escape")
            await person.until(lambda: (state := person.state()) and state.phase is Phase.ROLLED_BACK, "rolled back")
            await person.shown("READ-ONLY")
        assert thread.stop(10.0)
    acts = [(entry.kind, entry.text("action")) for entry in journal.entries("prod", "api")]
    for action in ("release.start", "release.promote", "release.rollback"):
        assert acts.count(("intent", action)) == 1
        assert acts.count(("outcome", action)) == 1
    assert journal.verify().broken_at is None
