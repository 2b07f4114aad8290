"""Feeds on their thread: prompt, isolated, and never in the way of the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from fakes import START, Clock, Ports, Timing, environment

from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import SourceState
from brconsole.operations import timing
from brconsole.operations.background import BackgroundFeed, FeedThread
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.feed import Feed
from brconsole.operations.ports import Clock as ClockPort
from brconsole.operations.ports import Cloud
from brconsole.operations.timing import Backoff

PATIENCE_S = 10.0
QUICK = Backoff(least_s=0.0, first_s=0.01, most_s=0.01, refused_first_s=0.01, refused_most_s=0.01)


@dataclass
class Cloudy:
    """Opens fake clouds, and remembers what became of them."""

    ports: Ports = field(default_factory=Ports)
    failure: Exception | None = None
    opened: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    @asynccontextmanager
    async def __call__(self, of: Environment) -> AsyncIterator[tuple[Cloud, ClockPort]]:
        self.opened.append(threading.current_thread().name)
        if self.failure is not None:
            raise self.failure
        try:
            yield self.ports.cloud(), Clock(Timing())
        finally:
            self.closed.set()


class Eye:
    """Waits for a snapshot that shows something."""

    def __init__(self, feed: BackgroundFeed) -> None:
        self._feed = feed
        self._told = threading.Condition()
        self.threads: set[str] = set()
        self.first: Fleet | None = None
        feed.subscribe(self._observed)

    def _observed(self, fleet: Fleet) -> None:
        with self._told:
            self.threads.add(threading.current_thread().name)
            self.first = self.first or fleet
            self._told.notify_all()

    def sees(self, shown: Callable[[Fleet], bool]) -> Fleet:
        with self._told:
            assert self._told.wait_for(lambda: shown(self._feed.latest()), PATIENCE_S), self._feed.latest()
        return self._feed.latest()


@pytest.fixture
def thread() -> Iterator[FeedThread]:
    feeds = FeedThread()
    yield feeds
    assert feeds.stop(PATIENCE_S)


def all_live(fleet: Fleet) -> bool:
    return bool(fleet.sources) and {fleet.state(name) for name in fleet.sources} == {SourceState.LIVE}


def test_before_it_begins_nothing_is_known(thread: FeedThread) -> None:
    feed: Feed = BackgroundFeed(environment(), Cloudy(), thread)
    assert feed.latest() == Fleet(environment())
    assert feed.now() is None


@pytest.mark.parametrize("budget", [environment().budget, None])
def test_every_expected_source_is_announced_before_the_cloud_is_opened(
    thread: FeedThread, budget: BudgetSettings | None
) -> None:
    feed = BackgroundFeed(environment(budget=budget), Cloudy(), thread)
    eye = Eye(feed)
    feed.start()
    fleet = eye.sees(lambda fleet: bool(fleet.sources))
    first = eye.first
    assert first is not None
    assert {first.state(name) for name in first.sources} == {SourceState.NEVER}
    assert {"services", "slos", "alerts"} <= set(fleet.sources)
    assert ("spend" in first.sources) is (budget is not None)


def test_an_environment_is_opened_and_observed_on_the_feeds_thread(thread: FeedThread) -> None:
    cloudy = Cloudy()
    feed = BackgroundFeed(environment(), cloudy, thread)
    eye = Eye(feed)
    feed.start()
    feed.start()
    fleet = eye.sees(all_live)
    assert fleet.simulated
    assert feed.now() == START
    assert cloudy.opened == ["brconsole-feeds"]
    assert eye.threads == {"brconsole-feeds"}


def test_all_environments_share_one_thread(thread: FeedThread) -> None:
    before = threading.active_count()
    feeds = [BackgroundFeed(environment(name), Cloudy(), thread) for name in ("dev", "staging", "prod")]
    eyes = [Eye(feed) for feed in feeds]
    for feed in feeds:
        feed.start()
    for eye in eyes:
        eye.sees(all_live)
    assert threading.active_count() == before + 1


def test_an_environment_that_does_not_open_says_why_in_every_source_and_is_tried_again(thread: FeedThread) -> None:
    why = SourceFailure(FailureKind.UNAUTHENTICATED, "Google Cloud", "ADC", "no credentials", remedy="log in")
    cloudy = Cloudy(failure=why)
    feed = BackgroundFeed(environment(), cloudy, thread, backoff=QUICK)
    eye = Eye(feed)
    feed.start()
    fleet = eye.sees(lambda fleet: fleet.services.error is not None)
    assert {fleet.reading(name).error for name in fleet.sources} == {str(why)}
    cloudy.failure = None
    eye.sees(all_live)


def test_a_person_need_not_wait_for_the_next_attempt(thread: FeedThread) -> None:
    cloudy = Cloudy(failure=OSError("no route"))
    slow = Backoff(least_s=3600, first_s=3600, most_s=3600)
    feed = BackgroundFeed(environment(), cloudy, thread, backoff=slow)
    eye = Eye(feed)
    feed.start()
    eye.sees(lambda fleet: fleet.services.error is not None)
    cloudy.failure = None
    feed.refresh()
    eye.sees(all_live)


def test_a_face_that_raises_does_not_silence_the_others(thread: FeedThread) -> None:
    feed = BackgroundFeed(environment(), Cloudy(), thread)

    def broken(fleet: Fleet) -> None:
        raise RuntimeError("a widget is gone")

    feed.subscribe(broken)
    eye = Eye(feed)
    feed.start()
    eye.sees(all_live)
    feed.watch("api")
    eye.sees(lambda fleet: fleet.watched == "api")


def test_who_unsubscribed_hears_nothing_more(thread: FeedThread) -> None:
    feed = BackgroundFeed(environment(), Cloudy(), thread)
    heard: list[Fleet] = []
    end = feed.subscribe(heard.append)
    eye = Eye(feed)
    feed.start()
    eye.sees(all_live)
    end()
    end()
    count = len(heard)
    feed.watch("api")
    eye.sees(lambda fleet: fleet.watched == "api")
    assert len(heard) == count


def test_a_page_opened_before_the_cloud_is_watched_once_it_is(thread: FeedThread) -> None:
    feed = BackgroundFeed(environment(), Cloudy(), thread)
    eye = Eye(feed)
    feed.watch("api")
    feed.start()
    fleet = eye.sees(lambda fleet: fleet.latency_by_revision.known)
    assert fleet.watched == "api"


def test_stopping_closes_the_cloud_and_keeps_the_last_snapshot_and_starting_again_works(thread: FeedThread) -> None:
    cloudy = Cloudy()
    feed = BackgroundFeed(environment(), cloudy, thread)
    eye = Eye(feed)
    feed.start()
    eye.sees(all_live)
    feed.stop()
    assert cloudy.closed.wait(PATIENCE_S)
    assert all_live(feed.latest())
    cloudy.ports.answers["changes"] = ()
    feed.start()
    eye.sees(lambda fleet: fleet.changes.value == ())


def test_the_thread_stops_at_once_though_every_call_hangs() -> None:
    thread = FeedThread()
    cloudy = Cloudy()
    cloudy.ports.hanging |= {"services", "revisions", "condition", "queue_depth"}
    feed = BackgroundFeed(environment(), cloudy, thread)
    eye = Eye(feed)
    feed.start()
    eye.sees(lambda fleet: fleet.requests.known)
    begun = time.monotonic()
    assert thread.stop()
    assert time.monotonic() - begun < 1.0
    assert cloudy.closed.is_set()
    assert thread.stop(), "a second time is no harm"


def test_a_feed_that_never_started_can_be_stopped() -> None:
    thread = FeedThread()
    feed = BackgroundFeed(environment(), Cloudy(), thread)
    feed.stop()
    feed.refresh()
    assert feed.latest().services.value is None
    assert thread.stop()


def test_the_process_ends_though_the_thread_is_blocked() -> None:
    program = textwrap.dedent("""
        import threading
        from contextlib import asynccontextmanager
        from brconsole.domain.environment import BudgetSettings, Environment
        from brconsole.operations.background import BackgroundFeed, FeedThread

        blocked = threading.Event()

        @asynccontextmanager
        async def never(environment):
            blocked.set()
            threading.Event().wait()
            yield

        thread = FeedThread()
        feed = BackgroundFeed(Environment("prod", "p", "r"), never, thread)
        feed.start()
        blocked.wait()
        feed.stop()
        print("stopped" if thread.stop(0.05) else "left")
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


async def test_work_within_its_time_gives_its_outcome_and_late_work_is_left() -> None:
    real = timing.RealTiming()

    async def answer() -> int:
        return 5

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if asked_again.is_set():
                    raise

    asked_again = asyncio.Event()
    assert await timing.within(answer(), 5, real) == 5
    with pytest.raises(TimeoutError):
        await timing.within(stubborn(), 0, real)
    asked_again.set()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
