"""Executions of jobs as processes of this machine: a migration in the embedded cloud truly migrates a database.

Only ByteReview's own job is run, whatever a job's container says, so that nobody who reaches the emulator's ports can
start another program. What the process gets of the container's environment are its plain variables; those by which an
interpreter or a loader would be led elsewhere are held back. Its database and where its project is come from whoever
started the emulator, and no API shows them.

A process lives in real time, so the timeout of its task is in real seconds. What is told of it is in simulated time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from brconsole.emulator.clock import Clock
from brconsole.emulator.job_log import MAX_LINE, ExecutionLog
from brconsole.emulator.log_store import LogStore
from brconsole.simulation.jobs import COMMAND, Execution, JobBook, Outcome
from brconsole.simulation.model import Project

NO_DATABASE = "the simulation has no database; start it with --postgres URL or --postgres auto"
_STARTS_AFTER_S = 1.5
"""Simulated seconds until the container of an execution runs."""
_FAILS_AFTER_S = 1.5
"""Simulated seconds that an attempt without a database takes."""
_KILL_AFTER_S = 10.0
"""Real seconds from SIGTERM to SIGKILL, as Cloud Run gives them."""
_LAUNCHER = Path(__file__).with_name("job_launcher.py")
_MODULE = COMMAND[-1]
_KEPT_VARIABLES = ("PATH", "HOME", "LANG")
_HELD_BACK = re.compile(r"(?:PYTHON|LD_|DYLD_|PG|MALLOC_).*|PATH|HOME|LANG")
_CHUNK = 64 * 1024


class _End(NamedTuple):
    """How an attempt ended."""

    outcome: Outcome
    cause: str = ""


class JobRuns:
    """The jobs, and what runs of them. One event loop's."""

    def __init__(
        self, book: JobBook, clock: Clock, log: LogStore, environments: Mapping[str, Mapping[str, str]]
    ) -> None:
        """`environments` gives what the jobs of a project get besides their own variables, secrets among it; a project
        that is not there has no database.
        """
        self.book = book
        self._clock = clock
        self._log = log
        self._environments = environments
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancels: dict[tuple[str, str], asyncio.Event] = {}
        self._ends: dict[tuple[str, str], asyncio.Event] = {}

    def run(
        self, project: Project, job: str, at: float, actor: str, args: Sequence[str] | None, env: Mapping[str, str]
    ) -> Execution:
        """Start an execution."""
        execution = self.book.run(project.id, job, at, actor, args, env)
        key = (project.id, execution.name)
        self._cancels[key], self._ends[key] = asyncio.Event(), asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._execute(project, execution))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return execution

    def cancel(self, project: Project, execution: str, at: float) -> Execution:
        """Ask for the end of an execution that runs."""
        self._cancels[project.id, execution].set()
        return self.book.cancelling(project.id, execution, at)

    async def ended(self, project: str, execution: str, timeout_s: float) -> None:
        """Wait for the end of an execution, at most so many real seconds."""
        end = self._ends.get((project, execution))
        if end is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await end.wait()

    async def close(self) -> None:
        """End everything that runs, at once."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _execute(self, project: Project, execution: Execution) -> None:
        key = (project.id, execution.name)
        log = ExecutionLog(self._log, project, execution.job, execution.name)
        cancelled = self._cancels[key]
        end = _End("cancelled")
        try:
            await self._pause(_STARTS_AFTER_S, cancelled)
            if not cancelled.is_set():
                self.book.started(project.id, execution.name, self._clock.now())
                for attempt in range(execution.template.max_retries + 1):
                    if attempt:
                        self.book.retried(project.id, execution.name, self._clock.now())
                    end = await self._attempt(project, execution, log, attempt, cancelled)
                    if end.outcome != "failed":
                        break
            at = self._clock.now()
            took = at - execution.created
            self.book.ended(project.id, execution.name, at, end.outcome, _words(execution, end, took))
        finally:
            del self._cancels[key]
            self._ends.pop(key).set()

    async def _attempt(
        self, project: Project, execution: Execution, log: ExecutionLog, attempt: int, cancelled: asyncio.Event
    ) -> _End:
        """One attempt of the task."""
        environment = self._environments.get(project.id)
        template = execution.template
        refusal = ""
        if environment is None:
            refusal = NO_DATABASE
        elif template.command != COMMAND:
            refusal = f"the embedded Google Cloud runs no other program than {' '.join(COMMAND)}"
        if refusal or environment is None:
            await self._pause(_FAILS_AFTER_S, cancelled)
            if cancelled.is_set():
                return _End("cancelled")
            log.system(self._clock.now(), refusal, "ERROR", attempt)
            return _End("failed", refusal)
        own = {one.name: one.value for one in template.env if one.secret is None and not _HELD_BACK.fullmatch(one.name)}
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())),
                *(sys.executable, "-P", "-m", _MODULE, *template.args),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**own, **kept, **environment},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return _End("failed", f"the process cannot be started: {error.strerror or type(error).__name__}")
        try:
            return await self._watched(process, template.timeout_s, log, attempt, cancelled)
        finally:
            await _kill(process)

    async def _watched(
        self,
        process: asyncio.subprocess.Process,
        timeout_s: float,
        log: ExecutionLog,
        attempt: int,
        cancelled: asyncio.Event,
    ) -> _End:
        assert process.stdout is not None  # asked for above
        assert process.stderr is not None
        reading = asyncio.gather(
            self._read(process.stdout, "stdout", log, attempt), self._read(process.stderr, "stderr", log, attempt)
        )
        ended = asyncio.ensure_future(process.wait())
        stop = asyncio.ensure_future(cancelled.wait())
        try:
            await asyncio.wait((ended, stop), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            late = not ended.done() and not stop.done()
            if not ended.done():
                process.terminate()
                await asyncio.wait((ended,), timeout=_KILL_AFTER_S)
                await _kill(process)
            code = await ended
            _kill_group(process)  # what it left behind would keep its output open
            await reading
        finally:
            for each in (reading, ended, stop):
                each.cancel()
        if late:
            return _End("failed", f"the maximum timeout of {timeout_s} seconds was reached")
        if stop.done() and not stop.cancelled() and code != 0:
            return _End("cancelled")
        if code == 0:
            return _End("succeeded")
        said = f"exit({code})" if code > 0 else f"{signal.Signals(-code).name}"
        log.system(self._clock.now(), f"Container called {said}.", "WARNING", attempt)
        return _End("failed", f"exit code: {code} and message: The container exited with an error.")

    async def _read(self, stream: asyncio.StreamReader, name: str, log: ExecutionLog, attempt: int) -> None:
        """The lines of a stream; of a longer one than an entry holds only the beginning."""
        rest = bytearray()
        while chunk := await stream.read(_CHUNK):
            *whole, last = chunk.split(b"\n")
            for part in whole:
                rest += part
                if rest.strip():
                    log.line(self._clock.now(), name, bytes(rest.rstrip(b"\r")), attempt)
                rest.clear()
            rest += last[: max(0, MAX_LINE + 1 - len(rest))]
        if rest.strip():
            log.line(self._clock.now(), name, bytes(rest), attempt)

    async def _pause(self, simulated_s: float, cancelled: asyncio.Event) -> None:
        """Let simulated time pass, unless the execution is cancelled meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._clock.real_seconds(simulated_s)):
                await cancelled.wait()


def _words(execution: Execution, end: _End, took_s: float) -> str:
    """What the condition of an execution that is over says. The sentence of a success and that of a failed task are
    Google's, the others are ours.
    """
    if end.outcome == "succeeded":
        return f"Execution completed successfully in {took_s:.2f}s."
    if end.outcome == "cancelled":
        return f"Execution {execution.name} was cancelled."
    joint = "with " if end.cause.startswith("exit code") else "with message: "
    return f"Task {execution.name}-task0 failed {joint}{end.cause}"


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process and what it has started."""
    if process.returncode is None:
        _kill_group(process)
        await process.wait()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
