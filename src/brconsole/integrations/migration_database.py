"""The database that a migration job works on: what it stands at, its lock, its statistics, its record of runs.

On connections of its own, beside those of the project's env.py. Errors are told without the database's URL, which holds
a password: a driver may repeat it in its message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from brconsole.operations.failure import FailureKind, SourceFailure

if TYPE_CHECKING:
    import psycopg

API = "PostgreSQL"
LOCK_KEY = 0x6272_636F_6E73_6F6C
"""The advisory lock of every run, `brconsol` in ASCII. Session-level, so a pooler that gives a session to several
clients in turn does not carry it."""
VERSION_TABLE = "alembic_version"
_CONNECT_DEADLINE_S = 15
_MOST_TABLES = 1000

_STATISTICS = """
    SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END,
           CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE s.n_live_tup END,
           pg_total_relation_size(c.oid)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'brconsole')
      AND n.nspname !~ '^pg_'
    ORDER BY 3 DESC, 1
    LIMIT %s
"""
_RECORD_TABLE = """
    CREATE TABLE brconsole.run (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        release text NOT NULL,
        plan_hash text NOT NULL,
        before text,
        applied text,
        head text NOT NULL,
        image text NOT NULL,
        started timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished timestamptz,
        outcome text NOT NULL
    )
