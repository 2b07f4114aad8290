"""Each API failing in each way, seen by a person in front of the console: keys answer, the last good value stays with
its age, the cause is named, and it recovers by itself.

Real from end to end but for the terminal: the embedded cloud on sockets, Google's clients, the poller on its thread,
the application. One of each serves all cases of a worker; a case leaves it as it found it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import pytest
import pytest_asyncio
from embedded import EmbeddedCloud, embedded_cloud
from textual.pilot import Pilot

from brconsole.config.load import load
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import SourceState
from brconsole.operations.background import BackgroundFeed, FeedThread
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.timing import Backoff
from brconsole.tui.app import BrconsoleApp
from brconsole.tui.console import Console
from brconsole.wiring import ConnectionOptions, open_cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEED = 60.0
DEADLINE_S = 1.5
"""Real seconds a call may take, so what a stall costs."""
LONGEST_CADENCE_S = 3700.0 / SPEED
"""Real seconds after which every source has become due: spend is read once an hour."""
WITHIN_S = 20.0
KEY_WITHIN_S = 1.0
"""Less than the deadline of a call, so that a key that waits for a call is found out."""
LOOK_EVERY_S = 0.05
SOON = Backoff(least_s=0.2, first_s=0.2, most_s=0.4, refused_first_s=0.2, refused_most_s=0.4)


class HurriedTiming:
    """Real time that a test may put forward: whoever sleeps that long wakes at once."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._sleepers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def monotonic(self) -> float:
        """See Timing."""
        return time.monotonic() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        """See Timing."""
        ends = self.monotonic() + seconds
        moved = asyncio.Event()
        self._sleepers[moved] = asyncio.get_running_loop()
        try:
            while (left_s := ends - self.monotonic()) > 0:
                moved.clear()
                try:
                    async with asyncio.timeout(left_s):
                        await moved.wait()
                except TimeoutError:
                    return
        finally:
            del self._sleepers[moved]

    def put_forward(self, seconds: float) -> None:
        """From any thread."""
        self._ahead_s += seconds
        for moved, loop in list(self._sleepers.items()):
            loop.call_soon_threadsafe(moved.set)


@dataclass(frozen=True)
class Api:
    """An API: what it is called on the screen, the readings that come from it, and one with a panel of its own."""

    title: str
    sources: tuple[str, ...]
    permission: str
    value: Callable[[Fleet], object] = field(default=lambda _: None)


APIS = {
    "run": Api("Cloud Run", ("services", "revisions"), "run.", lambda fleet: fleet.services.value),
    "monitoring": Api(
        "Cloud Monitoring",
        ("requests", "latency", "instances", "cold_starts", "slos", "queues", "alerts"),
        "monitoring.",
        lambda fleet: fleet.queues.value,
    ),
    "logging": Api("Cloud Logging", ("changes",), "logging.logEntries.list", lambda fleet: fleet.changes.value),
    "billingbudgets": Api("Cloud Billing Budgets", ("spend",), "billing.", lambda fleet: fleet.spend.value),
    "bigquery": Api("BigQuery", ("spend",), "bigquery.jobs.create", lambda fleet: fleet.spend.value),
    # Only `doctor` asks it, so it is read as doctor does and no source may notice.
    "cloudresourcemanager": Api("Resource Manager", (), ""),
}
WAYS: dict[str, tuple[dict[str, object], str]] = {
    "UNAVAILABLE": ({"code": "UNAVAILABLE"}, "is unavailable"),
    "DEADLINE_EXCEEDED": ({"code": "DEADLINE_EXCEEDED"}, f"within {DEADLINE_S:g} s"),
    "PERMISSION_DENIED": ({"code": "PERMISSION_DENIED"}, "permission {permission}"),
    "UNAUTHENTICATED": (
        {"code": "UNAUTHENTICATED"},
        "the login is not accepted; run `gcloud auth application-default login`",
    ),
    "RESOURCE_EXHAUSTED": ({"code": "RESOURCE_EXHAUSTED"}, "the quota is used up"),
    "stall": ({"stall_s": 30}, f"within {DEADLINE_S:g} s"),
    "garbage": ({"garbage": True}, "cannot be read"),
}


