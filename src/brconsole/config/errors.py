"""The one error of the configuration layer."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST_FOUND = 80
_MOST_ALLOWED = 12


class ConfigError(Exception):
    """A mistake in the configuration, told so that it can be mended without opening the manual.

    `what` is the mistake, `where` a file with its line, an environment variable or a flag, `found` the offending
    value as it can be shown on one line, `allowed` what may stand there, and `nearest` the valid name that was
    probably meant. Parts that do not apply are None. Everything is safe to print: control characters are escaped.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: str | None = None,
        allowed: str | None = None,
        nearest: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.found = found
        self.allowed = allowed
        self.nearest = nearest
        super().__init__(what)

    def __str__(self) -> str:
        text = self.what
        if self.found is not None:
            text += f", found {self.found}"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.nearest is not None:
            text += f"; did you mean {self.nearest}?"
        return f"{self.where}: {text}" if self.where else text


def shown(value: object) -> str:
    """A value as it may stand in a message: one line, short, nothing that a terminal would obey."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    text = repr(value)
    return text if len(text) <= _LONGEST_FOUND else f"{text[:_LONGEST_FOUND]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like a mistyped one, or None where none is like it."""
    from difflib import get_close_matches

    by_fold = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def listed(names: Iterable[str]) -> str:
    """Names for the `allowed` part of a message, cut where a list would hide the message."""
    ordered = list(names)
    if len(ordered) > _MOST_ALLOWED:
        return ", ".join(ordered[:_MOST_ALLOWED]) + f" and {len(ordered) - _MOST_ALLOWED} more"
    return ", ".join(ordered) or "none"
