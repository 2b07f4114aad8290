"""Service time over HTTP: simulated where a clock answers, local elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brconsole.gcp.clock import ServiceClock
from brconsole.operations.failure import FailureKind, SourceFailure

LOCAL = datetime(2030, 1, 1, tzinfo=UTC)
SIMULATED = {"now": "2026-11-23T14:00:00.000000Z", "speed": 60}
START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


class Ticks:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def clock(google: Any, ticks: Ticks) -> ServiceClock:
    return ServiceClock(f"http://127.0.0.1:{google.http_port}", 5.0, lambda: LOCAL, ticks)


async def test_simulated_time_is_unknown_until_answered_and_runs_at_its_speed(
    google: Any, clock: ServiceClock, ticks: Ticks, reply: Callable[..., Any]
) -> None:
    google.http = lambda *_: reply(SIMULATED)
    assert clock.now() is None

    await clock.synchronise()

    assert (clock.simulated, clock.speed, clock.skew_s()) == (True, 60, None)
    assert clock.now() == START
    ticks.at += 2
    assert clock.now() == START + timedelta(minutes=2)
    assert [path for _, path, _ in google.http_calls] == ["/control/clock"]


async def test_time_runs_on_while_the_simulation_is_silent_and_never_backwards(
    google: Any, clock: ServiceClock, ticks: Ticks, reply: Callable[..., Any]
) -> None:
    google.http = lambda *_: reply(SIMULATED)
    await clock.synchronise()
    ticks.at += 1

    google.http = lambda *_: reply({}, 500)
    await clock.synchronise()
    assert clock.simulated
    assert clock.now() == START + timedelta(minutes=1)

    google.http = lambda *_: reply(SIMULATED)
    await clock.synchronise()
    assert clock.now() == START + timedelta(minutes=1), "the clock there stands behind; ours waits"
    ticks.at += 2
    assert clock.now() == START + timedelta(minutes=2)


async def test_a_plain_server_has_local_time_and_shows_its_skew(
    google: Any, clock: ServiceClock, reply: Callable[..., Any]
) -> None:
    google.http = lambda *_: reply({}, 404, Date="Mon, 31 Dec 2029 23:59:57 GMT")

    await clock.synchronise()

    assert (clock.simulated, clock.speed, clock.now()) == (False, 1.0, LOCAL)
    assert clock.skew_s() == pytest.approx(2.5)


async def test_without_an_http_side_time_is_local_until_a_simulation_shows_itself(
    google: Any, ticks: Ticks, reply: Callable[..., Any], unused_tcp_port: int
) -> None:
    clock = ServiceClock(f"http://127.0.0.1:{unused_tcp_port}", 5.0, lambda: LOCAL, ticks)

    await clock.synchronise()
    assert (clock.simulated, clock.now(), clock.skew_s()) == (False, LOCAL, None)

    clock_there = ServiceClock(f"http://127.0.0.1:{google.http_port}", 5.0, lambda: LOCAL, ticks)
    google.http = lambda *_: reply({}, 404)
    await clock_there.synchronise()
    assert clock_there.now() == LOCAL
    google.http = lambda *_: reply(SIMULATED)
    await clock_there.synchronise()
    assert clock_there.now() == START


@pytest.mark.parametrize(
    "document",
    ["noon", {}, {"now": "noon", "speed": 1}, {"now": "2026-11-23T14:00:00", "speed": 1}, SIMULATED | {"speed": 0}],
)
async def test_an_answer_that_is_no_clock_is_an_error_not_a_time(
    google: Any, clock: ServiceClock, reply: Callable[..., Any], document: Any
) -> None:
    google.http = lambda *_: reply(document)

    with pytest.raises(SourceFailure, match="the answer is no clock") as raised:
        await clock.synchronise()

    assert raised.value.kind is FailureKind.UNREADABLE
    assert clock.now() is None


async def test_a_stalled_clock_is_an_error_within_the_deadline(google: Any, ticks: Ticks) -> None:
    released = asyncio.Event()

    async def stall(*_: Any) -> Any:
        await released.wait()

    google.http = stall
    clock = ServiceClock(f"http://127.0.0.1:{google.http_port}", 0.05, lambda: LOCAL, ticks)

    with pytest.raises(SourceFailure, match=r"no answer within 0\.05 s") as raised:
        await clock.synchronise()
    released.set()

    assert raised.value.kind is FailureKind.TIMEOUT
    assert clock.now() is None


def test_with_google_itself_time_is_local_from_the_start() -> None:
    clock = ServiceClock(None, 5.0, lambda: LOCAL)

    assert (clock.now(), clock.simulated, clock.speed, clock.skew_s()) == (LOCAL, False, 1.0, None)
