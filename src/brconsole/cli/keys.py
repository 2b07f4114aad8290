"""`brconsole keys`: every key of the console, from the one registry, with the person's own keys over it."""

from __future__ import annotations

import os

import click
from rich.table import Column
from rich.text import Text

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin
from brconsole.cli.status_table import render_rows
from brconsole.tui.actions import key_name
from brconsole.tui.keymap import resolve

KEYS_SCHEMA = "brconsole.keys/1"


@global_options
@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def keys(ctx: click.Context, as_json: bool) -> int:
    """Every key with what it does and the id by which [keymap] changes it; status 1 where your keymap has mistakes."""
    session = begin(ctx)
    found = resolve(session.loaded.config.keymap)
    if as_json:
        entries = [
            {
                "id": action.id,
                "keys": [key_name(key) for key in action.keys],
                "title": action.title,
                "scopes": [scope.value for scope in action.scopes],
                "effect": action.effect.value,
                "command": action.command or None,
                "remappable": action.remappable,
            }
            for action in found.actions
        ]
        output.write_json({"schema": KEYS_SCHEMA, "actions": entries, "problems": list(found.problems)})
    else:
        rows = [
            (
                Text(" ".join(key_name(key) for key in action.keys)),
                Text(action.title),
                Text(", ".join(scope.value for scope in action.scopes), "dim"),
                Text(action.id, "dim"),
            )
            for action in found.actions
        ]
        columns = (
            Column("KEY", no_wrap=True),
            Column("DOES", overflow="fold"),
            Column("WHERE", overflow="fold"),
            Column("ID", no_wrap=True),
        )
        output.write(render_rows(columns, rows, terminal.standard_output(os.environ, session.options.no_color)))
        for problem in found.problems:
            output.tell(problem)
    return exit_codes.FAILED if found.problems else exit_codes.DONE
