"""The composition root: an environment and how it is reached → its ports.

Importing this module loads no Google client, no gRPC and no HTTP library; they are loaded when a cloud is opened, and
each API's client at the first call that needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from brconsole.domain.environment import Environment
    from brconsole.operations.migration_ports import MigrationProject
    from brconsole.operations.ports import Clock, Cloud


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How the Google APIs are reached.

    `endpoint` is the HOST:PORT of a plain server on loopback, None for Google itself; `http_endpoint` its HTTP side, by
    default the port after. `deadline_s` holds for a call with its retries and pages, in real seconds. `state_folder`
    holds what was proved of the write path, by default in the user's own state. `migration_job` is the Cloud Run job
    whose permissions are asked for.
    """

    endpoint: str | None = None
    http_endpoint: str | None = None
    deadline_s: float = 8.0
    state_folder: Path | None = None
    migration_job: str = "migrate-db"


def preload() -> None:
    """Import what an open cloud needs at its first calls; for a thread that would only wait meanwhile."""
    from brconsole.gcp.preload import preload as imports

    imports()


@asynccontextmanager
async def open_cloud(environment: Environment, options: ConnectionOptions) -> AsyncIterator[tuple[Cloud, Clock]]:
    """The ports of an environment and the clock they run by, until the end of the block.

    Nothing is asked yet: the clock is read by `synchronise`, credentials are looked for at the first call. Raises
    EndpointError for an address that may not be used.
    """
    from brconsole.config import locations
    from brconsole.gcp import composition

    state = options.state_folder or locations.state_folder()
    connection, clock = composition.connect(environment, options.endpoint, options.http_endpoint, options.deadline_s)
    try:
        ports = composition.ports(environment, connection, clock, options.deadline_s, state, options.migration_job)
        yield ports, clock
    finally:
        await connection.close()


def open_migrations(
    alembic: str,
    python: str | None = None,
    postgres_bin: str | None = None,
    *,
    trial: bool = True,
    tell: Callable[[str], None] = lambda message: None,
) -> MigrationProject:
    """The Alembic project of a configuration file. Nothing is read yet.

    `trial` is whether revisions are tried on a throwaway PostgreSQL; `tell` is told where there is none.
    """
    from pathlib import Path

    from brconsole.integrations import squawk, statements
    from brconsole.integrations.alembic import AlembicProject
    from brconsole.integrations.trial import TrialServer
    from brconsole.operations.migration_check import MigrationCheck

    ground = TrialServer(postgres_bin) if trial else None
    return MigrationCheck(AlembicProject(Path(alembic), python), statements.read, squawk.lint, ground, tell)
