"""The composition root: an environment and how it is reached → its ports.

Importing this module loads no Google client, no gRPC and no HTTP library; they are loaded when a cloud is opened, and
each API's client at the first call that needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from brconsole.config.schema import Infra
    from brconsole.domain.environment import Environment
    from brconsole.operations.infra_ports import TerraformFolder
    from brconsole.operations.ports import Clock, Cloud


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
        yield composition.ports(environment, connection, clock, options.deadline_s, state), clock
    finally:
        await connection.close()


def open_terraform(environment: Environment, settings: Infra) -> TerraformFolder:
    """The Terraform folder of an environment. Nothing is run and nothing is looked for yet."""
    import os
    from pathlib import Path

    from brconsole.config.values import parse_duration
    from brconsole.integrations.terraform import FolderOnDisk

    folder = Path(settings.folder.replace("{environment}", environment.name))
    return FolderOnDisk(folder, settings.terraform, parse_duration(settings.timeout), os.environ, Path.cwd())
