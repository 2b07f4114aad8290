"""The filter language of Cloud Monitoring: parsed, never guessed.

    metric.type = "run.googleapis.com/request_count" AND resource.labels.service_name = starts_with("worker-")
    select_slo_burn_rate("projects/P/services/S/serviceLevelObjectives/O", "3600s")

Comparisons are joined by AND (which may be left out), OR and NOT (or a minus sign). NOT binds tightest, then OR, then
AND, as in Google's other filters; parentheses always help. Whatever is not understood raises InvalidFilterError, which
names the position.

The syntax tree is neutral: time series, metric descriptors and alert policies each give their own meaning to a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

MAX_ONE_OF = 100
MAX_DEPTH = 50
"""Deeper nesting is refused rather than recursed into."""


class InvalidFilterError(ValueError):
    """A filter that Cloud Monitoring refuses, in its words."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function on the right of an operator: its name and its literals."""

    function: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One restriction, such as `resource.labels.zone != "a"`. A quoted part of the path keeps its dots."""

    path: tuple[str, ...]
    operator: Literal["=", "!=", ":", "<", "<=", ">", ">="]
    value: str | Call
    position: int

    @property
    def field(self) -> str:
        """The path as text."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Selector:
    """A time-series selector of an SLO: `select_slo_burn_rate(name, lookback)`."""

    name: str
    arguments: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """A negation."""

    operand: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of the operands."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the operands."""

    operands: tuple[Node, ...]


