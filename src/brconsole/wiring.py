"""The composition root: an environment and how it is reached → its ports.

Importing this module loads no Google client, no gRPC and no HTTP library; they are loaded when a cloud is opened, and
each API's client at the first call that needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from brconsole.config.schema import Infra
    from brconsole.domain.environment import Environment
    from brconsole.operations.infra_ports import TerraformFolder
    from brconsole.operations.migration_ports import MigrationProject
    from brconsole.operations.ports import Clock, Cloud


@dataclass(frozen=True, slots=True)
class MigrationOptions:
    """The migrations as configured: the Alembic project (None: none, and their gate does not apply) and the Cloud Run
    job that runs it, whose permissions are asked for.
    """

    alembic: Path | None = None
    job: str = "migrate-db"
    python: str | None = None
    """The interpreter that has the project's own libraries; by default our own."""
    postgres_bin: str | None = None
    """The folder of the programs of a throwaway PostgreSQL; by default the machine's."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How the Google APIs are reached.

    `endpoint` is the HOST:PORT of a plain server on loopback, None for Google itself; `http_endpoint` its HTTP side, by
    default the port after. `deadline_s` holds for a call with its retries and pages, in real seconds. `state_folder`
    holds what was proved of the write path, by default in the user's own state.
    """

    endpoint: str | None = None
    http_endpoint: str | None = None
    deadline_s: float = 8.0
    state_folder: Path | None = None
    migrations: MigrationOptions = MigrationOptions()


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
        job = options.migrations.job
        cloud = composition.ports(environment, connection, clock, options.deadline_s, state, job)
        yield _with_migrations(environment, cloud, clock, options.migrations), clock
    finally:
        await connection.close()


def _with_migrations(environment: Environment, cloud: Cloud, clock: Clock, options: MigrationOptions) -> Cloud:
    """The ports with what migrations need, where they are configured."""
    if options.alembic is None or cloud.jobs is None:
        return cloud
    from brconsole.operations.migration_reader import MigrationReader
    from brconsole.operations.off_loop import OffLoop

    reader = MigrationReader(cloud.jobs, options.job, environment.name, clock.now)
    project = OffLoop(lambda: open_migrations(str(options.alembic), options.python, options.postgres_bin))
    return replace(cloud, migrations=reader, migration_proofs=reader, migration_project=project)


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


def open_terraform(environment: Environment, settings: Infra) -> TerraformFolder:
    """The Terraform folder of an environment. Nothing is run and nothing is looked for yet."""
    import os
    from pathlib import Path

    from brconsole.config.values import parse_duration
    from brconsole.integrations.terraform import FolderOnDisk

    folder = Path(settings.folder.replace("{environment}", environment.name))
    return FolderOnDisk(folder, settings.terraform, parse_duration(settings.timeout), os.environ, Path.cwd())
