"""The command line: click commands, one file a group, imported only when called."""

from __future__ import annotations

import gc
import os
import sys
import threading


def main() -> None:
    """Run `brconsole` with the arguments of this process and end it with the command's exit status."""
    try:
        from brconsole.cli.entry import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules load
        status = 130
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        # A call that hangs in a thread (credentials are looked for in one) must not hold back a person who has quit.
        os._exit(status)
    # On its way out the interpreter would search Google's clients for garbage, a quarter of a second after the answer
    # is on the screen.
    gc.freeze()
    raise SystemExit(status)
