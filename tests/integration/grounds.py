"""Where the check tries migrations: databases on a server that is there already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from brconsole.integrations.postgres import ThrowawayServer
from brconsole.integrations.trial import TrialDatabase, trial_on


class Ground:
    """Databases on the server of the session."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._server = server

    def open(self) -> AbstractAsyncContextManager[TrialDatabase]:
        """An empty one, dropped at the end."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[TrialDatabase]:
            async with trial_on(self._server) as database:
                yield database
            await self._server.drop_database(database.name)

        return opened()
