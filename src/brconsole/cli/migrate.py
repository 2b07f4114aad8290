"""`brconsole migrate`: database migrations."""

from __future__ import annotations

import click

from brconsole.cli.migrate_check import check


@click.group()
def migrate() -> None:
    """Database migrations."""


migrate.add_command(check)
