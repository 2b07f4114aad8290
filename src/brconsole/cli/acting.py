"""What a command that may write works with: the use cases of one environment, and who it is that acts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from brconsole.cli import exit_codes, output
from brconsole.cli.actor import name_of
from brconsole.cli.failures import CommandError
from brconsole.cli.modes import open_modes
from brconsole.cli.session import Connection, Session
from brconsole.cli.snapshot import ready
from brconsole.domain.decision import Actor
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading
from brconsole.domain.requests import RequestTable
from brconsole.operations.journal import Journal
from brconsole.operations.modes import Modes
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.reading import closed_minute
from brconsole.operations.timing import RealTiming, within
from brconsole.operations.unfinished import settle_unfinished
from brconsole.operations.use_cases import UseCases, compose

if TYPE_CHECKING:
    from brconsole.domain.environment import Environment
    from brconsole.operations.gateway import WriteAction

T = TypeVar("T")

TIME_S = 3.0
"""Real seconds that a command waits for the time; a rollback does not depend on it."""
UNFINISHED_S = 1.0
"""Real seconds that a rollback waits to hear what became of writes that a crash interrupted."""
RATES_S = 2.0
"""Real seconds that a command waits for the requests a second, which only say how much would move."""
EMERGENCY_RATES_S = 0.5
"""The same for a rollback."""
_RATE_WINDOW_S = 300


def writable(session: Session, environment: Environment, action: WriteAction) -> Modes:
    """The mode of the environment, where this action may be prepared; else the command ends before anything is read."""
    modes = open_modes(session.loaded, environment)
    why = modes.refusal(emergency=action.emergency)
    if why is not None:
        raise CommandError(f"{why}.", exit_codes.REFUSED)
    return modes


@asynccontextmanager
async def acting(
    environment: Environment,
    connection: Connection,
    modes: Modes,
    *,
    headless: bool = False,
    rates_s: float | None = None,
    recover: bool = False,
) -> AsyncIterator[UseCases]:
    """The use cases of an environment, connected as long as the block lasts.

    `headless` is a pipeline or an agent. With `rates_s` the plans say how many requests a minute move, if that is
    answered within so many real seconds. With `recover` it is first found out and told what became of writes that a
    crash interrupted; a rollback does that beside proposing (`proposed_beside`).
    """
    from brconsole.wiring import open_cloud

    options = await ready(connection)
    async with open_cloud(environment, options) as (cloud, clock):
        who, fleet = await asyncio.gather(
            name_of(cloud, options.endpoint), _requests(environment, cloud, clock, rates_s)
        )
        journal = Journal(connection.state_folder)
        cases = compose(environment, cloud, clock, modes, journal, Actor(who, headless), fleet=lambda: fleet)
        try:
            if recover:
                await tell_unfinished(cases)
            yield cases
        finally:
            await cases.close()


async def tell_unfinished(cases: UseCases) -> None:
    """Find out and tell what became of writes that a crash interrupted."""
    for found in await settle_unfinished(cases.gateway, cases.migrations):
        ways = f" ({', '.join(found.ways)})" if found.ways else ""
        output.tell(f"{found.sentence}{ways}")


async def proposed_beside(cases: UseCases, proposing: Awaitable[T]) -> T:
    """What is proposed, while it is told what became of interrupted writes: before a rollback writes over them, and
    never waited for longer than a moment.
    """

    async def told() -> None:
        with suppress(TimeoutError):
            await within(tell_unfinished(cases), UNFINISHED_S, RealTiming())

    made, _ = await asyncio.gather(proposing, told())
    return made


async def _requests(environment: Environment, cloud: Cloud, clock: Clock, within_s: float | None) -> Fleet | None:
    """The time, and what is needed to say how many requests a plan moves; None where that is not known in time."""
    with suppress(Exception):  # without the time a rollback still goes, and every other command says what it lacks
        await within(clock.synchronise(), TIME_S, RealTiming())
    now = clock.now()
    if now is None or within_s is None:
        return None
    end = closed_minute(now)
    try:
        rows = await within(cloud.metrics.requests(end, _RATE_WINDOW_S, 60), within_s, RealTiming())
    except Exception:  # noqa: BLE001 - how much moves is then not known, and the plan says so
        return None
    return Fleet(environment, now, clock.simulated, requests=Reading(RequestTable(rows, end), end))
