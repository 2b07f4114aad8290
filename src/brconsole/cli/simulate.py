"""`brconsole simulate`: the embedded Google Cloud in the foreground. The only module that imports the emulator."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from brconsole.cli import exit_codes, output
from brconsole.cli.failures import CommandError, MisuseError
from brconsole.cli.options import Command, Options, WholeNumber, given, global_options
from brconsole.config.load import load

if TYPE_CHECKING:
    from brconsole.cli.simulated_databases import PostgresServer
    from brconsole.emulator.composition import Emulator
    from brconsole.emulator.options import EmulatorOptions

DEFAULT_PORT = 8790
SIMULATION_SCHEMA = "brconsole.simulation/1"


@global_options
@click.command(cls=Command)
@click.option("--port", type=WholeNumber(0, 65_535), default=DEFAULT_PORT, show_default=True, help="gRPC; 0 is free.")
@click.option("--http-port", type=WholeNumber(0, 65_535), help="REST; default: the port after --port, 0 is free.")
@click.option(
    "--etag-enforced/--etag-ignored",
    default=False,
    help="Whether Run v2 refuses a write whose etag is stale; Google probably does not.",
)
@click.option("--json", "as_json", is_flag=True, help="The addresses as one JSON object on one line.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
@click.pass_context
def simulate(
    ctx: click.Context,
    port: int,
    http_port: int | None,
    etag_enforced: bool,
    as_json: bool,
    until_stdin_closes: bool,
) -> int:
    """Serve the embedded Google Cloud on 127.0.0.1 until Ctrl+C.

    It prints the variables that send every other `brconsole` command to it; `--simulate` starts one of its own instead.
    """
    if until_stdin_closes:
        _end_with_standard_input()
    options = given(ctx)
    if options.simulate or options.endpoint or options.http_endpoint:
        raise MisuseError("simulate is itself the simulated Google Cloud; it takes neither --simulate nor an endpoint.")

    import asyncio

    from brconsole.emulator.options import EmulatorError
    from brconsole.operations.failure import SourceFailure

    postgres = options.simulation.postgres
    server = None if postgres is None else _server(postgres, options)
    try:
        asyncio.run(_serve(_emulator_options(options, port, http_port, etag_enforced), server, as_json))
    except EmulatorError as error:
        raise CommandError(f"{error}.", exit_codes.FAILED) from None
    except SourceFailure as failure:
        raise CommandError(f"--postgres: {failure}.", exit_codes.FAILED) from None
    return exit_codes.DONE


def _server(postgres: str, options: Options) -> PostgresServer:
    """The server that the configured project's migrations run on."""
    from brconsole.cli.simulated_databases import PostgresServer

    loaded = load(options.config, os.environ, Path.cwd(), {}, ())
    migrations = loaded.config.migrations
    if migrations.alembic is None:
        output.tell("no [migrations] alembic is configured, so the migration job will find no project.")
    return PostgresServer(postgres, migrations.alembic, migrations.python, migrations.postgres_bin)


def _end_with_standard_input() -> None:
    """End the process as soon as whoever started it is gone, whatever else it does at that moment, imports included."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(exit_codes.DONE)

    Thread(target=wait, name="standard-input", daemon=True).start()


def _emulator_options(options: Options, port: int, http_port: int | None, etag_enforced: bool) -> EmulatorOptions:
    from brconsole.emulator.options import EmulatorOptions

    chosen = options.simulation
    default = EmulatorOptions()
    return EmulatorOptions(
        port=port,
        http_port=http_port,
        speed=default.speed if chosen.speed is None else chosen.speed,
        seed=default.seed if chosen.seed is None else chosen.seed,
        scenario=chosen.scenario or default.scenario,
        services=chosen.services,
        start=None if chosen.start is None else chosen.start.timestamp(),
        latency_ms=default.latency_ms if chosen.latency_ms is None else chosen.latency_ms,
        etag_enforced=etag_enforced,
    )


async def _serve(options: EmulatorOptions, server: PostgresServer | None, as_json: bool) -> None:
    import asyncio

    from brconsole.emulator.composition import PROJECT_IDS, Emulator

    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, asked_to_end.set)
    async with AsyncExitStack() as stack:
        if server is not None:
            environments = await stack.enter_async_context(server.environments(PROJECT_IDS))
            options = replace(options, job_environments=environments)
        _announce(await stack.enter_async_context(Emulator(options)), as_json)
        await asked_to_end.wait()
    if not as_json:
        output.tell("the simulation has ended.")


def _announce(emulator: Emulator, as_json: bool) -> None:
    grpc, http = f"127.0.0.1:{emulator.grpc_port}", f"127.0.0.1:{emulator.http_port}"
    options = emulator.options
    if as_json:
        output.write_json(
            {
                "schema": SIMULATION_SCHEMA,
                "endpoint": grpc,
                "http_endpoint": http,
                "scenario": options.scenario,
                "seed": options.seed,
                "speed": options.speed,
                "pid": os.getpid(),
            }
        )
        return
    output.write(
        f"# the embedded Google Cloud: gRPC on {grpc}, REST on {http}\n"
        f"# scenario {options.scenario}, seed {options.seed}, speed {options.speed:g}; Ctrl+C ends it\n"
        f"export BRCONSOLE_ENDPOINT={grpc}\n"
        f"export BRCONSOLE_HTTP_ENDPOINT={http}"
    )
    if sys.stdout.isatty():
        output.tell("use these in another terminal, then: brconsole status prod")
