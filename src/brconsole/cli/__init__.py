"""The command line: click commands, one file a group, imported only when called."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run `brconsole` with the arguments of this process and end it with the command's exit status."""
    try:
        from brconsole.cli.entry import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules load
        status = 130
    # All is written and every child has ended. To take Google's clients apart again, module by module, would cost a
    # quarter of a second after the answer is on the screen.
    os._exit(status)
