"""The command line: click commands, one file a group, imported only when called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `brconsole` with the arguments of this process and end it with the command's exit status."""
    try:
        from brconsole.cli.entry import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules load
        status = 130
    raise SystemExit(status)
