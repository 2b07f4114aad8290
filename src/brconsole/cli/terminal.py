"""What standard output can show: its width, colour, and characters beyond ASCII."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from brconsole.tui.glyphs import ascii_only

PIPED_WIDTH = 200
"""Columns where there is no terminal and COLUMNS says nothing: nothing is cut for a file."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The abilities of one output."""

    is_terminal: bool
    width: int
    ascii_only: bool
    colour: bool


def standard_output(environ: Mapping[str, str], no_color: bool = False) -> Terminal:
    """The abilities of standard output. NO_COLOR, TERM=dumb and a pipe have no colour."""
    stream = sys.stdout
    is_terminal = stream is not None and stream.isatty()
    return Terminal(
        is_terminal,
        _width(environ, is_terminal),
        ascii_only(environ, getattr(stream, "encoding", None)),
        is_terminal and environ.get("TERM") != "dumb" and not no_color and not environ.get("NO_COLOR"),
    )


def _width(environ: Mapping[str, str], is_terminal: bool) -> int:
    if is_terminal:
        return max(20, shutil.get_terminal_size((80, 24)).columns)
    columns = environ.get("COLUMNS", "")
    return max(20, int(columns)) if columns.isdigit() else PIPED_WIDTH
