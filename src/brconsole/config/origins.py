"""Where a value of the configuration came from, and how its key is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

KeyPath = tuple[str | int, ...]
"""A place in a TOML document: table and key names, and indices into arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Layer(IntEnum):
    """The layers of the configuration; of two that say something, the higher one counts."""

    DEFAULTS = 0
    USER_FILE = 1
    PROJECT_FILE = 2
    ENVIRONMENT = 3
    FLAG = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from."""

    layer: Layer
    name: str
    """The file's path, the environment variable or the flag; `built-in defaults` for the package's own."""
    line: int | None = None
    """Counted from 1; None where there is no file, or where the line is not certain."""

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"

    @property
    def folder(self) -> Path | None:
        """What a relative path in the value is relative to; None leaves it to the current folder."""
        return Path(self.name).parent if self.layer in (Layer.USER_FILE, Layer.PROJECT_FILE) else None


BUILT_IN = Origin(Layer.DEFAULTS, "built-in defaults")


def dotted(path: KeyPath) -> str:
    """A key as it would be written in TOML: `keymap."traffic.shift"`, with `[1]` for the second of an array."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else _quoted(part))
    return text


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
