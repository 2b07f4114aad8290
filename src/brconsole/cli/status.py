"""`brconsole status`: one snapshot of an environment."""

from __future__ import annotations

import asyncio
import os

import click

from brconsole.cli import output, snapshot, terminal
from brconsole.cli.failures import MisuseError
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line (schema brconsole.status/1).")
@click.option("--plain", is_flag=True, help="Sentences, one a line: no glyphs, no columns, no colour.")
@click.option("--service", metavar="NAME", help="Show only this service and its objectives.")
@click.pass_context
def status(ctx: click.Context, environment: str | None, as_json: bool, plain: bool, service: str | None) -> int:
    """One snapshot of an environment: what runs, how it is doing, what it costs.

    Exit status: 0 healthy, 1 degraded, critical or only partly read, 5 nothing could be read.
    """
    if as_json and plain:
        raise MisuseError("--json and --plain are two forms of the same; use one of the two.")
    session = begin(ctx)
    chosen = session.environment(environment)
    with session.connection() as connection:
        fleet = asyncio.run(snapshot.observe_once(chosen, connection))
    snapshot.known_service(fleet, service)
    if as_json:
        from brconsole.cli import documents

        output.write_json(documents.status(fleet, service))
        snapshot.tell_failures(fleet)
    elif plain:
        from brconsole.cli import status_plain

        output.write("\n".join(status_plain.lines(fleet, service)))
    else:
        from brconsole.cli import status_table

        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(status_table.render(fleet, shown, service))
    return snapshot.exit_code(fleet)
