"""`brconsole [ENV]`: composes the console and opens it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TextIO

import click

from brconsole.cli import crash, exit_codes
from brconsole.cli.failures import CommandError, MisuseError, not_among
from brconsole.cli.modes import mode_of, open_modes
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Connection, Session, begin
from brconsole.config import locations

if TYPE_CHECKING:
    from brconsole.domain.environment import Environment
    from brconsole.operations.journal import Journal
    from brconsole.operations.ports import Clock, Cloud
    from brconsole.tui.console import Console

SWITCH_INTERVAL_S = 0.0005
"""How soon the screen gets the interpreter back from the feeds' thread. At Python's 5 ms a key waits several times
over while a large fleet is read.
"""


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="[ENV]", required=False)
@click.argument("rest", metavar="", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def console(ctx: click.Context, environment: str | None, rest: tuple[str, ...]) -> int:
    """Open the console: on one environment, or on the wall of all of them."""
    session = begin(ctx)
    start = None if environment is None else _start(session, environment)
    if rest:
        raise MisuseError(f"“{rest[0]}” is one word too many after the environment {environment}.")
    _theme_exists(session)
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        name = environment or session.loaded.config.default_environment
        raise MisuseError(
            "the console needs a terminal, and standard input or output is none; "
            f"“brconsole status {name}” prints a snapshot, “brconsole watch {name}” a line a refresh."
        )
    _log_to_file()
    if session.options.no_color:
        os.environ["NO_COLOR"] = "1"  # as the screen's toolkit understands it
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with _composed(session, start) as composed:
        from brconsole.tui.app import BrconsoleApp

        app = BrconsoleApp(composed)
        app.run()
    if app.failure is not None:
        raise app.failure
    return app.return_code or exit_codes.DONE


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _start(session: Session, name: str) -> Environment:
    """The environment to open. A word that is none may as well be a mistyped subcommand."""
    from brconsole.cli.root import COMMANDS

    known = session.loaded.config.environments
    if name not in known:
        raise MisuseError(not_among("environment or command", name, (*known, *COMMANDS)))
    return session.loaded.environment(name)


def _theme_exists(session: Session) -> None:
    """A theme asked for by flag must exist; one from a file is replaced by the default, and the screen says so."""
    name = session.options.theme
    if name is None:
        return
    from brconsole.tui import theme_files

    own = locations.user_themes()
    known = theme_files.load((own,) if own.is_dir() else ()).themes
    if name not in known:
        raise MisuseError(not_among("theme", name, sorted(known)))


@contextmanager
def _composed(session: Session, start: Environment | None) -> Iterator[Console]:
    """Everything that the screens need. Nothing here waits, and a simulation starts after the first paint."""
    with session.connection(early=False) as connection:
        from brconsole.operations.background import BackgroundFeed, FeedThread
        from brconsole.operations.background_desk import BackgroundDesk, SharedClouds
        from brconsole.operations.infra_desk import BackgroundInfra
        from brconsole.tui.console import Console
        from brconsole.wiring import open_terraform

        loaded = session.loaded
        environments = loaded.environments()
        modes = {mode_of(loaded, environment)[0] for environment in environments}
        own = locations.user_themes()
        thread = FeedThread()
        terraform = loaded.config.infra
        clouds = SharedClouds(partial(_opened, connection))
        feeds = {environment.name: BackgroundFeed(environment, clouds.open, thread) for environment in environments}
        open_ones = {environment.name: open_modes(loaded, environment) for environment in environments}
        try:
            yield Console(
                environments=environments,
                feeds=feeds,
                start=None if start is None else start.name,
                theme=loaded.config.interface.theme,
                themes_folders=(own,) if own.is_dir() else (),
                keymap=loaded.config.keymap,
                simulated=connection.simulated,
                infra=BackgroundInfra(
                    environments,
                    lambda environment: open_terraform(environment, terraform),
                    thread,
                    {name: feed.latest for name, feed in feeds.items()},
                ),
                # Every environment is one key away, so the strictest of their modes holds for all.
                mode="read-only" if "read-only" in modes else "write",
                modes=open_ones,
                desks={
                    environment.name: BackgroundDesk(
                        environment,
                        clouds.open,
                        thread,
                        open_ones[environment.name],
                        partial(_journal, connection),
                        partial(_who, connection),
                        fleet=feeds[environment.name].latest,
                        observe=feeds[environment.name].refresh,
                    )
                    for environment in environments
                },
            )
        finally:
            thread.stop()


@asynccontextmanager
async def _opened(connection: Connection, environment: Environment) -> AsyncIterator[tuple[Cloud, Clock]]:
    """The ports of an environment; runs on the feeds' thread, which may wait for a simulation to come up."""
    from brconsole.cli.snapshot import ready
    from brconsole.operations.failure import FailureKind, SourceFailure
    from brconsole.wiring import open_cloud

    try:
        options = await ready(connection)
    except CommandError as error:
        raise SourceFailure(FailureKind.UNAVAILABLE, "simulation", environment.name, error.message) from error
    async with open_cloud(environment, options) as ports:
        yield ports


async def _who(connection: Connection, cloud: Cloud) -> str:
    """Who acts; asked on the feeds' thread, once the connection is there."""
    from brconsole.cli.actor import name_of

    return await name_of(cloud, connection.options().endpoint)


def _journal(connection: Connection) -> Journal:
    """Where what is done over this connection is written down."""
    from brconsole.operations.journal import Journal

    return Journal(connection.state_folder)


def _log_to_file() -> None:
    """Warnings of the layers below go to a file: written to the terminal they would tear the screen."""
    handler: logging.Handler = logging.NullHandler()
    folder = crash.log_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = logging.FileHandler(folder / "console.log", mode="w", encoding="utf-8", delay=True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(asctime)s %(name)s %(message)s")
