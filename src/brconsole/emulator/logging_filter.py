"""The Logging query language: parsed into a test of one log entry, and refused where it is not understood.

Implemented: comparisons `= != > < >= <= : =~ !~`, `AND OR NOT -`, adjacent terms (AND), parentheses (also around
values), quoted strings, dotted paths with quoted parts, `:*`, times, severities in their order, comments, and
`log_id("…")`. Precedence is Google's documented oddity: NOT, then OR, then AND. Other functions are refused.

A missing field fails every comparison, also `!=` (only NOT turns that around); text is compared without regard to case,
except by regular expressions. Python's `re` stands in for RE2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from google.cloud.logging_v2.types import LogEntry

from brconsole.emulator.errors import ApiError, invalid_argument

Entry = Mapping[str, Any]
"""A log entry as Google's JSON: camelCase names, payload resolved."""
Test = Callable[[Entry], bool]

MAX_LENGTH = 20_000
"""Characters of a filter (facts §7)."""

MAX_DEPTH = 50
"""Parentheses and negations inside of each other."""

SEVERITIES: Mapping[str, int] = {
    "DEFAULT": 0,
    "DEBUG": 100,
    "INFO": 200,
    "NOTICE": 300,
    "WARNING": 400,
    "ERROR": 500,
    "CRITICAL": 600,
    "ALERT": 700,
    "EMERGENCY": 800,
}
"""google.logging.type.LogSeverity."""

_TIMES = frozenset({"timestamp", "receiveTimestamp"})
_FIELDS = {field.json_name or field.name: field for field in LogEntry.pb().DESCRIPTOR.fields}

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)
    | (?P<op><=|>=|!=|=~|!~|=|<|>|:)
    | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    | (?P<path>(?:[\w$@*/%+][\w$@*/%+-]*|"(?:[^"\\]|\\.)*")(?:\.(?:[\w$@*/%+-]+|"(?:[^"\\]|\\.)*"))*)
    | (?P<minus>-)
    """,
    re.VERBOSE,
)
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^."]+')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A parsed filter."""

    matches: Test
    """Whether an entry is wanted."""
    after: float
    before: float
    """No entry outside of [after, before] (seconds since the epoch) can match; infinite where the filter sets no
    bound.
    """


def parse_log_filter(text: str) -> LogFilter:
    """Parse a filter; raises INVALID_ARGUMENT in Google's words for what does not parse or is not implemented."""
    if len(text) > MAX_LENGTH:
        raise invalid_argument(f"The filter is longer than {MAX_LENGTH} characters.", "filter")
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(slots=True)
class _Bounds:
    """What the terms that must all hold say about the timestamp."""

    after: float = -math.inf
    before: float = math.inf

    def narrow(self, operator: str, at: float) -> None:
        if operator in (">", ">=", "="):
            self.after = max(self.after, at)
        if operator in ("<", "<=", "="):
            self.before = min(self.before, at)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._lex())
        self._at = 0
        self._bounds = _Bounds()
        # Only a term that every match must fulfil narrows the time range.
        self._optional = 0
        self._depth = 0

    def parse(self) -> LogFilter:
        test: Test = _everything
        if self._tokens[0].kind != "end":
            test = self._all_of(self._term)
        self._expect("end")
        return LogFilter(test, self._bounds.after, self._bounds.before)

    def _lex(self) -> Iterator[_Token]:
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                raise self._syntax(position, self._text[position])
            if match.lastgroup != "space":
                yield _Token(match.lastgroup, match[0], position)
            position = match.end()
        yield _Token("end", "", position)

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, kind: str) -> None:
        token = self._peek()
        if token.kind != kind:
            raise self._unexpected(token)
        self._at += 1

    def _word(self, word: str) -> bool:
        """Take a keyword, where it stands next."""
        token = self._peek()
        if token.kind == "path" and token.text == word:
            self._at += 1
            return True
        return False

    def _all_of(self, leaf: Callable[[], Test]) -> Test:
        """Terms joined by AND, or standing side by side: the weakest binding."""
        tests = [self._any_of(leaf)]
        while self._word("AND") or self._peek().kind not in ("end", "close", "comma"):
            tests.append(self._any_of(leaf))
        return tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)

    def _any_of(self, leaf: Callable[[], Test]) -> Test:
        before = _Bounds(self._bounds.after, self._bounds.before)
        tests = [self._not(leaf)]
        while self._word("OR"):
            self._optional += 1
            tests.append(self._not(leaf))
            self._optional -= 1
        if len(tests) == 1:
            return tests[0]
        # The first alternative was read as if it had to hold.
        self._bounds = before
        return lambda entry: any(test(entry) for test in tests)

    def _not(self, leaf: Callable[[], Test]) -> Test:
        negated = self._word("NOT")
        if not negated and self._peek().kind == "minus":
            self._at += 1
            negated = True
        if not negated:
            return self._group(leaf)
        self._deeper()
        self._optional += 1
        test = self._not(leaf)
        self._optional -= 1
        self._depth -= 1
        return lambda entry: not test(entry)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise invalid_argument(f"The filter is nested deeper than {MAX_DEPTH}.", "filter")

    def _group(self, leaf: Callable[[], Test]) -> Test:
        if self._peek().kind != "open":
            return leaf()
        self._at += 1
        self._deeper()
        test = self._all_of(leaf)
        self._depth -= 1
        self._expect("close")
        return test

    def _term(self) -> Test:
        """A comparison, a function, or a bare text that any field may contain."""
        token = self._next()
        if token.kind not in ("path", "time"):
            raise self._unexpected(token)
        following = self._peek()
        if following.kind == "open" and following.position == token.position + len(token.text):
            return self._function(token)
        if following.kind != "op":
            wanted = _unquoted(token.text).casefold()
            return lambda entry: any(wanted in _text(value).casefold() for value in _leaves(entry))
        self._at += 1
        path = self._path(token)
        operator = following.text

        def value() -> Test:
            return self._comparison(path, operator)

        return self._group(value)

    def _function(self, name: _Token) -> Test:
        if name.text != "log_id":
            raise invalid_argument(f"Unsupported function '{name.text}' in the filter.", "filter")
        self._at += 1
        argument = self._next()
        if argument.kind != "path" or not argument.text.startswith('"'):
            raise self._unexpected(argument)
        self._expect("close")
        ending = f"/logs/{quote(_unquoted(argument.text), safe='')}"
        return lambda entry: str(entry.get("logName", "")).endswith(ending)

    def _path(self, token: _Token) -> tuple[str, ...]:
        parts = [_unquoted(part) for part in _PART.findall(token.text)]
        first = _camel(parts[0])
        if first not in _FIELDS:
            raise invalid_argument(f"Field not found: '{parts[0]}'.", "filter")
        message = _FIELDS[first].message_type
        free = message is None or message.full_name.startswith("google.protobuf.") or message.GetOptions().map_entry
        if len(parts) > 1 and message is None:
            raise invalid_argument(f"Field not found: '{token.text}'.", "filter")
        if len(parts) > 1 and not free and _camel(parts[1]) not in {field.json_name for field in message.fields}:
            raise invalid_argument(f"Field not found: '{token.text}'.", "filter")
        if not free and len(parts) > 1:
            parts[1] = _camel(parts[1])
        return (first, *parts[1:])

    def _comparison(self, path: tuple[str, ...], operator: str) -> Test:
        sign = "-" if self._peek().kind == "minus" else ""
        self._at += len(sign)
        token = self._next()
        if token.kind not in ("path", "time"):
            raise self._unexpected(token)
        quoted = token.text.startswith('"')
        wanted = sign + (_unquoted(token.text) if quoted else token.text)
        if operator == ":" and wanted == "*" and not quoted:
            return lambda entry: any(True for _ in _values(entry, path))
        if operator in ("=~", "!~"):
            if not quoted:
                raise self._unexpected(token)
            return _regular(path, wanted, negated=operator == "!~")
        if path == ("severity",):
            return _by_rank(operator, _severity(wanted))
        if path[0] in _TIMES:
            at = _moment(wanted)
            if path[0] == "timestamp" and not self._optional:
                self._bounds.narrow(operator, at)
            return _by_time(path[0], operator, at)
        return _by_value(path, operator, wanted)

    def _unexpected(self, token: _Token) -> ApiError:
        return self._syntax(token.position, token.text or "EOF")

    def _syntax(self, position: int, found: str) -> ApiError:
        line = self._text.count("\n", 0, position) + 1
        column = position - self._text.rfind("\n", 0, position)
        return invalid_argument(
            f"Unparseable filter: syntax error at line {line}, column {column}, token '{found}'", "filter"
        )


