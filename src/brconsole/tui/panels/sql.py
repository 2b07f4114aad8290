"""SQL in the screen's roles, by the lexer that Rich brings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from brconsole.tui.paint import Line, Span, cut, shown, width_of

_ROLES = (
    ("Token.Comment", "dim"),
    ("Token.Keyword.Type", "secondary"),
    ("Token.Keyword", "primary bold"),
    ("Token.Name.Builtin", "secondary"),
    ("Token.Literal.String.Name", "text"),
    ("Token.Literal.String", "good"),
    ("Token.Literal.Number", "warn"),
    ("Token.Operator", "dim"),
    ("Token.Punctuation", "dim"),
)
"""The first that a token's kind begins with; a quoted identifier is a name and no text."""
INDENT = "  "


def statements(sql: Sequence[str], width: int) -> list[Line]:
    """Statements one below the other, each broken at the width; a blank line stands between two."""
    lines: list[Line] = []
    for statement in sql:
        if lines:
            lines.append(())
        for text in statement.strip().splitlines():
            inner = text.lstrip()
            line = highlighted(inner)
            lines += _broken(line if inner == text else ((INDENT, ""), *line), width)
    return lines


@lru_cache(maxsize=512)
def highlighted(text: str) -> Line:
    """One line of SQL."""
    return tuple(_spans(_lexer().get_tokens(shown(text, 2000))))


def _spans(tokens: Iterable[tuple[Any, str]]) -> Iterable[Span]:
    for kind, text in tokens:
        word = text.rstrip("\n")
        if word:
            name = str(kind)
            yield word, next((role for begin, role in _ROLES if name.startswith(begin)), "text")


@lru_cache(maxsize=1)
def _lexer() -> Any:
    from rich.syntax import Syntax

    lexer = Syntax("", "postgresql").lexer
    assert lexer is not None
    return lexer


def _broken(line: Line, width: int) -> list[Line]:
    """At blanks where there are some, so that no word of a name is cut in two."""
    rows: list[Line] = []
    first = True
    while width_of(line) > (room := width if first else width - len(INDENT)) and room > 0:
        text = "".join(part for part, _ in line)
        blank = text.rfind(" ", room // 3, room + 1)
        head = cut(line, 0, blank if blank >= 0 else room)
        rows.append(head if first else ((INDENT, ""), *head))
        line, first = cut(line, blank + 1 if blank >= 0 else room, width_of(line)), False
    rows.append(line if first else ((INDENT, ""), *line))
    return rows
