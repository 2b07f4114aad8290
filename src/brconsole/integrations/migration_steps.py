"""Applies one revision of an Alembic project at a time, in a process of its own (`alembic_runner`).

The process ends with this one. Its sessions are known by their application name, which is how what it does at the
moment is cancelled: the database then rolls it back.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from brconsole.domain.text import clean
from brconsole.integrations.migration_database import first_line, redacted, url_with_options
from brconsole.operations.failure import FailureKind, SourceFailure

_API = "Alembic"
_LOCK_NOT_AVAILABLE = "55P03"
_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.25
_LIBPQ = ("PGOPTIONS", "PGAPPNAME")
_STOP_S = 5.0
_LONGEST_WORDS = 1000


@dataclass(frozen=True, slots=True)
class StepResult:
    """How the attempt to apply a revision went; `error` is "" where it was applied."""

    error: str = ""
    sqlstate: str = ""
    commits: int = 0
    """Transactions that it committed before the error: what was in them is not rolled back."""

    @property
    def waited_in_vain(self) -> bool:
        """Whether a lock was not to be had within the lock timeout."""
        return self.sqlstate == _LOCK_NOT_AVAILABLE


class MigrationSteps:
    """The project of a configuration file, on the database of a URL. A context manager; not for several threads."""

    def __init__(self, config: Path, url: str, options: str, application: str, python: str = "") -> None:
        """`options` are libpq's for every session; `python` is the interpreter that has the project's libraries."""
        self._url = url
        environment = {name: value for name, value in os.environ.items() if name not in _LIBPQ}
        environment |= {"DATABASE_URL": url_with_options(url, options), "PGOPTIONS": options, "PGAPPNAME": application}
        runner = Path(__file__).with_name("alembic_runner.py")
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, str(runner), str(config), "online"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  # this process has no other thread
            )
        except OSError as error:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED, _API, python or sys.executable, error.strerror or "it cannot be started"
            ) from None
        self._replies = bytearray()
        self._said = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(self, meanwhile: Callable[[], None], said: Callable[[str], None]) -> None:
        """Wait until the project is read; raises SourceFailure where it cannot be."""
        reply = self._reply(meanwhile, said)
        if "opened" not in reply:
            raise SourceFailure(FailureKind.INVALID, _API, "the project", self._words(reply.get("failed")))

    def apply(self, revision: str, meanwhile: Callable[[], None], said: Callable[[str], None]) -> StepResult:
        """Apply one revision. `meanwhile` is called again and again, `said` with each line that the project prints.

        Raises SourceFailure where the process ended without an answer: what it did has to be read back.
        """
        assert self._process.stdin is not None  # asked for above
        request = json.dumps({"revision": revision, "direction": "up"}).encode() + b"\n"
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except OSError:
            raise self._gone() from None
        reply = self._reply(meanwhile, said)
        error = reply.get("error")
        commits = int(reply.get("commits") or 0)
        if not error:
            return StepResult(commits=commits)
        return StepResult(self._words(error), str(error.get("sqlstate") or ""), commits)

    def _words(self, error: Any) -> str:
        if not isinstance(error, Mapping):
            return "it failed without a word"
        kind, message = str(error.get("type") or ""), first_line(redacted(str(error.get("message") or ""), self._url))
        place = str(error.get("place") or "")
        return clean(f"{f'{kind}: ' if kind else ''}{message}{f' ({place})' if place else ''}", _LONGEST_WORDS)

    def _reply(self, meanwhile: Callable[[], None], said: Callable[[str], None]) -> dict[str, Any]:
        """The next answer; what the project prints until then is passed on without the database's URL."""
        process = self._process
        assert process.stdout is not None  # asked for above
        assert process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, self._replies)
            selector.register(process.stderr, selectors.EVENT_READ, self._said)
            while b"\n" not in self._replies:
                for key, _ in selector.select(_LOOK_S):
                    part = os.read(key.fd, 65_536)
                    key.data.extend(part)
                    if not part:
                        selector.unregister(key.fileobj)
                while b"\n" in self._said:
                    line, _, rest = bytes(self._said).partition(b"\n")
                    self._said[:] = rest
                    self._tell(line, said)
                if process.stdout not in {key.fileobj for key in selector.get_map().values()} and (
                    b"\n" not in self._replies
                ):
                    self._tell(bytes(self._said), said)
                    raise self._gone()
                meanwhile()
        line, _, rest = bytes(self._replies).partition(b"\n")
        self._replies[:] = rest
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise SourceFailure(FailureKind.UNREADABLE, _API, "the project", "its process said something else")
        return reply

    def _tell(self, line: bytes, said: Callable[[str], None]) -> None:
        text = redacted(line.decode("utf-8", "replace"), self._url)
        if text.strip():
            said(text)

    def _gone(self) -> SourceFailure:
        status = self._process.wait()
        how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
        return SourceFailure(FailureKind.UNAVAILABLE, _API, "the project", f"its process ended {how} in mid-work")


def _end_with_parent() -> None:
    """Asked of the kernel (Linux only): a job that is killed must not leave a migration behind that goes on."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
