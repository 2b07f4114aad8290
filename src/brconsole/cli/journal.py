"""`brconsole journal`: what was meant to be done and what became of it, as a time line; and whether it was tampered
with.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping

import click
from rich.table import Column
from rich.text import Text

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.failures import CommandError
from brconsole.cli.options import Command, WholeNumber, global_options
from brconsole.cli.session import Session, begin
from brconsole.cli.status_table import render_rows
from brconsole.domain.findings import told
from brconsole.domain.text import clean
from brconsole.operations.journal import CUT, INTENT, Entry, Journal, JournalFailure, Verified
from brconsole.operations.outcome import EXIT_STATUS, OutcomeKind
from brconsole.tui import glyphs

CHECK_SCHEMA = "brconsole.journal-check/1"
DEFAULT_SHOWN = 50


@global_options
@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One entry a line (schema brconsole.journal/1).")
@click.option("--verify", is_flag=True, help="Check the chain of hashes; exit status 1 where it is broken.")
@click.option("--env", "environment", metavar="ENV", help="Only this environment.")
@click.option("--service", metavar="NAME", help="Only this service.")
@click.option(
    "-n",
    "--number",
    "shown",
    type=WholeNumber(min=1),
    default=DEFAULT_SHOWN,
    show_default=True,
    metavar="NUMBER",
    help="The newest so many entries.",
)
@click.pass_context
def journal(
    ctx: click.Context, as_json: bool, verify: bool, environment: str | None, service: str | None, shown: int
) -> int:
    """What was meant to be done on this machine and what became of it, oldest first.

    With --endpoint, what was done behind that endpoint: it is kept apart.
    """
    session = begin(ctx)
    if environment is not None:
        session.environment(environment)
    kept = Journal(session.state_folder())
    try:
        if verify:
            return _checked(kept, kept.verify(), as_json)
        entries = deque(kept.entries(environment, service), maxlen=shown)
    except JournalFailure as failure:
        raise CommandError(f"{failure}.", exit_codes.FAILED) from None
    if as_json:
        for entry in entries:
            output.write_json(entry.document)
    elif entries:
        output.write(_time_line(entries, session))
    else:
        output.tell(f"nothing was written yet{'' if environment is None else f' to {environment}'} ({kept.path}).")
    return exit_codes.DONE


def _checked(kept: Journal, found: Verified, as_json: bool) -> int:
    if as_json:
        output.write_json(
            {
                "schema": CHECK_SCHEMA,
                "file": str(kept.path),
                "entries": found.entries,
                "broken_at": found.broken_at,
                "why": found.why or None,
                "cut": found.cut,
            }
        )
    cut = f"; {found.cut} were cut off by a crash, their rests are kept" if found.cut else ""
    if found.broken_at is not None:
        output.tell(
            f"the chain of {kept.path} is broken at line {found.broken_at}: {found.why}; "
            f"{found.entries} entries before it hold{cut}."
        )
        return exit_codes.FAILED
    if not as_json:
        output.write(f"the chain holds: {found.entries} entries{cut} ({kept.path})")
    return exit_codes.DONE


def _time_line(entries: Iterable[Entry], session: Session) -> str:
    columns = (
        Column("TIME (UTC)", no_wrap=True),
        Column("WHERE", overflow="fold"),
        Column("WHAT", overflow="fold"),
        Column("WHO", overflow="fold"),
    )
    shown = terminal.standard_output(os.environ, session.options.no_color)
    return render_rows(columns, (_row(entry) for entry in entries), shown)


def _row(entry: Entry) -> tuple[Text, ...]:
    at = entry.at
    where = " ".join(part for part in (entry.text("environment"), entry.text("service")) if part)
    return (
        Text("unknown" if at is None else f"{at:%Y-%m-%d %H:%M:%S}", "dim"),
        Text(clean(where, 120)),
        _what(entry),
        Text(clean(entry.text("who"), 80), "dim"),
    )


def _what(entry: Entry) -> Text:
    if entry.kind == INTENT:
        of_service = entry.split_before is not None or entry.split_after is not None
        moves = _moves(entry.split_before, entry.split_after) if of_service else entry.text("moves") or "?"
        why = entry.text("why")
        said = f"{entry.text('action')}: {moves}" + (f" ({why})" if why else "")
        return Text(f"{glyphs.CURSOR} {clean(said, 400)}")
    if entry.kind == CUT:
        return Text(f"{glyphs.WARN} {clean(entry.text('what'), 400)}", "yellow")
    result = entry.text("result")
    good = _status(result) == exit_codes.DONE
    glyph, style = (glyphs.GOOD, "green") if good else (glyphs.BAD, "bold red")
    late = ""
    if entry.found_afterwards:
        glyph, style, late = glyphs.WARN, "yellow", ", found out afterwards"
    line = Text(f"{glyph} {clean(result, 60)}{late}", style)
    return line.append(f": {clean(entry.text('what'), 400)}", "default")


def _status(result: str) -> int | None:
    return EXIT_STATUS[OutcomeKind(result)] if result in set(OutcomeKind) else None


def _moves(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> str:
    sides = ("?" if split is None else told(dict(split)) for split in (before, after))
    return " → ".join(dict.fromkeys(sides))
