"""Themes as files: TOML, checked strictly, a broken one reported and left out. Reading them needs no screen toolkit.

name = "mine"
dark = true
[colours]   primary secondary accent foreground background surface panel success warning error   (each "#rrggbb")
[env]       dev staging prod
[chart]     stable canary series = [at least three]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from brconsole.tui.paint import shown

DEFAULT = "bytereview-dark"
WITHOUT_COLOUR = "mono"
"""What NO_COLOR chooses: greys only, so that taking the colour out changes nothing."""

COLOURS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
ENVIRONMENTS = ("dev", "staging", "prod")
_TABLES: Mapping[str, tuple[str, ...]] = {
    "colours": COLOURS,
    "env": ENVIRONMENTS,
    "chart": ("stable", "canary", "series"),
}
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class ThemeFile:
    """A theme as written: colours are `#rrggbb`."""

    name: str
    dark: bool
    colours: Mapping[str, str]
    env: Mapping[str, str]
    stable: str
    canary: str
    series: tuple[str, ...]
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class ThemeSet:
    """The themes that could be read, by name, and a sentence for each that could not."""

    themes: Mapping[str, ThemeFile]
    problems: tuple[str, ...]

    def choose(self, name: str) -> tuple[ThemeFile, str | None]:
        """The theme of that name, or the default and why."""
        if found := self.themes.get(name):
            return found, None
        nearest = get_close_matches(name, self.themes, 1, 0.5)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return self.themes.get(DEFAULT, BUILT_IN), f"theme {shown(name, 60)!r} is not known, using {DEFAULT!r}{hint}"


class ThemeError(ValueError):
    """What is wrong with a theme file, in one sentence."""


BUILT_IN = ThemeFile(
    DEFAULT,
    True,
    {
        "primary": "#7aa2f7",
        "secondary": "#7dcfff",
        "accent": "#bb9af7",
        "foreground": "#d5dbe8",
        "background": "#10141c",
        "surface": "#181d28",
        "panel": "#232a38",
        "success": "#8fd18a",
        "warning": "#f0b95f",
        "error": "#ff6b6b",
    },
    {"dev": "#6fbf73", "staging": "#f0b95f", "prod": "#ff5c5c"},
    "#5b8def",
    "#f0b95f",
    ("#7aa2f7", "#f0b95f", "#8fd18a", "#bb9af7", "#7dcfff", "#ff8fb1"),
)
"""Where not even the shipped folder can be read."""


def shipped_folder() -> Path:
    """The themes that come with the console: beside the package's modules in a wheel, at the root in a checkout."""
    package = Path(__file__).resolve().parent.parent
    in_wheel = package / "themes"
    return in_wheel if in_wheel.is_dir() else package.parent.parent / "themes"


def load(folders: Iterable[Path] = ()) -> ThemeSet:
    """The shipped themes, then those of each folder; a later one of the same name wins."""
    themes: dict[str, ThemeFile] = {}
    problems: list[str] = []
    for folder in (shipped_folder(), *folders):
        try:
            paths = sorted(folder.glob("*.toml"))
        except OSError as error:
            problems.append(f"themes: cannot read {shown(str(folder))}: {error.strerror}")
            continue
        for path in paths:
            try:
                theme = read(path)
            except ThemeError as error:
                problems.append(f"theme {shown(str(path))}: {error}")
            else:
                themes[theme.name] = theme
    themes.setdefault(DEFAULT, BUILT_IN)
    return ThemeSet(themes, tuple(problems))


def read(path: Path) -> ThemeFile:
    """Read one theme; raises ThemeError that says what is wrong."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ThemeError(f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ThemeError(f"is not TOML: {shown(str(error))}") from error
    _known(data, ("name", "dark", *_TABLES), "")
    name, dark = data.get("name", path.stem), data.get("dark", True)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise ThemeError("name must be letters, digits, - and _, at most 40")
    if not isinstance(dark, bool):
        raise ThemeError(f"dark must be true or false, found {shown(repr(dark), 40)}")
    tables = {table: _table(data, table, keys) for table, keys in _TABLES.items()}
    series = tables["chart"].pop("series")
    if not isinstance(series, list) or len(series) < 3:
        raise ThemeError("chart.series must list at least three colours")
    return ThemeFile(
        name,
        dark,
        {key: _colour(f"colours.{key}", value) for key, value in tables["colours"].items()},
        {key: _colour(f"env.{key}", value) for key, value in tables["env"].items()},
        _colour("chart.stable", tables["chart"]["stable"]),
        _colour("chart.canary", tables["chart"]["canary"]),
        tuple(_colour("chart.series", value) for value in series),
        path,
    )


def _table(data: Mapping[str, object], table: str, keys: tuple[str, ...]) -> dict[str, object]:
    found = data.get(table)
    if not isinstance(found, dict):
        raise ThemeError(f"the table [{table}] is missing")
    _known(found, keys, f"{table}.")
    for key in keys:
        if key not in found:
            raise ThemeError(f"{table}.{key} is missing")
    return dict(found)


def _known(found: Iterable[str], allowed: tuple[str, ...], prefix: str) -> None:
    for key in found:
        if key not in allowed:
            nearest = get_close_matches(key, allowed, 1, 0.5)
            hint = f"did you mean {prefix}{nearest[0]}?" if nearest else f"allowed: {', '.join(allowed)}"
            raise ThemeError(f"{prefix}{shown(key, 40)} is not known; {hint}")


def _colour(key: str, value: object) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ThemeError(f"{key} must be a colour such as #7aa2f7, found {shown(repr(value), 40)}")
    return value.lower()
