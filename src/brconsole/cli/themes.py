"""`brconsole themes`: the themes that can be chosen, and why a broken one cannot."""

from __future__ import annotations

import os

import click
from rich.table import Column
from rich.text import Text

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.options import Command, given, global_options
from brconsole.cli.status_table import render_rows
from brconsole.config import locations
from brconsole.domain.text import clean
from brconsole.tui import theme_files

THEMES_SCHEMA = "brconsole.themes/1"


@global_options
@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def themes(ctx: click.Context, as_json: bool) -> int:
    """The themes that can be chosen, shipped and your own; exit status 1 where one of yours is broken."""
    options = given(ctx)
    own = locations.user_themes()
    found = theme_files.load((own,) if own.is_dir() else ())
    entries = [
        {
            "name": theme.name,
            "tone": "dark" if theme.dark else "light",
            "origin": "built in" if theme.path is None else str(theme.path),
            "own": theme.path is not None and theme.path.is_relative_to(own),
        }
        for theme in sorted(found.themes.values(), key=lambda theme: theme.name)
    ]
    if as_json:
        output.write_json({"schema": THEMES_SCHEMA, "themes": entries, "problems": list(found.problems)})
    else:
        rows = [
            (
                Text(str(entry["name"])),
                Text(str(entry["tone"])),
                Text(clean(str(entry["origin"])) if entry["own"] else "shipped", "dim"),
            )
            for entry in entries
        ]
        columns = (Column("THEME"), Column("TONE"), Column("FROM", overflow="fold"))
        output.write(render_rows(columns, rows, terminal.standard_output(os.environ, options.no_color)))
        output.tell(f"your own themes go into {own}")
        for problem in found.problems:
            output.tell(problem)
    return exit_codes.FAILED if found.problems else exit_codes.DONE
