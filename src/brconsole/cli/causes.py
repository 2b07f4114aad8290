"""Why sources failed, each cause once: without credentials eleven sources fail for one reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

from brconsole.domain.fleet import Fleet
from brconsole.domain.text import clean

_API = re.compile(r"^[A-Z][\w ]*: ")
_RESOURCE = re.compile(r" \([^()]*\)")
_UNANSWERED = "no answer within the deadline"


def by_cause(fleet: Fleet, names: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """The sources of each cause with its sentence; what differs between them (API, resource) is left out of it."""
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        error = clean(fleet.reading(name).error or _UNANSWERED)
        groups.setdefault(_RESOURCE.sub("", _API.sub("", error)), {})[name] = error
    return [
        (tuple(errors), common if len(set(errors.values())) > 1 else next(iter(errors.values())))
        for common, errors in groups.items()
    ]
