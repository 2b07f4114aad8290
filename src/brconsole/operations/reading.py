"""What a source answers with, and the windows that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from brconsole.domain.series import Series, newest_end
from brconsole.domain.text import clean
from brconsole.operations.failure import SourceFailure

T = TypeVar("T")

METRIC_LAG_S = 180
"""Metrics arrive up to three minutes late (facts §5.2): nothing younger is used for a verdict."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value, the end of the newest point used, and what went wrong with a part of it (None: nothing)."""

    value: T
    as_of: datetime
    error: str | None = None


def minute(now: datetime) -> datetime:
    """The minute boundary at or before a moment: consoles that ask for the same windows share Google's cache."""
    return now.replace(second=0, microsecond=0)


def closed_minute(now: datetime) -> datetime:
    """The end of the newest minute of which every metric has arrived."""
    return minute(now) - timedelta(seconds=METRIC_LAG_S)


def by_newest(value: Mapping[str, Series], end: datetime) -> Answer[Mapping[str, Series]]:
    """Series as of their newest point; where there is none, the whole window is known to be empty."""
    return Answer(value, newest_end(value.values()) or end)


def sentence(api: str, error: BaseException) -> str:
    """What to say of a failure. Only a SourceFailure speaks for itself; anything else is a reply that could not be
    used.
    """
    if isinstance(error, SourceFailure):
        return clean(str(error))
    what = clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 300)
    return f"{api}: the reply could not be used ({what})"


def joined(errors: Iterable[str]) -> str | None:
    """The first of several sentences and how many others there are, None for none."""
    distinct = list(dict.fromkeys(errors))
    if not distinct:
        return None
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} (and {len(distinct) - 1} more)"
