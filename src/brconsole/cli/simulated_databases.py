"""The databases that the simulated projects' migrations run on: one for each, on a server named or of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server by its URL, or `auto` for one that lives as long as the simulation; and the Alembic configuration of the
    project that is migrated, None where none is known. `python` is the interpreter that has the project's libraries,
    `bin_folder` where the programs of a server are.
    """

    url: str = field(repr=False)
    alembic: str | None = None
    python: str | None = None
    bin_folder: str | None = None

    @asynccontextmanager
    async def environments(self, projects: Iterable[str]) -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
        """What the jobs of each project get, for as long as the block lasts; databases that are missing are made.

        Raises SourceFailure where there is no server or it does not let us in.
        """
        from brconsole.integrations.migration_database import ensure_database
        from brconsole.integrations.postgres import throwaway_server

        async with AsyncExitStack() as stack:
            server = self.url
            if server == AUTO:
                server = (await stack.enter_async_context(throwaway_server(self.bin_folder))).url("postgres")
            found = {}
            for project in projects:
                environment = {"DATABASE_URL": await ensure_database(server, project.replace("-", "_"))}
                if self.alembic is not None:
                    environment["ALEMBIC_CONFIG"] = self.alembic
                if self.python is not None:
                    environment["ALEMBIC_PYTHON"] = self.python
                found[project] = environment
            yield found