"""
_RECORD_COLUMNS = "id, release, plan_hash, before, applied, head, image, started, finished, outcome"


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """A table as the database's own statistics have it; `rows` is None where it was never counted."""

    table: str
    rows: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as it is recorded in `brconsole.run`. `outcome` is started, done or failed."""

    id: int
    release: str
    plan_hash: str
    before: str | None
    applied: str | None
    head: str
    image: str
    started: datetime
    finished: datetime | None
    outcome: str


class MigrationDatabase:
    """One database, over one connection in autocommit. Not for several threads at once."""

    def __init__(self, url: str, options: str, application: str, version_table: str = VERSION_TABLE) -> None:
        """Connects. `options` are libpq's, such as `-c lock_timeout=1000`. Raises SourceFailure."""
        self._url = url
        self._version_table = version_table
        with self._telling("the database"):
            import psycopg

            self._connection: psycopg.Connection[Any] = psycopg.connect(
                libpq_url(url_with_options(url, options)),
                autocommit=True,
                connect_timeout=_CONNECT_DEADLINE_S,
                options=None if _own_options(url) else options,
                application_name=application,
                keepalives_idle=15,
                keepalives_interval=5,
                keepalives_count=3,
            )

    def close(self) -> None:
        """Close the connection; the lock goes with it."""
        self._connection.close()

    @property
    def server_version(self) -> str:
        """Such as `15.18`."""
        return (self._connection.info.parameter_status("server_version") or "").split(" ")[0]

    @property
    def server_major(self) -> int:
        """Such as 15."""
        return self._connection.info.server_version // 10_000

    def applied(self) -> tuple[str, ...]:
        """The revisions that the database stands at: none is the empty one, several are several lines."""
        table = self._all("SELECT to_regclass(%s)::text", self._version_table)[0][0]
        if table is None:
            return ()
        return tuple(str(row[0]) for row in self._all(f"SELECT version_num FROM {table} ORDER BY 1"))  # nosec B608  # the name comes quoted from the database

    def tables(self) -> tuple[TableStatistics, ...]:
        """The largest tables of the database's users, at most 1,000."""
        rows = self._all(_STATISTICS, _MOST_TABLES)
        return tuple(TableStatistics(str(name), None if n is None else int(n), int(size)) for name, n, size in rows)

    def invalid_indexes(self) -> tuple[str, ...]:
        """Indexes that a concurrent build left behind unusable."""
        query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
        return tuple(str(row[0]) for row in self._all(query))

    # ------------------------------------------------------------------------------------------------------------- lock

    def try_lock(self) -> bool:
        """Take the lock of every run, unless another session has it. It is held until this connection ends."""
        return bool(self._all("SELECT pg_try_advisory_lock(%s)", LOCK_KEY)[0][0])

    def holds_lock(self) -> bool:
        """Whether this session still has it."""
        query = """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
               AND ((classid::bigint << 32) | objid::bigint) = %s
        """
        return bool(self._all(query, LOCK_KEY)[0][0])

    def left_behind(self, application: str) -> int:
        """Sessions of an application that still do something in this database, besides this one."""
        query = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()
              AND state <> 'idle'
        """
        return int(self._all(query, application)[0][0])

    def cancel(self, application: str, *, end: bool) -> None:
        """Cancel what the sessions of an application do at the moment, or `end` them; both roll back."""
        function = "pg_terminate_backend" if end else "pg_cancel_backend"
        self._all(
            f"SELECT {function}(pid) FROM pg_stat_activity"  # nosec B608  # one of two constants
            " WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()",
            application,
        )

    # ---------------------------------------------------------------------------------------------------------- records

    def last_record(self, release: str | None = None) -> RunRecord | None:
        """The newest record (of a release), None where there is none."""
        if self._all("SELECT to_regclass('brconsole.run')")[0][0] is None:
            return None
        query = f"SELECT {_RECORD_COLUMNS} FROM brconsole.run"  # nosec B608  # both are constants
        rows = (
            self._all(f"{query} ORDER BY id DESC LIMIT 1")
            if release is None
            else self._all(f"{query} WHERE release = %s ORDER BY id DESC LIMIT 1", release)
        )
        return RunRecord(*rows[0]) if rows else None

    def last_unfinished(self, plan_hash: str) -> RunRecord | None:
        """The newest record of a plan that did not come to its end, None where there is none."""
        if self._all("SELECT to_regclass('brconsole.run')")[0][0] is None:
            return None
        rows = self._all(
            f"SELECT {_RECORD_COLUMNS} FROM brconsole.run"  # nosec B608  # a constant
            " WHERE plan_hash = %s AND outcome <> 'done' ORDER BY id DESC LIMIT 1",
            plan_hash,
        )
        return RunRecord(*rows[0]) if rows else None

    def begin_record(self, release: str, plan_hash: str, before: str | None, head: str, image: str) -> int:
        """Record that a run began; returns the record's number. Makes schema and table where they are missing."""
        if self._all("SELECT to_regclass('brconsole.run')")[0][0] is None:
            if not self._all("SELECT 1 FROM pg_namespace WHERE nspname = 'brconsole'"):
                self._do("CREATE SCHEMA brconsole")
            self._do(_RECORD_TABLE)
        rows = self._all(
            "INSERT INTO brconsole.run (release, plan_hash, before, applied, head, image, outcome)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'started') RETURNING id",
            *(release, plan_hash, before, before, head, image),
        )
        return int(rows[0][0])

    def end_record(self, number: int, applied: str | None, outcome: str) -> None:
        """Record how a run ended."""
        self._do(
            "UPDATE brconsole.run SET applied = %s, outcome = %s, finished = clock_timestamp() WHERE id = %s",
            *(applied, outcome, number),
        )

    # ------------------------------------------------------------------------------------------------------------- wire

    def _all(self, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
        with self._telling("the database"):
            return self._connection.execute(query.encode(), values or None).fetchall()

    def _do(self, query: str, *values: object) -> None:
        with self._telling("the database"):
            self._connection.execute(query.encode(), values or None)

    @contextmanager
    def _telling(self, resource: str) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            denied = error.sqlstate is not None and error.sqlstate.startswith(("28", "42501"))
            kind = FailureKind.PERMISSION if denied else FailureKind.UNAVAILABLE
            raise SourceFailure(kind, API, resource, first_line(redacted(str(error), self._url))) from None


async def ensure_database(server: str, name: str) -> str:
    """The URL of a database on a server, made where it is missing. Raises SourceFailure.

    The server's URL may name a database to connect to; else it is `postgres`.
    """
    import psycopg
    from psycopg import sql

    parts = urlsplit(libpq_url(server))
    entry = parts.path.strip("/") or "postgres"
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    try:
        async with await psycopg.AsyncConnection.connect(
            urlunsplit(parts._replace(path=f"/{entry}")), autocommit=True, connect_timeout=_CONNECT_DEADLINE_S
        ) as connection:
            found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if await found.fetchone() is None:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise SourceFailure(FailureKind.UNAVAILABLE, API, where, first_line(redacted(str(error), server))) from None
    return urlunsplit(parts._replace(path=f"/{quote(name, safe='')}"))


def libpq_url(url: str) -> str:
    """A URL as libpq reads it: SQLAlchemy's names the driver too."""
    return re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", url)


def url_with_options(url: str, options: str) -> str:
    """A URL that carries options of its own with these behind them; libpq would take its own instead of others.

    One without is left as it is.
    """
    own = _own_options(url)
    if not own:
        return url
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "options"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("options", f"{own} {options}")], quote_via=quote)))


def _own_options(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query)).get("options", "")


def redacted(text: str, url: str) -> str:
    """A text without the URL of a database and without its password."""
    parts = urlsplit(url)
    secrets = {url, libpq_url(url)}
    if parts.password:
        secrets |= {parts.password, unquote(parts.password)}
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "…")
    return re.sub(r"(postgres(?:ql)?(?:\+\w+)?://[^\s:/@]*):[^\s@]*@", r"\1:…@", text)


def first_line(text: str) -> str:
    """What a driver's message says, without the lines that only point."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "it failed")
