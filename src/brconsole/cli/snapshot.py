"""One look at an environment, for the commands that print it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from brconsole.cli import exit_codes, output
from brconsole.cli.failures import MisuseError, not_among
from brconsole.cli.session import Connection
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.freshness import Reading
from brconsole.domain.health import failed_sources, judge
from brconsole.operations.ports import SourceFailure

CALL_DEADLINE_S = 8.0
"""A call with its retries (DESIGN §8.15)."""
STATUS_DEADLINE_S = 15.0
"""All calls of one status together."""


async def observe_once(
    environment: Environment, connection: Connection, deadline_s: float = STATUS_DEADLINE_S
) -> Fleet:
    """Everything that can be read within the deadline; where nothing can, the fleet says why."""
    from brconsole.operations.observe import Observer
    from brconsole.wiring import open_cloud

    options = await asyncio.to_thread(connection.options)
    try:
        async with open_cloud(environment, options) as (cloud, clock):
            return await Observer(environment, cloud, clock).once(deadline_s)
    except SourceFailure as failure:
        return unreachable(environment, failure)


def unreachable(environment: Environment, failure: SourceFailure) -> Fleet:
    """A fleet of which nothing is known, and why."""
    return Fleet(environment, services=Reading().failing(str(failure), None))


def exit_code(fleet: Fleet) -> int:
    """Unreachable where nothing was read, failed where the health is not good or a source is missing, else done."""
    if not any(fleet.reading(name).known for name in fleet.sources):
        return exit_codes.UNREACHABLE
    healthy = judge(fleet).health is Health.HEALTHY and not failed_sources(fleet)
    return exit_codes.DONE if healthy else exit_codes.FAILED


def tell_failures(fleet: Fleet) -> None:
    """Say on standard error what could not be read, each cause once."""
    causes: dict[str, list[str]] = {}
    for name in failed_sources(fleet):
        causes.setdefault(fleet.reading(name).error or "no answer within the deadline", []).append(name)
    if not fleet.sources and fleet.services.error:
        causes[fleet.services.error] = ["anything"]
    for cause, names in causes.items():
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
