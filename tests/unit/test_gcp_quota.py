"""The console's own brake on the APIs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from brconsole.gcp.apis import LOGGING, MONITORING, RUN
from brconsole.gcp.quota import Lane, Quota
from brconsole.operations.failure import FailureKind, SourceFailure


class ServiceTime:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at: datetime | None = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def __call__(self) -> datetime | None:
        return self.at

    def passes(self, seconds: float) -> None:
        assert self.at is not None
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def time() -> ServiceTime:
    return ServiceTime()


async def spend(quota: Quota, lane: Lane = Lane.READ) -> int:
    """How many calls are allowed at once."""
    count = 0
    while True:
        try:
            await quota.acquire(LOGGING if lane is Lane.READ else RUN, 0, lane)
        except SourceFailure:
            return count
        count += 1


async def test_a_quarter_of_the_quota_may_be_used_and_comes_back_with_time(time: ServiceTime) -> None:
    quota = Quota(time)

    assert await spend(quota) == 15, "a quarter of Logging's 60 a minute"
    time.passes(20)
    assert await spend(quota) == 5
    time.passes(3600)
    assert await spend(quota) == 15, "never more than a minute's worth"


async def test_beyond_the_deadline_the_wait_is_told_instead_of_waited(time: ServiceTime) -> None:
    quota = Quota(time, lambda: 4.0)
    await spend(quota)

    with pytest.raises(SourceFailure, match="keeps to 15 of 60 calls a minute and has used them") as raised:
        await quota.acquire(LOGGING, 0.5)

    assert raised.value.kind is FailureKind.QUOTA
    assert raised.value.retry_after_s == pytest.approx(1.0), "4 s of service time at speed 4"


async def test_within_the_deadline_a_call_waits_for_its_turn(
    time: ServiceTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = Quota(time)
    await spend(quota)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.passes(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    await quota.acquire(LOGGING, 8)

    assert waited == [pytest.approx(4.0)]


async def test_live_limits_resize_what_may_be_used(time: ServiceTime) -> None:
    quota = Quota(time)
    await spend(quota)

    quota.learn({LOGGING.read_quota: 120})

    assert await spend(quota) == 15, "another quarter of the other sixty"


async def test_rollback_never_waits_behind_reads_and_writes(time: ServiceTime) -> None:
    quota = Quota(time)
    while True:
        try:
            await quota.acquire(RUN, 0)
        except SourceFailure:
            break
    assert await spend(quota, Lane.WRITE) == 7

    assert await spend(quota, Lane.ROLLBACK) == 7


async def test_without_time_what_there_is_may_be_used_and_nothing_comes_back() -> None:
    quota = Quota(lambda: None)

    assert await spend(quota) == 15
    assert await spend(quota) == 0


def test_calls_are_counted_over_the_last_minute_of_service_time(time: ServiceTime) -> None:
    quota = Quota(time)
    quota.called(RUN)
    quota.called(MONITORING)
    time.passes(45)
    quota.called(RUN)
    quota.returned(12)
    quota.returned(3)
    quota.paged()

    assert [(use.api, use.calls_per_minute, use.limit_per_minute) for use in quota.use()] == [
        ("Cloud Monitoring", 1, None),
        ("Cloud Run", 2, None),
    ]
    time.passes(30)
    quota.learn({RUN.read_quota: 600})
    assert [(use.api, use.calls_per_minute, use.limit_per_minute) for use in quota.use()] == [
        ("Cloud Monitoring", 0, None),
        ("Cloud Run", 1, 600),
    ]
    assert (quota.series_returned(), quota.pages_read()) == (15, 1)
