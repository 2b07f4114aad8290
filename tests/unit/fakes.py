"""Ports, clock and time that a test owns."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from brconsole.domain.alert import Condition, Policy
from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.domain.fleet import ApiUse, RequestSeries, RevisionKey
from brconsole.domain.series import Series
from brconsole.domain.service import Change, Revision, Service
from brconsole.domain.slo import Objective
from brconsole.domain.spend import DailyCost
from brconsole.domain.traffic import TrafficTarget
from brconsole.operations.ports import Cloud, PermissionCheck

START = datetime(2026, 11, 23, 14, 0, 30, tzinfo=UTC)
CLOSED = datetime(2026, 11, 23, 13, 57, tzinfo=UTC)
"""The last closed minute at START: its minute less three."""


def environment(name: str = "prod", **changes: Any) -> Environment:
    """An environment with everything configured."""
    settings: dict[str, Any] = {
        "budget": BudgetSettings(10_000, "USD", "01A2B3-C4D5E6-F70819", "p.billing.export"),
        **changes,
    }
    return Environment(name, f"br-{name}", "us-central1", **settings)


def service(name: str = "api", **changes: Any) -> Service:
    """A healthy service that serves its newest revision."""
    newest = f"{name}-00041-abc"
    settings: dict[str, Any] = {
        "uri": f"https://{name}.run.app",
        "ready": True,
        "reason": None,
        "reconciling": False,
        "generation": 41,
        "observed_generation": 41,
        "etag": "e",
        "created": START - timedelta(days=90),
        "updated": START - timedelta(hours=3),
        "last_modifier": "pipeline@example.com",
        "latest_ready": newest,
        "latest_created": newest,
        "desired": (TrafficTarget(newest, 100),),
        "serving": (TrafficTarget(newest, 100),),
        **changes,
    }
    return Service(name, **settings)


def revision(name: str = "api-00041-abc", of: str = "api", ready: bool | None = True) -> Revision:
    """A revision."""
    return Revision(name, of, "image", "sha256:1c7e", START - timedelta(days=1), ready)


def series(*values: float | None, end: datetime = CLOSED, period_s: int = 60, **labels: str) -> Series:
    """A series that ends at the last closed minute."""
    return Series(end, period_s, values, labels)


def flat(value: float, end: datetime, window_s: int, period_s: int, **labels: str) -> Series:
    """The same value in every interval."""
    return Series(end, period_s, (value,) * (window_s // period_s), labels)


class Timing:
    """Real seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), waiting))
        await waiting

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its moment."""
        ends = self._now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= ends:
            at, _, waiting = heapq.heappop(self._sleepers)
            if not waiting.done():
                self._now = max(self._now, at)
                waiting.set_result(None)
                await self.settle()
        self._now = ends
        await self.settle()


@dataclass
class Clock:
    """Service time on the test's real time."""

    timing: Timing
    simulated: bool = True
    speed: float = 1.0
    known: bool = True
    failure: Exception | None = None
    asked: int = 0

    def now(self) -> datetime | None:
        if not self.known:
            return None
        return START + timedelta(seconds=(self.timing.monotonic() - 1000.0) * self.speed)

    async def synchronise(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        self.known = True

    def skew_s(self) -> float | None:
        return None


@dataclass
class Ports:
    """All ports in one, for as many services as wanted. Calls are counted by method; a method can fail, hang or answer
    otherwise.
    """

    services_wanted: int = 3
    revisions_each: int = 2
    calls: Counter[str] = field(default_factory=Counter)
    failing: dict[str, BaseException] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    answers: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    listed: tuple[Policy, ...] = ()
    listed_objectives: tuple[Objective, ...] = ()
    fleet: tuple[Service, ...] | None = None
    returned: int = 0

    def cloud(self, *, billing: bool = True) -> Cloud:
        """These ports as an environment's."""
        return Cloud(self, self, self, self, self, self, self if billing else None)

    async def _call(self, method: str, answer: Any, *arguments: Any) -> Any:
        self.calls[method] += 1
        self.arguments.setdefault(method, []).append(arguments)
        del self.arguments[method][:-20]
        if method in self.hanging:
            await asyncio.Event().wait()
        if method in self.failing:
            raise self.failing[method]
        return self.answers.get(method, answer)

    def _names(self) -> list[str]:
        return ["api", *(f"filler-{number:03}" for number in range(1, self.services_wanted))]

    def _by_service(self, value: float, end: datetime, window_s: int, period_s: int) -> dict[str, Series]:
        self.returned += self.services_wanted
        return {name: flat(value, end, window_s, period_s, service_name=name) for name in self._names()}

    # CloudRun

    async def services(self) -> tuple[Service, ...]:
        return await self._call("services", self.fleet or tuple(service(name) for name in self._names()))

    async def revisions(self) -> Mapping[str, tuple[Revision, ...]]:
        listed = {
            name: tuple(revision(f"{name}-{number:05}", name) for number in range(self.revisions_each))
            for name in self._names()
        }
        return await self._call("revisions", listed)

    # Metrics

    async def requests(self, end: datetime, window_s: int, period_s: int) -> Mapping[RevisionKey, RequestSeries]:
        rows = {
            RevisionKey(name, f"{name}-00041-abc"): RequestSeries(
                flat(600.0 * period_s / 60, end, window_s, period_s), flat(0.6 * period_s / 60, end, window_s, period_s)
            )
            for name in self._names()
        }
        self.returned += len(rows)
        return await self._call(f"requests/{period_s}", rows, end, window_s, period_s)

    async def latency_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call(
            "latency_p95", self._by_service(182.0, end, window_s, period_s), end, window_s, period_s
        )

    async def latency_p95_by_revision(
        self, of: str, end: datetime, window_s: int, period_s: int
    ) -> Mapping[str, Series]:
        answer = {f"{of}-00041-abc": flat(182.0, end, window_s, period_s)}
        return await self._call("latency_p95_by_revision", answer, of, end, window_s, period_s)

    async def cold_start_p95(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call("cold_start_p95", self._by_service(900.0, end, window_s, period_s))

    async def instances(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call("instances", self._by_service(14.0, end, window_s, period_s))

    async def queue_depth(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call("queue_depth", {"extract": flat(8214.0, end, window_s, period_s)})

    async def queue_oldest_age_s(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call("queue_oldest_age_s", {"extract": flat(192.0, end, window_s, period_s)})

    async def jobs_finished(self, end: datetime, window_s: int, period_s: int) -> Mapping[str, Series]:
        return await self._call("jobs_finished", {"extract": flat(120.0, end, window_s, period_s)})

    async def condition(self, condition: Condition, end: datetime, window_s: int) -> tuple[Series, ...]:
        answer = (flat(0.0, end, window_s, condition.alignment_period_s, subject="one"),)
        return await self._call("condition", answer, condition, end, window_s)

    async def policies(self) -> tuple[Policy, ...]:
        return await self._call("policies", self.listed)

    async def quota_limits(self) -> Mapping[str, int]:
        return await self._call("quota_limits", {"run.googleapis.com/read_regional": 600})

    # Slos

    async def objectives(self) -> tuple[Objective, ...]:
        return await self._call("objectives", self.listed_objectives)

    async def budget_remaining(self, objective: Objective, end: datetime) -> float | None:
        return await self._call("budget_remaining", 0.71, objective, end)

    async def good_and_bad(
        self, objective: Objective, end: datetime, window_s: int, period_s: int
    ) -> tuple[Series, Series]:
        answer = (flat(99.0, end, window_s, period_s), flat(1.0, end, window_s, period_s))
        return await self._call("good_and_bad", answer, objective, end, window_s, period_s)

    # Billing, AuditLog, Access, CallMeter

    async def daily_costs(self, since: date, until: datetime) -> tuple[tuple[DailyCost, ...], datetime | None]:
        days = (until.date() - since).days
        costs = tuple(DailyCost(since + timedelta(days=day), "Cloud Run", 200.0) for day in range(days))
        return await self._call("daily_costs", (costs, until.replace(hour=0, minute=0, second=0)), since, until)

    async def monthly_budget(self) -> tuple[float, str] | None:
        return await self._call("monthly_budget", (10_000.0, "USD"))

    async def changes(self, since: datetime, limit: int) -> tuple[Change, ...]:
        return await self._call("changes", (Change(START, "api", "pipeline", "00042-def 0 → 5 %"),))

    async def identity(self) -> str:
        return "tester"

    async def permissions(self) -> tuple[PermissionCheck, ...]:
        return ()

    def use(self) -> tuple[ApiUse, ...]:
        return (ApiUse("Cloud Run", self.calls["services"], 600),)

    def series_returned(self) -> int:
        return self.returned


def objective(of: str = "api", kind: Any = "availability", goal: float = 0.999) -> Objective:
    """An SLO of 30 days."""
    return Objective(of, kind, f"projects/1/services/{of}/serviceLevelObjectives/{kind}", goal, 30, kind)
