"""The database that revisions are tried on: one of a throwaway server, made anew where a trial spoilt it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, LiteralString

from brconsole.integrations.postgres import ThrowawayServer, throwaway_server
from brconsole.integrations.schema_dump import QUERY
from brconsole.operations.failure import FailureKind, SourceFailure

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql


class TrialDatabase:
    """One database with a name that nobody else's has."""

    def __init__(self, server: ThrowawayServer) -> None:
        self._server = server
        self._connection: psycopg.AsyncConnection[tuple[str | None]] | None = None
        # Not to be guessed: by it the project is kept from a database of somebody's own.
        self.name = f"brconsole_trial_{secrets.token_hex(8)}"

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url(self.name)

    async def reset(self) -> None:
        """Make it anew, empty."""
        await self.close()
        await self._server.drop_database(self.name)
        await self._server.create_database(self.name)

    async def close(self) -> None:
        """Give up the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def schema(self) -> frozenset[str]:
        """Its structure."""
        rows = await self._execute(QUERY)
        return frozenset(row[0] for row in rows if row[0] is not None)

    async def create_role(self, name: str) -> None:
        """Make a role that the project expects its server to have."""
        from psycopg import sql

        await self._execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))

    async def _execute(self, statement: LiteralString | sql.Composed) -> list[tuple[str | None]]:
        import psycopg

        try:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
                await self._connection.execute("SET search_path = ''")
            cursor = await self._connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise SourceFailure(
                FailureKind.UNAVAILABLE, "PostgreSQL", "throwaway server", str(error).strip().partition("\n")[0]
            ) from None


@asynccontextmanager
async def trial_on(server: ThrowawayServer) -> AsyncIterator[TrialDatabase]:
    """An empty database on a server that runs, gone with the block."""
    database = TrialDatabase(server)
    await database.reset()
    try:
        yield database
    finally:
        await database.close()


class TrialServer:
    """Starts a throwaway server for as long as it is wanted."""

    def __init__(self, bin_folder: str | None = None) -> None:
        self._bin_folder = bin_folder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TrialDatabase]:
        """An empty database. Raises SourceFailure where there is no server to be had."""
        async with throwaway_server(self._bin_folder) as server, trial_on(server) as database:
            yield database
