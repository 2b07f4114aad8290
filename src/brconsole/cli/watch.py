"""`brconsole watch`: an environment as it changes, one line a refresh."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import click

from brconsole.cli import output, snapshot, terminal
from brconsole.cli.options import Command, Number, WholeNumber, global_options
from brconsole.cli.session import Connection, begin
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet

DEFAULT_INTERVAL_S = 10.0


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line (schema brconsole.status/1).")
@click.option(
    "--interval",
    "interval_s",
    type=Number(min=1.0),
    default=DEFAULT_INTERVAL_S,
    show_default=True,
    metavar="SECONDS",
    help="From line to line; each source keeps its own, slower pace.",
)
@click.option("--count", type=WholeNumber(min=1), metavar="NUMBER", help="End after so many lines.")
@click.pass_context
def watch(ctx: click.Context, environment: str | None, as_json: bool, interval_s: float, count: int | None) -> int:
    """Follow an environment, one line a refresh, until Ctrl+C (exit status 130).

    With --count the exit status is that of `status` for the last line.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    show = _json if as_json else _line(terminal.standard_output(os.environ, session.options.no_color))
    with session.connection() as connection:
        last = asyncio.run(_followed(chosen, connection, show, interval_s, count))
    return snapshot.exit_code(last)


async def _followed(
    environment: Environment,
    connection: Connection,
    show: Callable[[Fleet], None],
    interval_s: float,
    count: int | None,
) -> Fleet:
    """Show the fleet once every source was asked, then again and again; the last one shown after `count`."""
    complete = asyncio.Event()

    def published(fleet: Fleet) -> None:
        if all(fleet.reading(name).known or fleet.reading(name).error for name in fleet.sources):
            complete.set()

    async with snapshot.observing(environment, connection, published) as observer:
        following = asyncio.create_task(observer.run())
        waiting = asyncio.create_task(complete.wait())
        try:
            await asyncio.wait(
                (following, waiting), timeout=snapshot.STATUS_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED
            )
            shown = 0
            while True:
                fleet = observer.fleet()
                show(fleet)
                shown += 1
                if shown == count:
                    return fleet
                ended, _ = await asyncio.wait((following,), timeout=interval_s)
                for task in ended:  # it follows for ever, so it ended with an error
                    task.result()
        finally:
            following.cancel()
            waiting.cancel()
            await asyncio.wait((following, waiting))


def _json(fleet: Fleet) -> None:
    from brconsole.cli import documents

    output.write_json(documents.status(fleet))


def _line(shown: terminal.Terminal) -> Callable[[Fleet], None]:
    from brconsole.cli import status_line

    return lambda fleet: output.write(status_line.render(fleet, shown))
