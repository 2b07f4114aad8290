"""What `doctor` looks at. Every check only reads; one that fails leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from brconsole.cli import exit_codes
from brconsole.domain.environment import Environment
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Clock, Cloud

TOLERATED_SKEW_S = 30.0
"""Beyond this ages and deadlines mislead; Google itself refuses signed requests only from some minutes on."""
CHECK_DEADLINE_S = 10.0
_EXPORT_LAG = timedelta(days=2)
"""The export is written several times a day, but may be a day late."""


class State(StrEnum):
    """How a check came out. SKIPPED has nothing to check here and counts for nothing."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Group(StrEnum):
    """What a check is about, in the order of the list."""

    CREDENTIALS = "credentials"
    MODE = "mode"
    CLOCK = "clock"
    API = "api"
    PERMISSION = "permission"
    QUOTA = "quota"
    WRITES = "writes"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. `detail` is what was found, `remedy` what to do."""

    group: Group
    name: str
    state: State
    detail: str
    remedy: str = ""


async def examine(
    environment: Environment, cloud: Cloud, clock: Clock, deadline_s: float = CHECK_DEADLINE_S
) -> tuple[Check, ...]:
    """Every check that needs the APIs, each within its deadline: the time first, which the others ask by, then the
    rest side by side.
    """
    time = await _guarded(Group.CLOCK, "clock", _clock(clock), deadline_s)
    groups = await asyncio.gather(
        _guarded(Group.CREDENTIALS, "identity", _identity(cloud), deadline_s),
        *(_guarded(Group.API, name, call, deadline_s) for name, call in _apis(environment, cloud, clock)),
        _guarded(Group.PERMISSION, "permissions", _permissions(cloud), deadline_s),
        _guarded(Group.QUOTA, "limits", _quota(cloud), deadline_s),
    )
    return tuple(check for group in (time, *groups) for check in group)


def exit_code(checks: Iterable[Check]) -> int:
    """Done where all is well, unreachable where no API answered, else failed; what is not known is not well."""
    counted = [check for check in checks if check.state is not State.SKIPPED]
    apis = [check for check in counted if check.group is Group.API]
    if not apis or all(check.state is State.FAILED for check in apis):
        return exit_codes.UNREACHABLE
    return exit_codes.DONE if all(check.state is State.OK for check in counted) else exit_codes.FAILED


async def _guarded(group: Group, name: str, work: Awaitable[tuple[Check, ...]], deadline_s: float) -> tuple[Check, ...]:
    try:
        return await asyncio.wait_for(work, deadline_s)
    except SourceFailure as failure:
        state = State.SKIPPED if failure.kind is FailureKind.NOT_CONFIGURED else State.FAILED
        detail = f"{failure.reason} ({failure.resource})"
        if failure.permission:
            detail += f"; missing {failure.permission}"
        role = f"grant {failure.role}" if failure.role else ""
        return (Check(group, name, state, detail, failure.remedy or role),)
    except TimeoutError:
        return (Check(group, name, State.FAILED, f"no answer within {deadline_s:g} s", "check the network; try again"),)


async def _identity(cloud: Cloud) -> tuple[Check, ...]:
    return (Check(Group.CREDENTIALS, "identity", State.OK, await cloud.access.identity()),)


async def _clock(clock: Clock) -> tuple[Check, ...]:
    await clock.synchronise()
    now, skew = clock.now(), clock.skew_s()
    if clock.simulated and now is not None:
        return (
            Check(Group.CLOCK, "clock", State.OK, f"simulated time, {now:%Y-%m-%d %H:%M:%S} UTC, ×{clock.speed:g}"),
        )
    if skew is None:
        return (Check(Group.CLOCK, "clock", State.UNKNOWN, "no API has told its time yet"),)
    ahead = "ahead of" if skew > 0 else "behind"
    said = f"this machine is {abs(skew):.1f} s {ahead} Google"
    if abs(skew) > TOLERATED_SKEW_S:
        return (Check(Group.CLOCK, "clock", State.FAILED, said, "set the clock, for instance with NTP"),)
    return (Check(Group.CLOCK, "clock", State.OK, said),)


def _apis(environment: Environment, cloud: Cloud, clock: Clock) -> tuple[tuple[str, Awaitable[tuple[Check, ...]]], ...]:
    def now() -> datetime:
        return clock.now() or datetime.now(UTC)

    async def run() -> str:
        return f"{len(await cloud.run.services())} services in {environment.region}"

    async def monitoring() -> str:
        return f"{len(await cloud.metrics.policies())} alert policies"

    async def slo() -> str:
        return f"{len(await cloud.slos.objectives())} objectives"

    async def logging() -> str:
        changes = await cloud.audit.changes(now() - timedelta(hours=1), 1)
        return "a change in the last hour" if changes else "no change in the last hour"

    async def budgets() -> str:
        assert cloud.billing is not None  # only asked for where there is one
        budget = await cloud.billing.monthly_budget()
        return "no budget covers the project" if budget is None else f"{budget[0]:,.0f} {budget[1]} a month"

    async def export() -> str:
        assert cloud.billing is not None  # only asked for where there is one
        at = now()
        _, newest = await cloud.billing.daily_costs(at.date() - _EXPORT_LAG, at)
        return "no usage in the last days" if newest is None else f"newest usage ends {newest:%Y-%m-%d %H:%M} UTC"

    calls: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("Cloud Run", run),
        ("Cloud Monitoring", monitoring),
        ("Service Monitoring", slo),
        ("Cloud Logging", logging),
    ]
    if cloud.billing is not None:
        calls += [("Cloud Billing Budgets", budgets), ("BigQuery billing export", export)]
    checks = [(name, _reached(name, call)) for name, call in calls]
    if cloud.billing is None:
        checks.append(
            ("Cloud Billing", _skipped("Cloud Billing", "neither a budget nor an export table is configured"))
        )
    return tuple(checks)


async def _reached(name: str, call: Callable[[], Awaitable[str]]) -> tuple[Check, ...]:
    return (Check(Group.API, name, State.OK, await call()),)


async def _skipped(name: str, why: str) -> tuple[Check, ...]:
    return (Check(Group.API, name, State.SKIPPED, why),)


async def _permissions(cloud: Cloud) -> tuple[Check, ...]:
    states = {True: State.OK, False: State.FAILED, None: State.UNKNOWN}
    return tuple(
        Check(
            Group.PERMISSION,
            check.permission,
            states[check.held],
            f"{check.purpose} ({check.resource})" + (f": {check.error}" if check.error else ""),
            "" if check.held else f"{check.role} holds it",
        )
        for check in await cloud.access.permissions()
    )


async def _quota(cloud: Cloud) -> tuple[Check, ...]:
    limits = await cloud.metrics.quota_limits()
    if not limits:
        return (Check(Group.QUOTA, "limits", State.SKIPPED, "none is told; the documented defaults are kept to"),)
    return tuple(
        Check(Group.QUOTA, name, State.OK, f"{limit:,} calls a minute") for name, limit in sorted(limits.items())
    )
