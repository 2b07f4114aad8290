"""Run as a program: becomes another one that ends when its starter does, also when the starter is killed.

    python job_launcher.py PARENT_PID PROGRAM ARGUMENT…

The kernel is asked for it (Linux only; elsewhere the program may live on). It stands alone and imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask, see that it was not too late, and become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # nosec B606  # the emulator's own, without a shell


if __name__ == "__main__":
    main()
