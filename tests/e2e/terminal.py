"""A command in a terminal of its own: what it writes, byte for byte, and what a person then sees."""

from __future__ import annotations

import os
import select
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pexpect
import pyte
from rich.cells import cell_len

WITHIN_S = 60.0
_INHERITED = ("HOME", "PATH", "TZ", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


class Terminal:
    """`brconsole ARGUMENTS` in a terminal of some size."""

    def __init__(self, arguments: Sequence[str], columns: int, rows: int, **environment: str) -> None:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        described = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
        with warnings.catch_warnings():
            # A test's process has threads of its runner; the child that is forked beside them only executes.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.spawned: pexpect.spawn[bytes] = pexpect.spawn(
                sys.executable,
                ["-m", "brconsole", *arguments],
                dimensions=(rows, columns),
                env={**inherited, **described},
            )
        self.written = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def pid(self) -> int:
        """Of the command."""
        assert self.spawned.pid is not None
        return self.spawned.pid

    @property
    def lines(self) -> list[str]:
        """What stands on the screen; half of a wide character that was written over is a blank."""
        rows = (self._screen.buffer[y] for y in range(self._screen.lines))
        return [_joined([row[x].data for x in range(self._screen.columns)]) for row in rows]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def send(self, keys: str) -> None:
        """Type."""
        self.spawned.send(keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Drag the corner of the window; what stood there is gone until it is painted again."""
        self._screen.resize(rows, columns)
        self._screen.reset()
        self.spawned.setwinsize(rows, columns)

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        """Read what it writes until something holds, for a while."""
        ends = time.monotonic() + within_s
        while not condition():
            left_s = ends - time.monotonic()
            assert left_s > 0, f"{what}; the screen shows\n{self.text}"
            assert self._read(left_s) or condition(), f"it ended before {what}; the screen shows\n{self.text}"

    def until_shown(self, *texts: str) -> None:
        """Wait until all of these stand on the screen."""
        self.until(lambda: all(text in self.text for text in texts), f"{texts} are shown")

    def until_ended(self, within_s: float = WITHIN_S) -> int:
        """Read to the end; the exit status."""
        ends = time.monotonic() + within_s
        while self._read(max(0.0, ends - time.monotonic())):
            assert time.monotonic() < ends, f"it did not end within {within_s:g} s"
        self.spawned.wait()
        status: int | None = self.spawned.exitstatus
        assert status is not None, f"it was ended by signal {self.spawned.signalstatus}"
        return status

    def hang_up(self) -> None:
        """Close the terminal, as when a laptop's lid is shut on an ssh session."""
        terminal: Any = self.spawned.ptyproc  # type: ignore[attr-defined]  # the stubs leave it out
        terminal.fileobj.close()
        terminal.closed = self.spawned.closed = True
        terminal.fd = self.spawned.child_fd = -1

    def close(self) -> None:
        """End it, however it stands."""
        if not self.spawned.closed:
            self.spawned.close(force=True)

    def _read(self, within_s: float) -> bool:
        """Take what comes next; False at the end."""
        try:
            part = self.spawned.read_nonblocking(65_536, timeout=within_s)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += part
        self._stream.feed(part)
        return True


def _joined(cells: list[str]) -> str:
    text = ""
    wide = False
    for cell in cells:
        text += cell if cell or wide else " "
        wide = not wide and cell_len(cell) == 2
    return text


def ended(pid: int, within_s: float = WITHIN_S) -> bool:
    """Wait for the end of a process that is no child of ours; whether it has ended (Linux only)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)
