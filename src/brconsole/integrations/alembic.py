"""An Alembic project read, rendered and run through `alembic_runner` in the interpreter that the project needs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from brconsole.domain.migration import RevisionFile, SchemaRevision
from brconsole.domain.text import clean
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.migration_ports import (
    Direction,
    ProjectFiles,
    RenderedStatement,
    StepFailure,
    StepResult,
)

_API = "Alembic"
_RUNNER = Path(__file__).with_name("alembic_runner.py")
_OPEN_DEADLINE_S = 60.0
RENDER_DEADLINE_S = 30.0
"""For one revision in one direction, offline."""
RUN_DEADLINE_S = 120.0
"""For one revision in one direction on a throwaway database."""
_LONGEST_LINE = 64 * 1024 * 1024
_NOISE_KEPT = 64 * 1024
# Nothing listens there, and no project can reach a database by it.
OFFLINE_URL = "postgresql://offline:offline@127.0.0.1:1/offline"
_LIBPQ = re.compile(r"PG[A-Z]+")


class AlembicProject:
    """The project of one configuration file. Reading and rendering it reaches no database."""

    def __init__(self, config: Path, python: str | None = None) -> None:
        self._config = config
        self._python = python or sys.executable

    @property
    def folder(self) -> Path:
        """Of the configuration file; the files of revisions are named relative to it."""
        return self._config.parent

    @asynccontextmanager
    async def offline(self) -> AsyncIterator[Runner]:
        """The project, to be read and rendered. Raises SourceFailure where it cannot be read."""
        async with self._runner("offline", OFFLINE_URL, RENDER_DEADLINE_S) as runner:
            yield runner

    @asynccontextmanager
    async def online(self, url: str, deadline_s: float = RUN_DEADLINE_S) -> AsyncIterator[Runner]:
        """The project on the database of the URL, which its env.py is kept to."""
        async with self._runner("online", url, deadline_s) as runner:
            yield runner

    @asynccontextmanager
    async def _runner(self, mode: str, url: str, deadline_s: float) -> AsyncIterator[Runner]:
        if not self._config.is_file():
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                _API,
                "migrations.alembic",
                f"there is no file {clean(str(self._config))}",
                remedy="name the project's alembic.ini (or its pyproject.toml) in [migrations] alembic",
            )
        runner = Runner(self._config, self._python, mode, url, deadline_s)
        try:
            await runner.open()
            yield runner
        finally:
            await runner.close()


class Runner:
    """One child process. A step that does not end in time ends the child, and the next one starts another."""

    def __init__(self, config: Path, python: str, mode: str, url: str, deadline_s: float) -> None:
        self._config = config
        self._python = python
        self._mode = mode
        self._url = url
        self._deadline_s = deadline_s
        self._child: asyncio.subprocess.Process | None = None
        self._noise = bytearray()
        self._listening: asyncio.Task[None] | None = None
        self.files = ProjectFiles((), (), ())

    async def open(self) -> None:
        """Start the child and let it read the project."""
        try:
            child = await asyncio.create_subprocess_exec(
                *(self._python, str(_RUNNER), str(self._config), self._mode),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(self._url),
                cwd=self._config.parent,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                _API,
                "migrations.python",
                f"{clean(self._python)} cannot be started: {(error.strerror or type(error).__name__).lower()}",
                remedy="name the interpreter of the project's virtual environment in [migrations] python",
            ) from None
        self._child = child
        self._listening = asyncio.create_task(self._listen(child))
        answer = await self._answer(child, _OPEN_DEADLINE_S)
        if isinstance(answer, StepFailure):
            await self.close()
            raise self._unreadable(answer.message)
        if "failed" in answer:
            await self.close()
            raise self._unreadable(_sentence(answer["failed"]))
        self.files = _files(answer["opened"])

    async def step(self, revision: str, direction: Direction) -> StepResult:
        """Render one revision, or run it; what goes wrong is told in the result."""
        if self._child is None:
            await self.open()
        child = self._child
        assert child is not None
        assert child.stdin is not None
        child.stdin.write(json.dumps({"revision": revision, "direction": direction.value}).encode() + b"\n")
        answer = await self._answer(child, self._deadline_s)
        if isinstance(answer, StepFailure):
            await self.close()
            return StepResult(failure=answer)
        return _result(answer)

    async def close(self) -> None:
        """End the child and what it started."""
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        if self._listening is not None:
            await self._listening

    async def _answer(self, child: asyncio.subprocess.Process, deadline_s: float) -> dict[str, Any] | StepFailure:
        assert child.stdout is not None
        try:
            async with asyncio.timeout(deadline_s):
                line = await child.stdout.readline()
        except TimeoutError:
            return StepFailure("Timeout", f"it did not end within {deadline_s:.0f} s")
        except ValueError:
            return StepFailure("TooLong", "it renders to more than 64 MB")
        try:
            answer = json.loads(line)
        except ValueError:
            return StepFailure("Ended", f"the interpreter ended unexpectedly{self._last_words()}")
        assert isinstance(answer, dict)
        return answer

    async def _listen(self, child: asyncio.subprocess.Process) -> None:
        """Keep the end of what the project prints: it explains a child that died."""
        assert child.stderr is not None
        while chunk := await child.stderr.read(8192):
            self._noise += chunk
            del self._noise[:-_NOISE_KEPT]

    def _last_words(self) -> str:
        lines = self._noise.decode("utf-8", "replace").strip().splitlines()
        return f": {clean(lines[-1], 300)}" if lines else ""

    def _unreadable(self, reason: str) -> SourceFailure:
        return SourceFailure(
            FailureKind.INVALID,
            _API,
            clean(str(self._config)),
            clean(reason, 1000),
            remedy=(
                "name the interpreter that has the project's dependencies in [migrations] python"
                if "No module named" in reason or "has no Alembic" in reason
                else ""
            ),
        )


def _environment(url: str) -> Mapping[str, str]:
    """The child's: the database by DATABASE_URL, and by libpq's own variables for who reads none."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _LIBPQ.fullmatch(name) and not name.startswith("BRCONSOLE_")
    }
    parts = urlsplit(url)
    return kept | {
        "DATABASE_URL": url,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGOPTIONS": "-c lock_timeout=10s -c statement_timeout=100s",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _sentence(failed: Mapping[str, Any]) -> str:
    kind, message, place = (str(failed.get(key) or "") for key in ("type", "message", "place"))
    told = message if kind in ("CommandError", "ImportError", "ValueError") else f"{kind}: {message}"
    return f"{place}: {told}" if place else told


def _files(opened: Mapping[str, Any]) -> ProjectFiles:
    return ProjectFiles(
        tuple(
            RevisionFile(
                source=SchemaRevision(
                    revision=entry["revision"],
                    down_revisions=tuple(entry["down"]),
                    file=entry["file"],
                    title=clean(entry["title"], 200),
                    source_sha256=entry["sha256"],
                    contract_after=entry["contract_after"],
                ),
                declared=entry["declared"],
                downgrade=entry["downgrade"],
                upgrade_line=entry["upgrade_line"],
                downgrade_line=entry["downgrade_line"],
                mode_line=entry["mode_line"],
            )
            for entry in opened["revisions"]
        ),
        tuple(opened["heads"]),
        tuple(opened["warnings"]),
    )


def _result(answer: Mapping[str, Any]) -> StepResult:
    error = answer["error"]
    return StepResult(
        statements=tuple(
            RenderedStatement(entry["sql"], entry["line"], entry["own"], entry["marker"], entry["bound"])
            for entry in answer["statements"]
        ),
        asked_connection=answer["asked_connection"],
        asked_mode=answer["asked_mode"],
        passed_values=answer["passed_values"],
        failure=None
        if error is None
        else StepFailure(error["type"], error["message"], error.get("line"), error.get("refused", False)),
    )
