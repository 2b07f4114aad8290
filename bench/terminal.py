"""A program in a real pseudo-terminal, with the moment at which each of its outputs arrived."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Self

import pexpect
import pyte


class _Screen(pyte.Screen):
    """pyte's screen, deaf to the private sequences of modern programs."""

    def report_device_status(self, mode: int = 0, **kwargs: object) -> None:
        super().report_device_status(mode)

    def select_graphic_rendition(self, *attributes: int, private: bool = False, **kwargs: object) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal:
    """Runs a command at 160x45; `screen` is what a person would see."""

    def __init__(self, command: Sequence[str], columns: int = 160, rows: int = 45) -> None:
        self.screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        self.started = time.perf_counter()
        self._child = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(rows, columns), env=environment, timeout=None
        )
        self._child.delaybeforesend = None  # pexpect waits 50 ms before each key, to be kind to password prompts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(pexpect.ExceptionPexpect, OSError):
            self._child.close(force=True)

    def send(self, keys: str) -> float:
        """Type keys; returns the moment."""
        moment = time.perf_counter()
        self._child.send(keys)
        return moment

    def wait(self, seen: Callable[[pyte.Screen], bool], seconds: float) -> float | None:
        """Read until `seen`; the moment at which the output that made it so arrived, None where it did not come."""
        end = time.monotonic() + seconds
        if seen(self.screen):
            return time.perf_counter()
        while (left := end - time.monotonic()) > 0:
            try:
                data = self._child.read_nonblocking(65536, timeout=left)
            except (pexpect.TIMEOUT, pexpect.EOF):
                return None
            moment = time.perf_counter()
            self._stream.feed(data)
            if seen(self.screen):
                return moment
        return None

    def drain(self, seconds: float) -> None:
        """Read what comes for a while."""
        self.wait(lambda screen: False, seconds)

    def shows(self, text: str) -> bool:
        """Whether a text stands on the screen."""
        return any(text in line for line in self.screen.display)
