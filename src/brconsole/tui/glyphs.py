"""The signs of the screen, and what stands for them where a terminal knows only ASCII.

A status is always glyph + word + colour, so each glyph must be told from the others without colour.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

GOOD = "✔"
WARN = "⚠"
BAD = "✖"
UNKNOWN = "?"
BUSY = "↻"
LOADING = "◌"
LIVE = "●"
STALE = "◷"
PARTIAL = "◐"
READ_ONLY = "⊘"
WRITE = "✎"
CURSOR = "▸"
PENDING = "◔"

BAR = "█"
BAR_ROW = "▇"
"""For bars in rows that follow each other: a hair lower, so that they do not grow together."""
BAR_EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR_REST = "░"
BAR_CANARY = "▒"
BAR_TRACK = "╌"
SPARKS = "▁▂▃▄▅▆▇█"
QUARTERS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By bits: 1 upper left, 2 upper right, 4 lower left, 8 lower right."""
MARKS = "●◆▲■▼★"
"""The marks of the series of a chart, at the newest point and in the legend."""

_ASCII = {
    **dict.fromkeys("✔", "+"),
    **dict.fromkeys("⚠◔", "!"),
    **dict.fromkeys("✖", "X"),
    "↻": "~",
    "◌": ".",
    "●": "*",
    "◷": "@",
    "◐": "%",
    "⊘": "/",
    "✎": "w",
    "▸": ">",
    "▲": "^",
    "▼": "v",
    "◆": "o",
    "■": "#",
    "★": "x",
    "○": "o",
    **dict.fromkeys("█▉▊▇▆", "#"),
    **dict.fromkeys("▋▅▄", "="),
    **dict.fromkeys("▍▎▏▃▂", "-"),
    "▁": "_",
    **dict.fromkeys("▘▝▀", "'"),
    **dict.fromkeys("▖▗", "."),
    **dict.fromkeys("▞▚▛▜▙▟", "*"),
    "░": ".",
    "▒": "%",
    "▓": "#",
    "╌": ".",
    "▐": "]",
    "▌": "[",
    **dict.fromkeys("─━╴╶╸╺", "-"),
    **dict.fromkeys("│┃╵╷", "|"),
    **dict.fromkeys("╭╮╰╯┏┓┗┛┌┐└┘├┤┬┴┼┠┨┯┷╋", "+"),
    "–": "-",
    "—": "-",
    "…": "~",
    "·": ".",
    "×": "x",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    "⇢": ">",
    "≠": "#",
    "≤": "<",
    "≥": ">",
    "↗": "/",
    "↘": "\\",
    "€": "E",
    "£": "L",
    "¥": "Y",
    "\ufffd": "?",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "⏎": "<",
    "µ": "u",
}


def to_ascii(text: str) -> str:
    """The same text in the same cells with ASCII only; what has no likeness becomes `?`."""
    if text.isascii():
        return text
    return "".join(_ascii(character) for character in text)


def _ascii(character: str) -> str:
    if character.isascii():
        return character
    return _ASCII.get(character) or "?" * cell_len(character)


def ascii_only(environ: Mapping[str, str], encoding: str | None) -> bool:
    """Whether the terminal cannot be trusted with more than ASCII.

    Python coerces the C locale by setting LC_CTYPE itself (PEP 538), so that LANG=C still tells what the terminal
    speaks.
    """
    if environ.get("TERM") == "dumb":
        return True
    ctype = environ.get("LC_CTYPE", "")
    coerced = ctype.upper().replace("-", "") in ("C.UTF8", "UTF8") and environ.get("LANG") in ("C", "POSIX")
    locale = environ.get("LC_ALL") or ("" if coerced else ctype) or environ.get("LANG", "")
    if locale:
        return "UTF" not in locale.upper()
    return encoding is not None and "utf" not in encoding.lower()
