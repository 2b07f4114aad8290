"""On which line of a TOML file a key stands. The standard library's parser does not say.

A scanner walks the text once, following only what decides where keys are: headers, key paths, strings, arrays and
inline tables. It is given text that `tomllib` has already accepted, and its result is compared with what `tomllib`
read: unless both found exactly the same keys no line is reported at all. No line is better than a wrong one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from brconsole.config.origins import KeyPath

_BLANK = re.compile(r"(?:[ \t\n,]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


class _OddTextError(Exception):
    """The scanner met something it does not follow."""


def locate_lines(text: str, document: Mapping[str, Any]) -> dict[KeyPath, int]:
    """The line, from 1, of every table, key and array element of a document that `tomllib` read from the text.

    Empty where the scanner and `tomllib` do not agree on what the document holds.
    """
    try:
        lines = _Scanner(text.replace("\r\n", "\n")).scan()
    except (_OddTextError, RecursionError):
        return {}
    return lines if lines.keys() == set(_paths(document)) else {}


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self.tables_in_array: dict[KeyPath, int] = {}
        self._counted_to = 0
        self._line = 1

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.position < len(self.text):
            if self._accept("[["):
                table = self._header(array=True)
                self._expect("]]")
            elif self._accept("["):
                table = self._header(array=False)
                self._expect("]")
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self.lines

    def _header(self, *, array: bool) -> KeyPath:
        line = self._here()
        path: KeyPath = ()
        names = self._key()
        for depth, name in enumerate(names):
            path = (*path, name)
            self.lines.setdefault(path, line)
            if array and depth == len(names) - 1:
                self.tables_in_array[path] = self.tables_in_array.get(path, 0) + 1
            if path in self.tables_in_array:  # a header inside an array of tables means the array's last table
                path = (*path, self.tables_in_array[path] - 1)
                self.lines.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._here()
        path = table
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._accept("["):
            self._skip(_BLANK)
            index = 0
            while not self._accept("]"):
                self.lines[*path, index] = self._here()
                self._value((*path, index))
                self._skip(_BLANK)
                index += 1
        elif self._accept("{"):
            self._skip(_BLANK)
            while not self._accept("}"):
                self._pair(path)
                self._skip(_BLANK)
        elif self._match(_STRING) is None and self._match(_SCALAR) is None:
            raise _OddTextError

    def _key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            if (bare := self._match(_BARE_KEY)) is not None:
                names.append(bare)
            elif (quoted := self._match(_STRING)) is not None:
                names.append(tomllib.loads(f"key = {quoted}")["key"])
            else:
                raise _OddTextError
            self._skip(_SPACE)
            if not self._accept("."):
                return names

    def _here(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.position)
        self._counted_to = self.position
        return self._line

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._match(pattern)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    def _accept(self, token: str) -> bool:
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise _OddTextError
