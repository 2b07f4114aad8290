"""What a command that looks at an environment begins with: options, configuration, environment, the way to the APIs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from brconsole.cli.failures import MisuseError
from brconsole.cli.options import Options, given
from brconsole.config import locations
from brconsole.config.load import LoadedConfig, load

if TYPE_CHECKING:
    import click

    from brconsole.domain.environment import Environment
    from brconsole.wiring import ConnectionOptions, MigrationOptions


CALL_DEADLINE_S = 8.0
"""A call with its retries (DESIGN §8.15)."""


class Connection(Protocol):
    """The way to the APIs."""

    @property
    def simulated(self) -> bool:
        """Whether the Google Cloud is one of our own."""

    @property
    def state_folder(self) -> Path:
        """Where what is done over it is journaled."""

    def options(self) -> ConnectionOptions:
        """Where they are. Waits for a simulation to come up, so it is called off the main path; raises CommandError."""


@dataclass(frozen=True, slots=True)
class Session:
    """The options and the configuration in force."""

    options: Options
    loaded: LoadedConfig

    def environment(self, name: str | None) -> Environment:
        """An environment by its name; ConfigError with the nearest match where there is none."""
        if name is None:
            raise MisuseError(f"which environment? Name one of {', '.join(self.loaded.config.environments)}.")
        return self.loaded.environment(name, "ENV")

    def state_folder(self) -> Path:
        """Where the journal and the proofs are kept. What is done behind an endpoint is kept apart: it says nothing of
        Google. A simulation started by --simulate keeps its own only as long as it lives.
        """
        folder = locations.state_folder()
        endpoint = self.loaded.config.endpoint
        if self.options.simulate:
            raise MisuseError("--simulate starts a new world, in which nothing was done yet; --endpoint joins one.")
        return folder if endpoint is None else folder / "endpoints" / re.sub(r"[^\w.-]", "_", endpoint)

    @contextmanager
    def connection(self, early: bool = True) -> Iterator[Connection]:
        """The way to the APIs for as long as the block lasts. A simulation starts at once where it is wanted `early`,
        else when it is first asked for: the screen is painted before.
        """
        migrations = self._migrations()
        if self.options.simulate:
            from brconsole.cli.simulated import SimulatedConnection

            file = self.options.config or os.environ.get("BRCONSOLE_CONFIG")
            with SimulatedConnection(
                self.options.simulation, CALL_DEADLINE_S, config=Path(file) if file else None, migrations=migrations
            ) as simulated:
                if early:
                    simulated.start()
                yield simulated
        else:
            yield FixedConnection(*self._endpoints(), CALL_DEADLINE_S, self.state_folder(), migrations)

    def _migrations(self) -> MigrationOptions:
        """The migrations as configured."""
        from brconsole.wiring import MigrationOptions

        configured = self.loaded.config.migrations
        alembic = None if configured.alembic is None else Path(configured.alembic)
        return MigrationOptions(alembic, configured.job, configured.python, configured.postgres_bin)

    def _endpoints(self) -> tuple[str | None, str | None]:
        """The gRPC and the HTTP endpoint in place of Google's, checked before anything is imported for them."""
        from brconsole.gcp.endpoint import EndpointError, http_side, parse

        grpc, http = self.loaded.config.endpoint, self.loaded.config.http_endpoint
        if grpc is None:
            if http is not None:
                flag = self.loaded.origins["http_endpoint"]
                raise MisuseError(f"{flag} is the REST side of --endpoint; name that too.")
            return None, None
        try:
            endpoint = parse(grpc, str(self.loaded.origins["endpoint"]))
            side = http_side(endpoint, http)
        except EndpointError as error:
            raise MisuseError(f"{error}.") from None
        return str(endpoint), str(side)


@dataclass(frozen=True, slots=True)
class FixedConnection:
    """Google itself, or an endpoint that runs already."""

    endpoint: str | None
    http_endpoint: str | None
    deadline_s: float
    state_folder: Path
    migrations: MigrationOptions

    @property
    def simulated(self) -> bool:
        """Not by us; what runs behind an endpoint says so itself."""
        return False

    def options(self) -> ConnectionOptions:
        """As configured."""
        from brconsole.wiring import ConnectionOptions

        return ConnectionOptions(self.endpoint, self.http_endpoint, self.deadline_s, self.state_folder, self.migrations)


def begin(ctx: click.Context) -> Session:
    """Read the options and the configuration; ConfigError and MisuseError say what is wrong with them."""
    from brconsole.cli.root import COMMANDS

    options = given(ctx)
    if not options.simulate and (flags := options.simulation.given()):
        raise MisuseError(f"{flags[0]} is for the embedded Google Cloud; add --simulate.")
    overrides: dict[str, object] = {
        "endpoint": options.endpoint,
        "http_endpoint": options.http_endpoint,
        "interface.theme": options.theme,
        "read_only": True if options.read_only else False if options.write else None,
    }
    return Session(options, load(options.config, os.environ, Path.cwd(), overrides, tuple(COMMANDS)))
