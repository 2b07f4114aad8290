"""The embedded Google Cloud as a child of a command: a world of its own that ends with us, however we end.

The child reads from a pipe whose other end only we hold. When we go, also by SIGKILL, the kernel closes it and the
child reads the end of its input. It is in a session of its own, so that Ctrl+C reaches us and not it.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from brconsole.cli import exit_codes
from brconsole.cli.failures import CommandError
from brconsole.cli.options import SimulationOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brconsole.wiring import ConnectionOptions, MigrationOptions

START_DEADLINE_S = 60.0
"""How long the child may take to say its addresses; it imports Google's message classes first."""
STOP_DEADLINE_S = 2.0
"""How long the child may take to end by itself once its input has ended."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the simulation listens."""

    grpc: str
    http: str


def command_line(options: SimulationOptions, config: Path | None = None) -> tuple[str, ...]:
    """How the child is called; `config` names the migrations' project.

    `-P` keeps a file in the current folder from posing as one of our modules.
    """
    words = [sys.executable, "-P", "-m", "brconsole", "simulate", "--port", "0", "--http-port", "0", "--json"]
    words += ["--until-stdin-closes", "--scenario", options.scenario or "demo"]
    if options.speed is not None:
        words += ["--speed", repr(options.speed)]
    if options.seed is not None:
        words += ["--seed", str(options.seed)]
    if options.start is not None:
        words += ["--start", options.start.isoformat()]
    if options.latency_ms is not None:
        words += ["--latency", repr(options.latency_ms)]
    if options.services is not None:
        words += ["--services", str(options.services)]
    if options.postgres is not None:
        words += ["--postgres", options.postgres]
        if config is not None:
            words += ["--config", str(config)]
    return tuple(words)


class SimulatedConnection:
    """Starts the child when it is told to, or when its addresses are first needed; ends it with the block."""

    def __init__(
        self,
        options: SimulationOptions,
        deadline_s: float,
        command: Sequence[str] | None = None,
        start_deadline_s: float = START_DEADLINE_S,
        stop_deadline_s: float = STOP_DEADLINE_S,
        config: Path | None = None,
        migrations: MigrationOptions | None = None,
    ) -> None:
        self._deadline_s = deadline_s
        self._migrations = migrations
        self._command = tuple(command or command_line(options, config))
        self._stop_deadline_s = stop_deadline_s
        self._start_deadline_s = start_deadline_s
        self._start_by = 0.0
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long-lived as the child
        self._state = tempfile.TemporaryDirectory(prefix="brconsole-", ignore_cleanup_errors=True)
        self._lock = Lock()
        self._addresses: Addresses | None = None
        self._ended = False
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child where it does not run yet; its addresses come later."""
        with self._lock:
            self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            if self._ended:
                raise CommandError("the simulation was ended.", exit_codes.UNREACHABLE)
            self._start_by = time.monotonic() + self._start_deadline_s
            environment = {name: value for name, value in os.environ.items() if not name.startswith("BRCONSOLE_")}
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
                env=environment,
            )
        return self._child

    @property
    def simulated(self) -> bool:
        """It is."""
        return True

    @property
    def state_folder(self) -> Path:
        """The world's own, so that what was done in another one is not taken for its history."""
        return Path(self._state.name)

    @property
    def pid(self) -> int | None:
        """The process id of the child, None before it was started."""
        return None if self._child is None else self._child.pid

    @property
    def returncode(self) -> int | None:
        """How the child ended, None while it runs and before it was started."""
        return None if self._child is None else self._child.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def options(self) -> ConnectionOptions:
        """Where the child listens; waits for it. Raises CommandError with the child's own words where it died."""
        from brconsole.wiring import ConnectionOptions, MigrationOptions

        found = self.addresses()
        migrations = self._migrations or MigrationOptions()
        return ConnectionOptions(found.grpc, found.http, self._deadline_s, self.state_folder, migrations)

    def addresses(self) -> Addresses:
        """The child's addresses, once it has said them. May be called from any thread."""
        with self._lock:
            if self._addresses is None:
                self._addresses = _parse(self._first_line(self._started()))
            return self._addresses

    def stop(self) -> None:
        """End the child: its input ends; if that is not enough, it is terminated, then killed."""
        self._ended = True
        if self._child is not None:
            self._end(self._child)
        self._errors.close()
        self._state.cleanup()

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None  # asked for above
        child.stdin.close()
        for end in (None, child.terminate, child.kill):
            if end is not None:
                end()
            try:
                child.wait(self._stop_deadline_s)
                break
            except subprocess.TimeoutExpired:
                continue

    def _first_line(self, child: subprocess.Popen[bytes]) -> bytes:
        stream = child.stdout
        assert stream is not None  # asked for above
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                left = self._start_by - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise CommandError(
                        "the simulation did not say its addresses in time; the machine may be too busy. Try again.",
                        exit_codes.UNREACHABLE,
                    )
                part = os.read(stream.fileno(), 4096)
                if not part:
                    raise self._died(child)
                line += part
        return line

    def _died(self, child: subprocess.Popen[bytes]) -> CommandError:
        if self._ended:
            return CommandError("the simulation was ended.", exit_codes.UNREACHABLE)
        status = child.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()
        last = said.splitlines()[-1].removeprefix("brconsole: ") if said else "it said nothing"
        known = (exit_codes.FAILED, exit_codes.USAGE)
        return CommandError(
            f"the simulation did not start: {last}", status if status in known else exit_codes.UNREACHABLE
        )


def _parse(line: bytes) -> Addresses:
    try:
        said = json.loads(line)
        return Addresses(str(said["endpoint"]), str(said["http_endpoint"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError("the simulation said something other than its addresses.", exit_codes.UNREACHABLE) from error