def _everything(_entry: Entry) -> bool:
    return True


def _regular(path: tuple[str, ...], pattern: str, *, negated: bool) -> Test:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        text = f"Unparseable filter: invalid regular expression '{pattern}': {error}"
        raise invalid_argument(text, "filter") from error

    def test(entry: Entry) -> bool:
        found = [_text(value) for value in _values(entry, path)]
        # A missing field fails both forms.
        return bool(found) and any(compiled.search(text) for text in found) is not negated

    return test


def _by_rank(operator: str, rank: int) -> Test:
    return lambda entry: _ordered(operator, SEVERITIES.get(str(entry.get("severity", "DEFAULT")), 0), rank)


def _by_time(field: str, operator: str, at: float) -> Test:
    return lambda entry: field in entry and _ordered(operator, _moment(entry[field]), at)


def _by_value(path: tuple[str, ...], operator: str, wanted: str) -> Test:
    folded = wanted.casefold()
    number = _number(wanted)

    def one(value: Any) -> bool:
        if operator == ":":
            return any(folded in _text(leaf).casefold() for leaf in _leaves(value))
        if isinstance(value, Mapping):
            return False
        there = _number(value)
        if number is not None and there is not None:
            return _ordered(operator, there, number)
        return _ordered(operator, _text(value).casefold(), folded)

    return lambda entry: any(one(value) for value in _values(entry, path))


def _ordered(operator: str, left: Any, right: Any) -> bool:
    match operator:
        case "=" | ":":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)


def _values(entry: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands at a path; every element of a list counts."""
    if isinstance(entry, list):
        for element in entry:
            yield from _values(element, path)
    elif not path:
        yield entry
    elif isinstance(entry, Mapping):
        for key in dict.fromkeys((path[0], _camel(path[0]))):
            if key in entry:
                yield from _values(entry[key], path[1:])
                return


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for element in value.values():
            yield from _leaves(element)
    elif isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    else:
        yield value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    """A number, also as the text that Google's JSON makes of 64-bit integers."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _severity(name: str) -> int:
    if name.upper() in SEVERITIES:
        return SEVERITIES[name.upper()]
    if name.isdecimal():
        return int(name)
    raise invalid_argument(f"Unparseable filter: unknown severity '{name}'.", "filter")


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_argument(f"Unparseable filter: invalid timestamp '{text}'.", "filter") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL)


def _camel(name: str) -> str:
    """The JSON name of a field; both spellings are taken."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
