"""Looking at an environment, for the commands that print what they see."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from brconsole.cli import exit_codes, output
from brconsole.cli.causes import by_cause
from brconsole.cli.failures import MisuseError, not_among
from brconsole.cli.session import Connection
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.health import failed_sources, judge

if TYPE_CHECKING:
    from brconsole.operations.observe import Observer
    from brconsole.wiring import ConnectionOptions

STATUS_DEADLINE_S = 15.0
"""All calls of one status together."""


async def ready(connection: Connection) -> ConnectionOptions:
    """Where the APIs are. While a simulation comes up, what will be needed is imported."""
    from brconsole.wiring import preload

    if connection.simulated:
        options, _ = await asyncio.gather(asyncio.to_thread(connection.options), asyncio.to_thread(preload))
        return options
    return connection.options()


@asynccontextmanager
async def observing(
    environment: Environment, connection: Connection, publish: Callable[[Fleet], None]
) -> AsyncIterator[Observer]:
    """An observer of the environment, connected as long as the block lasts."""
    from brconsole.operations.observe import Observer
    from brconsole.wiring import open_cloud

    options = await ready(connection)
    async with open_cloud(environment, options) as (cloud, clock):
        yield Observer(environment, cloud, clock, publish=publish, jitter=random.Random())


async def observe_once(environment: Environment, connection: Connection) -> Fleet:
    """Everything that can be read within the deadline; what cannot says why."""
    async with observing(environment, connection, lambda _: None) as observer:
        return await observer.once(STATUS_DEADLINE_S)


def exit_code(fleet: Fleet) -> int:
    """Unreachable where nothing was read, failed where the health is not good or a source is missing, else done."""
    if not any(fleet.reading(name).known for name in fleet.sources):
        return exit_codes.UNREACHABLE
    healthy = judge(fleet).health is Health.HEALTHY and not failed_sources(fleet)
    return exit_codes.DONE if healthy else exit_codes.FAILED


def tell_failures(fleet: Fleet) -> None:
    """Say on standard error what could not be read, each cause once."""
    for names, cause in by_cause(fleet, failed_sources(fleet)):
        output.tell(f"could not read {_listed(names)}: {cause}")


def known_service(fleet: Fleet, service: str | None) -> None:
    """Refuse a service that the environment does not have, if its services are known."""
    services = fleet.services.value
    if service is None or services is None:
        return
    names = tuple(entry.name for entry in services)
    if service not in names:
        raise MisuseError(not_among(f"service in {fleet.environment.name}", service, names))


def _listed(names: Iterable[str]) -> str:
    *most, last = (name.replace("_", " ") for name in names)
    return f"{', '.join(most)} and {last}" if most else last
