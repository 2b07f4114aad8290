"""The database that revisions are tried on: one of a throwaway server, made anew where a trial spoilt it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brconsole.integrations.postgres import ThrowawayServer, throwaway_server
from brconsole.integrations.schema_dump import QUERY
from brconsole.operations.failure import FailureKind, SourceFailure


class TrialDatabase:
    """One database with a name that nobody else's has."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._server = server
        # Not to be guessed: by it the project is kept from a database of somebody's own.
        self._name = f"brconsole_trial_{secrets.token_hex(8)}"

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url(self._name)

    async def reset(self) -> None:
        """Make it anew, empty."""
        await self._server.drop_database(self._name)
        await self._server.create_database(self._name)

    async def schema(self) -> frozenset[str]:
        """Its structure."""
        import psycopg

        try:
            async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                await connection.execute("SET search_path = ''")
                rows = await (await connection.execute(QUERY)).fetchall()
        except psycopg.Error as error:
            raise SourceFailure(
                FailureKind.UNAVAILABLE, "PostgreSQL", "throwaway server", str(error).strip().partition("\n")[0]
            ) from None
        return frozenset(row[0] for row in rows if row[0] is not None)

    async def create_role(self, name: str) -> None:
        """Make a role that the project expects its server to have."""
        import psycopg
        from psycopg import sql

        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))


class TrialServer:
    """Starts a throwaway server for as long as it is wanted."""

    def __init__(self, bin_folder: str | None = None) -> None:
        self._bin_folder = bin_folder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TrialDatabase]:
        """An empty database. Raises SourceFailure where there is no server to be had."""
        async with throwaway_server(self._bin_folder) as server:
            database = TrialDatabase(server)
            await database.reset()
            yield database
