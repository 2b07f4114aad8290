"""`brconsole doctor`: what works, what does not and what to do about it. It reads only, unless it is told to probe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import click
from rich.table import Column
from rich.text import Text

from brconsole.cli import output, terminal
from brconsole.cli.doctor_checks import Check, Group, State, examine, exit_code
from brconsole.cli.failures import MisuseError
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Connection, Session, begin
from brconsole.cli.snapshot import ready
from brconsole.cli.status_table import render_rows
from brconsole.domain.environment import Environment
from brconsole.domain.text import clean
from brconsole.tui import glyphs

DOCTOR_SCHEMA = "brconsole.doctor/1"
_SIGNS = {
    State.OK: (glyphs.GOOD, "green"),
    State.FAILED: (glyphs.BAD, "bold red"),
    State.UNKNOWN: (glyphs.UNKNOWN, "yellow"),
    State.SKIPPED: ("–", "dim"),
}


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV", required=False)
@click.option(
    "--probe-writes", is_flag=True, help="Also find out which write path is safe, by a write that changes nothing."
)
@click.option("--service", metavar="NAME", help="The service to probe; default: one at rest, a worker first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def doctor(ctx: click.Context, environment: str | None, probe_writes: bool, service: str | None, as_json: bool) -> int:
    """Check credentials, APIs, permissions, quota and clock of an environment.

    It reads only, but for --probe-writes, which proves whether Run v2 refuses a stale etag and keeps the proof: from
    then on the environment is written to by the path that is safe.

    Exit status: 0 all is well, 1 something is not, 5 no API answered.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    if service is not None and not probe_writes:
        raise MisuseError("--service names what --probe-writes writes to; without it there is nothing to write.")
    probing = None if not probe_writes else _probing(session, chosen, service)
    with session.connection() as connection:
        checks = (_mode(session, chosen), *asyncio.run(_examined(chosen, connection)))
        if probing is not None:
            checks = (*checks, asyncio.run(probing(connection)))
    if as_json:
        output.write_json(
            {
                "schema": DOCTOR_SCHEMA,
                "environment": chosen.name,
                "project": chosen.project,
                "region": chosen.region,
                "checks": [
                    {
                        "group": check.group.value,
                        "name": check.name,
                        "state": check.state.value,
                        "detail": check.detail,
                        "remedy": check.remedy or None,
                    }
                    for check in checks
                ],
            }
        )
    else:
        output.write(_listed(checks, terminal.standard_output(os.environ, session.options.no_color)))
    return exit_code(checks)


async def _examined(environment: Environment, connection: Connection) -> tuple[Check, ...]:
    from brconsole.wiring import open_cloud

    options = await ready(connection)
    async with open_cloud(environment, options) as (cloud, clock):
        return await examine(environment, cloud, clock)


def _probing(
    session: Session, environment: Environment, service: str | None
) -> Callable[[Connection], Coroutine[Any, Any, Check]]:
    """The probe, refused before anything is read where writes are."""
    from brconsole.cli.acting import writable
    from brconsole.cli.write_probe import probed
    from brconsole.operations.gateway import WriteAction

    modes = writable(session, environment, WriteAction.PROBE)
    return lambda connection: probed(session, environment, connection, modes, service)


def _mode(session: Session, environment: Environment) -> Check:
    from brconsole.cli.modes import mode_of

    mode, because = mode_of(session.loaded, environment)
    return Check(Group.MODE, mode, State.OK, because)


def _listed(checks: Sequence[Check], shown: terminal.Terminal) -> str:
    rows = []
    for check in sorted(checks, key=lambda check: list(Group).index(check.group)):
        glyph, style = _SIGNS[check.state]
        detail = Text(clean(check.detail))
        if check.remedy:
            detail.append(f"; {clean(check.remedy)}", style)
        rows.append(
            (
                Text(f"{glyph} {check.state.value}", style),
                Text(check.group.value, "dim"),
                Text(clean(check.name, 80)),
                detail,
            )
        )
    columns = (
        Column("STATE", no_wrap=True),
        Column("ABOUT", no_wrap=True),
        Column("WHAT", overflow="fold"),
        Column("FOUND", overflow="fold"),
    )
    return render_rows(columns, rows, shown)
