"""Text from outside made harmless: it is data, never markup and never an escape sequence."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 4096
"""Characters of a foreign text that are ever kept; a megabyte label is a fault of its sender."""

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls: escape sequences start here
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # invisible and
    "\u3164\ufeff\uffa0\ufff9-\ufffb"  # bidirectional
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # lone surrogates, musical controls, tags and selectors
)

_MARKS_KEPT = 4
"""Combining marks over one letter; no script needs more, and a flood of them paints over the lines around."""


def clean(text: str, longest: int = LONGEST) -> str:
    """One printable line: every control, bidirectional or invisible character becomes U+FFFD, white space is folded,
    floods of combining marks are thinned, the rest is cut.

    Brackets stay as they are: whoever shows the text must show it as text (no markup).
    """
    head = text[: longest * 2]
    folded = re.sub(r"[ \t\r\n\x0b\x0c]+", " ", head).strip()
    shown = _HARMFUL.sub("\ufffd", folded)
    if not shown.isascii():
        shown = _thinned(shown)
    return shown if len(shown) <= longest and len(text) <= longest * 2 else shown[: longest - 1] + "…"


def _thinned(text: str) -> str:
    """Without the marks that nobody needs: those that enclose their neighbours (Me), and the fifth over a letter."""
    kept: list[str] = []
    marks = 0
    for character in text:
        kind = unicodedata.category(character) if character >= "\u0300" else ""
        marks = marks + 1 if kind == "Mn" else marks if kind == "Me" else 0
        if kind != "Me" and marks <= _MARKS_KEPT:
            kept.append(character)
    return "".join(kept)
