"""What stands behind `/`: words that rows must have, must not have, or must equal.

`text` anywhere · `!text` not · `"exact"` the whole of a field · `col:value` in one field; several terms must all hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from brconsole.tui.state import ServiceRow

FIELDS = ("name", "status", "revision", "tag", "by", "note")

_TERM = re.compile(r'(!?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    text: str
    negated: bool = False
    exact: bool = False
    field: str | None = None

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether a row meets it."""
        values = [fields[self.field]] if self.field else list(fields.values())
        found = any(self._in(value) for value in values)
        return found is not self.negated

    def _in(self, value: str) -> bool:
        if self.exact:
            return self.text in (value, *value.split(" "))
        return self.text in value


@dataclass(frozen=True, slots=True)
class Filter:
    """A whole filter as typed, and what is wrong with it."""

    text: str
    terms: tuple[Term, ...] = ()
    problem: str | None = None

    def holds(self, row: ServiceRow) -> bool:
        """Whether a service meets every term."""
        fields = fields_of(row) if self.terms else {}
        return all(term.holds(fields) for term in self.terms)


def parse(text: str) -> Filter:
    """Understand a filter; an unknown field is searched for as plain text and said so."""
    terms: list[Term] = []
    problem = None
    for negation, field, exact, word in _TERM.findall(text):
        value = (exact or word).casefold()
        name = field.lower()
        if field and name not in FIELDS:
            nearest = get_close_matches(name, FIELDS, 1, 0.5)
            problem = f"no field {field!r}; " + (
                f"did you mean {nearest[0]}:?" if nearest else f"there are {', '.join(FIELDS)}"
            )
            value, name = f"{field}:{value}".casefold(), ""
        if value:
            terms.append(Term(value, bool(negation), bool(exact), name or None))
    return Filter(text.strip(), tuple(terms), problem)


def fields_of(row: ServiceRow) -> Mapping[str, str]:
    """What can be searched of a service, in lower case."""
    return {
        "name": row.name.casefold(),
        "status": f"{row.level.name.lower()} {_STATUS[row.level.name]}"
        + (" canary" if row.canary else "")
        + (" pinned" if row.service.pinned else "")
        + (" drift" if row.service.drift else ""),
        "revision": " ".join(share.revision for share in row.shares).casefold(),
        "tag": " ".join(tag for share in row.shares for tag in share.tags).casefold(),
        "by": row.who.casefold(),
        "note": " ".join(row.notes).casefold(),
    }


_STATUS = {"GOOD": "healthy", "WARN": "degraded", "BAD": "critical", "BUSY": "reconciling", "UNKNOWN": "undecided"}
