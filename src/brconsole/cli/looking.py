"""Looking at the rollout of one service with its gates, for the commands that only read."""

from __future__ import annotations

import asyncio

from brconsole.cli.acting import acting
from brconsole.cli.failures import CommandError
from brconsole.cli.session import Session
from brconsole.cli.writing import known_service
from brconsole.domain.environment import Environment
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Outcome
from brconsole.operations.rollouts import RolloutView


def at(session: Session, environment: Environment, service: str) -> RolloutView:
    """The rollout as it is now; ends the command where the service cannot be read."""
    with session.connection() as connection:

        async def look() -> RolloutView:
            async with acting(environment, connection, Modes(environment, read_only=True)) as cases:
                view = await cases.releases.look(service)
                if isinstance(view, Outcome):
                    await known_service(cases, view)
                    raise CommandError(view.sentence, view.exit_status)
                return view

        return asyncio.run(look())
