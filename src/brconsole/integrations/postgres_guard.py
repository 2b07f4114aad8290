"""Runs one PostgreSQL server for as long as standard input stays open, then removes its folder.

A program of its own, started by `postgres.throwaway_server`, whose process alone holds the other end of the pipe: when
that ends, however it ends, the kernel closes the pipe and the server goes. It imports nothing of ours, so it starts in
a few milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_END_DEADLINE_S = 5.0


def _end_with_parent() -> None:
    """Linux: the server gets SIGQUIT should this guard be killed itself. Set after the change of account, which would
    clear it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def main(settings: dict[str, object]) -> int:
    """`command`, `account` ([uid, gid] or null), `folder` (removed at the end), `log` (of the server)."""
    command, folder, account = settings["command"], settings["folder"], settings["account"]
    assert isinstance(command, list)  # as `postgres` writes it
    assert isinstance(folder, str)
    other = {"user": account[0], "group": account[1], "extra_groups": []} if isinstance(account, list) else {}
    linux = sys.platform == "linux"
    with Path(str(settings["log"])).open("ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_parent if linux else None,  # noqa: PLW1509  # this process has one thread
            **other,
        )
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # A server that ends by itself (its port is taken) ends this read through the signal's wake-up.
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    kept = False
    while server.poll() is None:
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready:
            kept = bool(os.read(0, 4096))
            if not kept:
                break
        if woken in ready:
            os.read(woken, 4096)
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(_END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    # The folder with its log is left to the parent that reads it, unless that has gone.
    if not kept and not os.read(0, 1):
        shutil.rmtree(folder, ignore_errors=True)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
