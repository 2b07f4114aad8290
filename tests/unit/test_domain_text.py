"""Text from outside is data."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.text import LONGEST, clean

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(alphabet=st.characters(), max_size=200))
def test_no_control_character_and_no_bidi_override_ever_gets_through(text: str) -> None:
    shown = clean(text)
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not BIDI & set(shown)
    shown.encode("utf-8")


@given(st.text(max_size=300), st.integers(2, 50))
def test_a_text_is_never_longer_than_asked_for(text: str, longest: int) -> None:
    assert len(clean(text, longest)) <= longest


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S")), max_size=100))
def test_printable_words_stay_as_they_are(text: str) -> None:
    assert clean(text) == text


def test_an_escape_sequence_is_shown_as_text_and_brackets_stay() -> None:
    assert clean("\x1b[31mred\x1b]0;title\x07 [bold]x[/bold]") == "\ufffd[31mred\ufffd]0;title\ufffd [bold]x[/bold]"


def test_a_megabyte_is_cut_and_says_so() -> None:
    shown = clean("x" * 1_000_000)
    assert len(shown) == LONGEST
    assert shown.endswith("…")


def test_lines_are_folded_into_one() -> None:
    assert clean("  two\r\n\tlines ") == "two lines"


def test_a_flood_of_combining_marks_is_thinned_and_the_marks_of_a_script_stay() -> None:
    assert clean("q" + "\u0301" * 500 + "!") == "q" + "\u0301" * 4 + "!"
    assert clean("q" + "\u0301\u0489\u20dd" * 500 + "!") == "q" + "\u0301" * 4 + "!"
    for word in ("naïve", "ที่นี่", "हिन्दी", "שָׁלוֹם"):
        assert clean(word) == word


def test_letters_that_nobody_sees_are_shown() -> None:
    assert clean("a\u3164b\u115fc\u034f") == "a\ufffdb\ufffdc\ufffd"
