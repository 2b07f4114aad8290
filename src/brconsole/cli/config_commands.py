"""`brconsole config`: what is configured, and which file, variable or flag says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from brconsole.cli import output, terminal
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin
from brconsole.config import locations
from brconsole.config.errors import ConfigError
from brconsole.domain.text import clean

CONFIG_SCHEMA = "brconsole.config/1"


@click.group()
def config() -> None:
    """What is configured and where each value comes from."""


@global_options
@config.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Every value in force with its origin: a file and line, a variable, a flag, or the built-in defaults."""
    loaded = begin(ctx).loaded
    if as_json:
        values = {
            key: {"value": value, "origin": origin.name, "line": origin.line} for key, value, origin in loaded.values()
        }
        files = [str(file) for file in loaded.files]
        output.write_json({"schema": CONFIG_SCHEMA, "files": files, "values": values})
        return
    from rich.table import Column
    from rich.text import Text

    from brconsole.cli.status_table import render_rows

    rows = [
        (Text(clean(f"{key} = {_toml(value)}")), Text(clean(str(origin)), "dim"))
        for key, value, origin in loaded.values()
    ]
    columns = (Column("VALUE", overflow="fold"), Column("FROM", overflow="fold"))
    output.write(render_rows(columns, rows, terminal.standard_output(os.environ, no_color=begin(ctx).options.no_color)))


@global_options
@config.command(cls=Command)
@click.pass_context
def path(ctx: click.Context) -> None:
    """The files that are read, the one that counts most first; a file that does not exist says so."""
    from brconsole.cli.options import given

    explicit = locations.explicit_file(given(ctx).config, os.environ)
    project = explicit[0] if explicit else locations.find_project_file(Path.cwd())
    if explicit is not None and not explicit[0].exists():
        raise ConfigError("no such configuration file", where=explicit[1], found=str(explicit[0]))
    user = locations.user_file()
    if project is not None:
        output.write(clean(str(project)))
    output.write(clean(str(user)) + ("" if user.is_file() else " (does not exist)"))


def _toml(value: object) -> str:
    """A value as it would be written in the file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)