Node = Comparison | Selector | Not | And | Or

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<operator>!=|<=|>=|[=:<>])
    |(?P<punctuation>[(),.])
    |(?P<minus>-(?=[\s(A-Za-z_]))
    |(?P<number>-?\d+(?:\.\d+)?(?![\w/]))
    |(?P<word>[A-Za-z0-9_][A-Za-z0-9_/@-]*)
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_FUNCTIONS = {"starts_with", "ends_with", "has_substring", "one_of", "monitoring.regex.full_match"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Node:
    """The syntax tree of a filter; raises InvalidFilterError. An empty filter is the caller's to judge."""
    return _Parser(text).parse()


def syntax_error(text: str, position: int, token: str) -> InvalidFilterError:
    """The error for something unexpected at a position (a character offset), in Google's words."""
    before = text[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    found = f"token '{token}'" if token else "unexpected end of filter"
    return InvalidFilterError(f'Could not parse filter "{text}"; syntax error at line {line}, column {column}, {found}')


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise syntax_error(text, position, text[position])
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), position)
        position = match.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Recursive descent over the tokens, one method a rule."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._conjunction()
        self._expect("end")
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _fail(self, token: _Token) -> InvalidFilterError:
        return syntax_error(self._text, token.position, token.text)

    def _expect(self, kind: str, text: str | None = None) -> _Token:
        token = self._take()
        if token.kind != kind or (text is not None and token.text != text):
            raise self._fail(token)
        return token

    def _at(self, kind: str, text: str) -> bool:
        token = self._peek()
        return token.kind == kind and token.text == text

    def _conjunction(self) -> Node:
        operands = [self._disjunction()]
        while True:
            if self._at("word", "AND"):
                self._take()
            elif self._peek().kind == "end" or self._at("punctuation", ")"):
                break
            operands.append(self._disjunction())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _disjunction(self) -> Node:
        operands = [self._negation()]
        while self._at("word", "OR"):
            self._take()
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _negation(self) -> Node:
        if self._at("word", "NOT") or self._peek().kind == "minus":
            self._take()
            return Not(self._primary())
        return self._primary()

    def _primary(self) -> Node:
        token = self._peek()
        if token.kind == "punctuation" and token.text == "(":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._fail(token)
            self._take()
            node = self._conjunction()
            self._expect("punctuation", ")")
            self._depth -= 1
            return node
        if token.kind == "word" and token.text.startswith("select_slo_"):
            self._take()
            return Selector(token.text, self._arguments(), token.position)
        return self._comparison()

    def _comparison(self) -> Comparison:
        first = self._peek()
        path = self._path()
        operator = self._take()
        if operator.kind != "operator":
            raise self._fail(operator)
        # The pattern of an operator admits these texts and no others.
        return Comparison(path, operator.text, self._value(), first.position)  # type: ignore[arg-type]

    def _path(self) -> tuple[str, ...]:
        token = self._take()
        if token.kind != "word" or token.text in {"AND", "OR", "NOT"}:
            raise self._fail(token)
        parts = [token.text]
        while self._at("punctuation", "."):
            self._take()
            part = self._take()
            if part.kind not in {"word", "string", "number"}:
                raise self._fail(part)
            parts.append(_unquoted(part))
        return tuple(parts)

    def _value(self) -> str | Call:
        token = self._peek()
        if token.kind in {"string", "number"}:
            self._take()
            return _unquoted(token)
        if token.kind != "word" or token.text in {"AND", "OR", "NOT"}:
            raise self._fail(token)
        text = ".".join(self._path())
        if not self._at("punctuation", "("):
            return text
        if text not in _FUNCTIONS:
            raise self._fail(token)
        arguments = self._arguments()
        if text == "one_of":
            if len(arguments) > MAX_ONE_OF:
                reason = f"one_of takes {MAX_ONE_OF} values at most, got {len(arguments)}"
                raise InvalidFilterError(f'Could not parse filter "{self._text}"; {reason}')
        elif len(arguments) != 1:
            raise self._fail(token)
        return Call(text, arguments)

    def _arguments(self) -> tuple[str, ...]:
        self._expect("punctuation", "(")
        arguments: list[str] = []
        while True:
            token = self._take()
            if token.kind not in {"string", "number", "word"}:
                raise self._fail(token)
            arguments.append(_unquoted(token))
            token = self._take()
            if token.kind != "punctuation" or token.text not in {",", ")"}:
                raise self._fail(token)
            if token.text == ")":
                return tuple(arguments)


def _unquoted(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token.text[1:-1])


def text_test(comparison: Comparison) -> Callable[[str], bool]:
    """What a comparison asks of a text. Ordering is refused: no label that the emulator writes is a number."""
    value, operator = comparison.value, comparison.operator
    if operator in {"<", "<=", ">", ">="}:
        raise InvalidFilterError(
            f"The operator {operator} cannot be applied to {comparison.field}: its values are strings, not numbers."
        )
    if operator == ":":
        if isinstance(value, Call):
            raise InvalidFilterError(
                f"The operator : cannot be combined with {value.function}() on {comparison.field}."
            )
        return lambda text: value in text
    positive = _call_test(value) if isinstance(value, Call) else (lambda text: text == value)
    return positive if operator == "=" else (lambda text: not positive(text))


def _call_test(call: Call) -> Callable[[str], bool]:
    first = call.arguments[0]
    if call.function == "starts_with":
        return lambda text: text.startswith(first)
    if call.function == "ends_with":
        return lambda text: text.endswith(first)
    if call.function == "has_substring":
        return lambda text: first in text
    if call.function == "one_of":
        allowed = frozenset(call.arguments)
        return lambda text: text in allowed
    try:
        pattern = re.compile(first)
    except re.error as error:
        raise InvalidFilterError(f'Invalid regular expression "{first}": {error}') from error
    return lambda text: pattern.fullmatch(text) is not None


def comparisons(node: Node) -> Iterator[Comparison]:
    """Every comparison of a filter, in order."""
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from comparisons(node.operand)
    elif isinstance(node, And | Or):
        for operand in node.operands:
            yield from comparisons(operand)


def evaluate(node: Node, meaning: Callable[[Comparison], bool | None]) -> bool | None:
    """Whether a filter holds, given what each comparison says; None where that hangs on what `meaning` leaves open."""
    if isinstance(node, Comparison):
        return meaning(node)
    if isinstance(node, Not):
        inner = evaluate(node.operand, meaning)
        return None if inner is None else not inner
    if isinstance(node, Selector):
        raise InvalidFilterError(f"{node.name} cannot be combined with other restrictions.")
    results = [evaluate(operand, meaning) for operand in node.operands]
    decisive = isinstance(node, Or)
    if decisive in results:
        return decisive
    return None if None in results else not decisive