class Stage:
    """The console on the embedded cloud, and what a person sees and does there."""

    def __init__(
        self, app: BrconsoleApp, pilot: Pilot[None], embedded: EmbeddedCloud, cloud: Cloud, timing: HurriedTiming
    ) -> None:
        self.app = app
        self.pilot = pilot
        self.embedded = embedded
        self.cloud = cloud
        self.timing = timing

    @property
    def fleet(self) -> Fleet:
        """What the screen knows."""
        return self.app.models["prod"].fleet

    @property
    def now(self) -> datetime:
        """The time on the screen."""
        now = self.app.models["prod"].now
        assert now is not None
        return now

    def text(self) -> str:
        """What stands on the screen."""
        board = self.app._host().board
        assert board is not None
        return "\n".join("".join(part.text for part in board.render_line(y)) for y in range(board.size.height))

    async def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        """Wait until something holds, for a while."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() < began + within_s, f"{what}; the screen shows\n{self.text()}"
            await self.pilot.pause(LOOK_EVERY_S)

    def error(self, source: str) -> str:
        """What is said of the last attempt at a source."""
        return self.fleet.reading(source).error or ""

    def failing(self) -> set[str]:
        """The sources whose last attempt failed."""
        return {name for name in self.fleet.sources if self.fleet.reading(name).error is not None}

    def all_known(self) -> bool:
        """Whether every source has a value and none fails."""
        known = all(self.fleet.reading(name).known for name in self.fleet.sources)
        return bool(self.fleet.sources) and known and not self.failing()

    async def doctor_says(self) -> set[str]:
        """What cannot be told of the permissions on the project, as `doctor` finds it."""
        checks = await self.cloud.access.permissions()
        return {check.error for check in checks if check.held is None}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, embedded_cloud(scenario="demo", speed=SPEED) as embedded:
        for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE"):
            patch.delenv(name, raising=False)
        patch.setenv("LANG", "C.UTF-8")
        patch.setenv("TERM", "xterm-256color")
        loaded = load(None, {}, tmp_path_factory.mktemp("empty"), {}, ())
        environment = loaded.environment("prod")
        options = embedded.options(DEADLINE_S)
        thread, timing = FeedThread(), HurriedTiming()
        feed = BackgroundFeed(environment, partial(_open, options), thread, timing=timing, backoff=SOON)
        console = Console((environment,), {"prod": feed}, "prod", "bytereview-dark", (), {}, True, "read-only")
        async with open_cloud(environment, options) as (cloud, _):
            app = BrconsoleApp(console)
            async with app.run_test(size=(160, 45), notifications=True) as pilot:
                yield Stage(app, pilot, embedded, cloud, timing)
        assert thread.stop(), "the feeds' thread ends"


def _open(options: ConnectionOptions, environment: Environment) -> AbstractAsyncContextManager[tuple[Cloud, Clock]]:
    return open_cloud(environment, options)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", APIS)
async def test_a_failing_api_is_named_keeps_its_last_value_stops_no_key_and_recovers_by_itself(
    stage: Stage, name: str, way: str
) -> None:
    api, (fault, says) = APIS[name], WAYS[way]
    says = says.format(permission=api.permission)
    stage.embedded.heal()
    await stage.until(stage.all_known, "everything is known and nothing fails")

    stage.embedded.fault(name, **fault)
    stage.timing.put_forward(LONGEST_CADENCE_S)

    # Keys answer while it fails, also while calls stall.
    await stage.pilot.press("question_mark")
    await stage.until(lambda: "brconsole help" in stage.text(), "help opens", KEY_WITHIN_S)
    await stage.pilot.press("escape")
    await stage.until(lambda: "brconsole help" not in stage.text(), "help closes", KEY_WITHIN_S)

    if not api.sources:
        said = await stage.doctor_says()
        assert said
        assert all(one.startswith(api.title) and says in one for one in said), said
        await stage.until(lambda: not stage.failing(), "no source is concerned")
        stage.embedded.heal()
        assert await stage.doctor_says() == set()
        return

    # The cause is named, in the fleet and on the screen.
    await stage.until(lambda: stage.failing() == set(api.sources), f"exactly the sources of {api.title} fail")
    for source in api.sources:
        await stage.until(lambda: says in stage.error(source), f"{source} says what is wrong")  # noqa: B023
        assert stage.error(source).startswith(f"{api.title}: ")
    words = [f"{api.title}:", *says.split()]  # a panel may break the sentence anywhere
    await stage.until(lambda: all(word in stage.text() for word in words), "the screen says which API and why")
    await stage.until(lambda: "failed" in stage.text(), "the panel says that it failed")

    # The last good value stays with its age, and the age grows.
    for source in api.sources:
        reading = stage.fleet.reading(source)
        assert reading.known
        assert reading.as_of is not None
        assert stage.fleet.state(source) is SourceState.FAILED
    kept = api.value(stage.fleet)
    assert kept is not None
    if name != "billingbudgets":
        as_of = stage.fleet.reading(api.sources[0]).as_of
        earlier = stage.fleet.reading(api.sources[0]).age_s(stage.now) or 0.0
        await stage.until(
            lambda: (stage.fleet.reading(api.sources[0]).age_s(stage.now) or 0.0) > earlier, "the value grows older"
        )
        assert stage.fleet.reading(api.sources[0]).as_of == as_of
        assert api.value(stage.fleet) == kept
    await stage.until(lambda: stage.failing() == set(api.sources), "the other sources are left alone")

    # It recovers by itself.
    stage.embedded.heal()
    await stage.until(stage.all_known, "it recovers by itself")
    await stage.until(lambda: f"{api.title}:" not in stage.text(), "the cause leaves the screen")
