"""The locator of TOML keys finds the right line, or none."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.config.lines import locate_lines
from brconsole.config.origins import KeyPath


def lines_of(text: str) -> dict[KeyPath, int]:
    return locate_lines(text, tomllib.loads(text))


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2\n", ("b",), 2),
        ("\n# a = 1\n\na = 1", ("a",), 4),
        ("[t]\n\na = 1", ("t", "a"), 3),
        ("[t]\n\na = 1", ("t",), 1),
        ("[a.b.c]\nd = 1\n[a.b]\ne = 2", ("a", "b", "e"), 4),
        ("[a.b.c]\nd = 1\n[a.b]\ne = 2", ("a",), 1),
        ("a.b.c = 1\na.b.d = 2", ("a", "b", "d"), 2),
        ("a . b = 1", ("a", "b"), 1),
        ('[k]\n"traffic.shift" = "T"\n\'x y\' = "U"', ("k", "traffic.shift"), 2),
        ('[k]\n"traffic.shift" = "T"\n\'x y\' = "U"', ("k", "x y"), 3),
        ('["a.b".c]\n\nd = 1', ("a.b", "c", "d"), 3),
        ('"\\u0061" = 1', ("a",), 1),
        ("a = { b = 1, c = { d = 2 } }", ("a", "c", "d"), 1),
        ("a = [\n  1,\n  # [\n  2, # ]\n]\nb = 3", ("a", 1), 4),
        ("a = [\n  1,\n  # [\n  2, # ]\n]\nb = 3", ("b",), 6),
        ("s = [\n { p = 5 },\n { p = 50 },\n]\n", ("s", 1, "p"), 3),
        ("a = [[1], [\n2, [3]]]", ("a", 1, 1, 0), 2),
        ("[[t]]\nx = 1\n[[t]]\nx = 2", ("t", 1, "x"), 4),
        ("[[t]]\n[t.u]\nx = 1\n[[t]]\n[t.u]\nx = 2", ("t", 1, "u", "x"), 6),
        ("[[t]]\n[[t.u]]\nx = 1\n[[t.u]]\nx = 2", ("t", 0, "u", 1, "x"), 5),
        ('a = """\n[b]\nc = 1\n"""\nd = 2', ("d",), 5),
        ('a = """one "quoted" \\""" still"""\nb = 1', ("b",), 2),
        ('a = """ends in quotes"""""\nb = 1', ("b",), 2),
        ("a = '''\nb = '\\'''\nc = 1", ("c",), 3),
        ('a = "# not a comment = [" # a comment\nb = 1', ("b",), 2),
        ('a = ""\nb = \'\'\nc = """"""\nd = 1', ("d",), 4),
        ("a = 1979-05-27 07:32:00\nb = 07:32:00 # c = 1\nd = -inf", ("d",), 3),
        ("a = 1\r\nb = '''\r\n'''\r\nc = 2\r\n", ("c",), 4),
    ],
)
def test_the_line_of_a_key_is_found(text: str, path: KeyPath, line: int) -> None:
    assert lines_of(text)[path] == line


def test_every_key_of_this_projects_own_file_is_found_where_it_stands() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    lines = lines_of(text)
    written = text.splitlines()
    assert len(lines) > 200
    for path, line in lines.items():
        name = next(part for part in reversed(path) if isinstance(part, str))
        if isinstance(path[-1], str):
            assert name in written[line - 1]


def test_a_document_that_the_scanner_reads_differently_has_no_lines_at_all() -> None:
    assert locate_lines("a = 1\nb = 2", {"a": 1}) == {}
    assert locate_lines("a = 1", {"a": 1, "b": 2}) == {}


_NAMES = st.one_of(
    st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8),
)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
_VALUES = st.recursive(
    st.one_of(st.integers(-(10**6), 10**6), st.booleans(), st.floats(allow_nan=False), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=12,
)
_FILLERS = st.lists(st.sampled_from(["", "# comment = [", "   ", '# """']), max_size=3)


def quoted(text: str) -> str:
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'


class Writer:
    """Writes a document as TOML with arrays over several lines, and notes the line of everything as it goes."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[KeyPath, int] = {}

    def note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def pair(self, path: KeyPath, value: object, fillers: list[str]) -> None:
        self.note(path)
        self.text += f"{quoted(str(path[-1]))} = "
        self.value(path, value, fillers)

    def value(self, path: KeyPath, value: object, fillers: list[str]) -> None:
        if isinstance(value, dict):
            self.text += "{ "
            for position, (key, inner) in enumerate(value.items()):
                self.text += ", " if position else ""
                self.pair((*path, key), inner, [])
            self.text += " }"
        elif isinstance(value, list):
            in_one_line = not fillers
            self.text += "["
            for index, inner in enumerate(value):
                self.text += "" if in_one_line else "\n" + "".join(f"{filler}\n" for filler in fillers)
                self.note((*path, index))
                # A table inside stays on one line, as TOML 1.0 wants it.
                self.value((*path, index), inner, fillers if isinstance(inner, list) else [])
                self.text += ", "
            self.text += "]"
        elif isinstance(value, bool):
            self.text += str(value).lower()
        elif isinstance(value, str):
            self.text += quoted(value)
        else:
            self.text += repr(value)


@given(
    tables=st.dictionaries(_NAMES, st.dictionaries(_NAMES, _VALUES, max_size=4), max_size=4),
    fillers=_FILLERS,
)
def test_every_key_of_any_document_is_found_where_it_was_written(
    tables: dict[str, dict[str, object]], fillers: list[str]
) -> None:
    writer = Writer()
    for name, table in tables.items():
        writer.text += "".join(f"{filler}\n" for filler in fillers)
        writer.note((name,))
        writer.text += f"[{quoted(name)}]\n"
        for key, value in table.items():
            writer.pair((name, key), value, fillers)
            writer.text += "\n"
    assert lines_of(writer.text) == writer.lines


@given(st.text("ab.=[]{}\"'#,\n 1\\", max_size=40))
def test_odd_documents_have_right_lines_or_none(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    count = text.count("\n") + 1
    assert all(1 <= line <= count for line in locate_lines(text, document).values())
