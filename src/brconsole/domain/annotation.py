"""Reading the JSON of an annotation strictly: anybody may have written it, so it is ours in every detail or unreadable.

Each reader takes a value as JSON gave it and raises MistakeError where it is not as we write it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from brconsole.domain.text import clean

LARGEST = 2**53 - 1
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is an annotation, but none that this console may act on."""

    reason: str


class MistakeError(ValueError):
    """What of a document is not as we write it."""


class Fields:
    """A JSON object whose keys are taken one by one; what is left over in the end is a mistake."""

    def __init__(self, found: Mapping[str, object]) -> None:
        self._left = dict(found)

    def take(self, key: str, read: Callable[[object], T]) -> T:
        """A key that must be there."""
        if key not in self._left:
            raise MistakeError(f"{key} is missing")
        try:
            return read(self._left.pop(key))
        except MistakeError as mistake:
            raise MistakeError(f"{key}: {mistake}") from None

    def take_if(self, key: str, read: Callable[[object], T]) -> T | None:
        """A key that may be there."""
        return self.take(key, read) if key in self._left else None

    def end(self) -> None:
        """No key is left."""
        if self._left:
            raise MistakeError(f"unknown key {min(self._left)}")


def read(text: str, of: Callable[[Fields], T], version: int, longest_bytes: int, what: str) -> T | Unreadable:
    """The document that an annotation's text holds; `what` names it, for the reasons."""
    if len(text) > longest_bytes or len(text.encode(errors="surrogatepass")) > longest_bytes:
        return Unreadable(f"it is longer than {longest_bytes} bytes")
    try:
        found = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_fraction, parse_float=_no_fraction
        )
    except (ValueError, RecursionError):
        return Unreadable(f"it is not the JSON of {what}")
    try:
        fields = Fields(mapping(found))
        wrote = fields.take("v", integer(0, LARGEST))
        if wrote != version:
            return Unreadable(f"it has version {wrote}; this brconsole reads version {version}")
        return of(fields)
    except MistakeError as mistake:
        return Unreadable(clean(str(mistake), 200))


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mapping(value: object) -> dict[str, object]:
    """An object."""
    if not isinstance(value, dict):
        raise MistakeError("not an object")
    return value


def integer(low: int, high: int) -> Callable[[object], int]:
    """A whole number within bounds."""

    def take(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise MistakeError(f"not a whole number from {low} to {high}")
        return value

    return take


def line(longest: int) -> Callable[[object], str]:
    """One printable line."""

    def take(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest or clean(value) != value:
            raise MistakeError(f"not a printable line of up to {longest} characters")
        return value

    return take


def matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    """A text of a form."""

    def take(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise MistakeError("not of the expected form")
        return value

    return take


def time(value: object) -> datetime:
    """A moment."""
    try:
        return datetime.strptime(matching(_MOMENT)(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise MistakeError("not a moment such as 2026-10-10T16:00:00Z") from None


def true(value: object) -> bool:
    """Only true: what is false is left out."""
    if value is not True:
        raise MistakeError("only true stands here")
    return True


def number_text(value: object) -> int:
    """A whole number as text."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,16}", value, re.ASCII):
        raise MistakeError("not a whole number as text")
    return int(value)


def entries(value: object, most: int) -> list[object]:
    """A list."""
    if not isinstance(value, list) or len(value) > most:
        raise MistakeError(f"not a list of up to {most} entries")
    return value


def pair(value: object) -> tuple[object, object]:
    """A list of two."""
    found = entries(value, 2)
    if len(found) != 2:
        raise MistakeError("not a pair")
    return found[0], found[1]


def lines(longest: int, most: int) -> Callable[[object], dict[str, str]]:
    """An object of printable lines."""

    def take(value: object) -> dict[str, str]:
        found = mapping(value)
        if len(found) > most:
            raise MistakeError("too many keys")
        one = line(longest)
        return {one(key): one(text) for key, text in found.items()}

    return take


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_fraction(text: str) -> object:
    raise ValueError(f"{text} is no number of ours")
