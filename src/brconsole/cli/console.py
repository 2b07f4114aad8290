"""`brconsole [ENV]`: composes the console and opens it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from brconsole.cli import exit_codes
from brconsole.cli.failures import MisuseError, not_among
from brconsole.cli.modes import mode_of
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Session, begin
from brconsole.config import locations

if TYPE_CHECKING:
    from brconsole.domain.environment import Environment
    from brconsole.tui.console import Console

CALL_DEADLINE_S = 8.0


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="[ENV]", required=False)
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
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
    with _composed(session, start) as composed:
        from brconsole.tui.app import BrconsoleApp

        app = BrconsoleApp(composed)
        app.run()
    return app.return_code or exit_codes.DONE


def _is_terminal(stream: object) -> bool:
    return stream is not None and os.isatty(stream.fileno())  # type: ignore[attr-defined]


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
    """Everything that the screens need. Nothing here waits: a simulation comes up while the first frame is painted."""
    from brconsole.operations.background import BackgroundFeed
    from brconsole.tui.console import Console

    loaded = session.loaded
    environments = loaded.environments()
    mode, _ = mode_of(loaded, start or loaded.environment(loaded.config.default_environment))
    own = locations.user_themes()
    with session.connection(CALL_DEADLINE_S) as connection:
        feeds = {
            environment.name: BackgroundFeed(environment, _opener(environment, connection))
            for environment in environments
        }
        try:
            yield Console(
                environments=environments,
                feeds=feeds,
                start=None if start is None else start.name,
                theme=loaded.config.interface.theme,
                themes_folders=(own,) if own.is_dir() else (),
                keymap=loaded.config.keymap,
                simulated=connection.simulated,
                mode=mode,
            )
        finally:
            for feed in feeds.values():
                feed.stop()
