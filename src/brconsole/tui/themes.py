"""A theme file as the toolkit's theme, and as the palette that gives roles their style."""

from __future__ import annotations

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style
from textual.theme import Theme

from brconsole.tui.theme_files import ThemeFile


def toolkit_theme(theme: ThemeFile) -> Theme:
    """What the toolkit's own widgets (prompt, palette, messages) need of a theme."""
    colours = theme.colours
    return Theme(
        name=theme.name,
        primary=colours["primary"],
        secondary=colours["secondary"],
        accent=colours["accent"],
        foreground=colours["foreground"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        success=colours["success"],
        warning=colours["warning"],
        error=colours["error"],
        dark=theme.dark,
    )


class Palette:
    """Styles by role. A role is one or more words: the last colour word wins, the others add up."""

    def __init__(self, theme: ThemeFile) -> None:
        self.theme = theme
        colours = theme.colours
        back, fore = colours["background"], colours["foreground"]
        self._background = _colour(back)
        words: dict[str, Style] = {
            "text": _ink(fore),
            "strong": Style(color=_colour(fore), bold=True),
            "bold": Style(bold=True),
            "under": Style(underline=True),
            "dim": _ink(mix(fore, back, 0.40)),
            "faint": _ink(mix(fore, back, 0.72)),
            "line": _ink(mix(fore, back, 0.76)),
            "grey": _ink(mix(fore, back, 0.52)),
            "title": Style(color=_colour(mix(fore, colours["primary"], 0.35)), bold=True),
            "accent": _ink(colours["accent"]),
            "primary": _ink(colours["primary"]),
            "secondary": _ink(colours["secondary"]),
            "good": _ink(colours["success"]),
            "warn": _ink(colours["warning"]),
            "bad": Style(color=_colour(colours["error"]), bold=True),
            "stable": _ink(theme.stable),
            "canary": _ink(theme.canary),
            "key": Style(color=_colour(colours["accent"]), bold=True),
            "on-cursor": Style(bgcolor=_colour(mix(colours["panel"], colours["primary"], 0.22))),
            "on-surface": Style(bgcolor=_colour(colours["surface"])),
            "on-panel": Style(bgcolor=_colour(colours["panel"])),
            "simulated": Style(color=_colour(back), bgcolor=_colour(colours["accent"]), bold=True),
            "write": Style(color=_colour(back), bgcolor=_colour(colours["error"]), bold=True),
        }
        for index, colour in enumerate(theme.series):
            words[f"series{index}"] = _ink(colour)
        words["spark"] = _ink(mix(colours["primary"], back, 0.35))
        words["area"] = _ink(mix(theme.stable, back, 0.55))
        words["on-area"] = Style(bgcolor=_colour(mix(theme.stable, back, 0.55)))
        self._words = words
        self._cache: dict[str, Style] = {}
        self.base = Style(color=_colour(fore), bgcolor=self._background)

    def style(self, role: str) -> Style:
        """The style of a role over the theme's background."""
        style = self._cache.get(role)
        if style is None:
            style = self.base
            words = role.split()
            if "on-cursor" in words:  # what is faint on the background would vanish on the cursor
                words = ["dim" if word == "faint" else word for word in words]
            for word in words:
                style += self._word(word)
            self._cache[role] = style
        return style

    def _word(self, word: str) -> Style:
        if word.startswith("env:"):
            return _ink(self.environment_colour(word[4:]))
        if word.startswith("badge:"):
            colour = self.environment_colour(word[6:])
            return Style(color=_colour(readable_on(colour)), bgcolor=_colour(colour), bold=True)
        if word.startswith("edge:"):  # the half blocks at both ends of a badge, cut out of its colour
            panel = self.theme.colours["panel"]
            return Style(color=_colour(panel), bgcolor=_colour(self.environment_colour(word[5:])))
        return self._words.get(word, Style.null())

    def environment_colour(self, name: str) -> str:
        """The colour of an environment: its own where it is written as `#rrggbb`, else the theme's for its name."""
        if name.startswith("#"):
            return name
        return self.theme.env.get(name, self.theme.colours["accent"])


def _colour(value: str) -> Color:
    return Color.from_triplet(_triplet(value))


def _ink(value: str) -> Style:
    return Style(color=_colour(value))


def _triplet(value: str) -> ColorTriplet:
    return ColorTriplet(int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16))


def mix(one: str, other: str, share: float) -> str:
    """A colour `share` of the way from one to the other."""
    pairs = zip(_triplet(one), _triplet(other), strict=True)
    return "#" + "".join(f"{round(start + (end - start) * share):02x}" for start, end in pairs)


def luminance(value: str) -> float:
    """Relative luminance of a colour, 0…1 (WCAG 2.1)."""
    channels = [channel / 255 for channel in _triplet(value)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1…21 (WCAG 2.1)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable_on(background: str) -> str:
    """Black or white, whichever reads better on a colour."""
    return "#000000" if luminance(background) > 0.179 else "#ffffff"
