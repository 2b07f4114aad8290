"""What the job is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_LOCK_TIMEOUT_MS = 1_000
DEFAULT_STATEMENT_TIMEOUT_MS = 900_000
_MOST_MS = 7 * 24 * 3_600_000
_DATABASES = ("postgresql://", "postgres://", "postgresql+")


class SettingError(ValueError):
    """A variable that is missing or wrong, in a sentence that names it and what is allowed. Never with a secret."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The environment of one execution. Timeouts are PostgreSQL's, in milliseconds."""

    database_url: str = field(repr=False)
    alembic: Path
    version_table: str
    python: str
    release: str
    plan_hash: str
    expected_head: str
    image: str
    lock_timeout_ms: int
    statement_timeout_ms: int


def settings(environ: Mapping[str, str], folder: Path) -> JobSettings:
    """Read the environment; relative paths are relative to `folder`. Raises SettingError."""
    url = environ.get("DATABASE_URL", "")
    if not url:
        raise SettingError("DATABASE_URL is not set: the URL of the database, from a secret")
    if not url.startswith(_DATABASES):
        raise SettingError("DATABASE_URL: allowed is a URL such as postgresql://USER:PASSWORD@HOST/DATABASE")
    alembic = (folder / environ.get("ALEMBIC_CONFIG", "alembic.ini")).absolute()
    if not alembic.is_file():
        raise SettingError(f"ALEMBIC_CONFIG: there is no file {alembic}")
    return JobSettings(
        database_url=url,
        alembic=alembic,
        version_table=environ.get("ALEMBIC_VERSION_TABLE", "alembic_version"),
        python=environ.get("ALEMBIC_PYTHON", ""),
        release=environ.get("RELEASE_ID", ""),
        plan_hash=environ.get("PLAN_HASH", ""),
        expected_head=environ.get("EXPECTED_HEAD", ""),
        image=environ.get("IMAGE_DIGEST", ""),
        lock_timeout_ms=_milliseconds(environ, "LOCK_TIMEOUT_MS", DEFAULT_LOCK_TIMEOUT_MS),
        statement_timeout_ms=_milliseconds(environ, "STATEMENT_TIMEOUT_MS", DEFAULT_STATEMENT_TIMEOUT_MS),
    )


def _milliseconds(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= _MOST_MS):
        raise SettingError(f"{name}: found {text[:20]!r}, allowed is a number of milliseconds from 1 to {_MOST_MS}")
    return int(text)
