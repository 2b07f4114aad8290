"""Themes, terminals without colour, and terminals without UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest
import samples
from standing import standing

from brconsole.tui import theme_files
from brconsole.tui.glyphs import ascii_only, to_ascii
from brconsole.tui.themes import Palette, contrast, luminance

SHIPPED = ("bytereview-dark", "bytereview-light", "deuteranopia", "high-contrast", "mono", "tritanopia")


def test_six_themes_are_shipped_and_none_is_broken() -> None:
    found = theme_files.load()
    assert tuple(sorted(found.themes)) == SHIPPED
    assert found.problems == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_text_of_a_shipped_theme_can_be_read_on_its_background(name: str) -> None:
    palette = Palette(theme_files.load().themes[name])
    background = palette.theme.colours["background"]
    for role, least in {
        "text": 7,
        "strong": 7,
        "good": 4.5,
        "warn": 4.5,
        "bad": 4.5,
        "dim": 3.5,
        "accent": 4.5,
        "grey": 2.5,
    }.items():
        colour = palette.style(role).color
        assert colour is not None
        assert contrast(colour.get_truecolor().hex, background) >= least, role
    for environment in theme_files.ENVIRONMENTS:
        assert contrast(palette.environment_colour(environment), background) >= 3


def test_the_mono_theme_has_no_colour_at_all() -> None:
    theme = theme_files.load().themes["mono"]
    for colour in (*theme.colours.values(), *theme.env.values(), theme.stable, theme.canary, *theme.series):
        assert colour[1:3] == colour[3:5] == colour[5:7]


def test_the_colour_blind_themes_tell_good_from_bad_by_lightness_or_hue_that_is_seen() -> None:
    themes = theme_files.load().themes
    blue_green_red = {name: themes[name].colours for name in ("deuteranopia", "tritanopia")}
    good, bad = blue_green_red["deuteranopia"]["success"], blue_green_red["deuteranopia"]["error"]
    assert int(good[5:7], 16) > int(good[1:3], 16)  # blue, not green
    assert int(bad[5:7], 16) < int(bad[1:3], 16)  # orange
    good, bad = blue_green_red["tritanopia"]["success"], blue_green_red["tritanopia"]["error"]
    assert abs(luminance(good) - luminance(bad)) > 0.2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name = 'mine'\ndark = maybe", "is not TOML"),
        ("name = 'mine'\ncolors = {}", "did you mean colours?"),
        ("name = 'mine'", "the table [colours] is missing"),
        ("name = '[red]'", "name must be letters"),
    ],
)
async def test_a_broken_theme_is_reported_and_the_default_is_used(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(content)
    async with standing(samples.console(samples.canary(), theme="mine", folders=(tmp_path,))) as stand:
        assert stand.app.theme == "bytereview-dark"
        await stand.until(lambda: any(said in message for message in stand.messages()))
        assert any("'mine' is not known, using 'bytereview-dark'" in message for message in stand.messages())


async def test_a_theme_of_ones_own_replaces_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    shipped = (theme_files.shipped_folder() / "bytereview-dark.toml").read_text()
    (tmp_path / "mine.toml").write_text(shipped.replace("#10141c", "#000010"))
    async with standing(samples.console(samples.canary(), folders=(tmp_path,))) as stand:
        assert stand.app.palette.theme.colours["background"] == "#000010"


async def test_the_picker_tries_themes_on_and_esc_brings_the_old_one_back() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.press("t", "j")
        assert stand.app.theme == "bytereview-light"
        await stand.press("escape")
        assert stand.app.theme == "bytereview-dark"
        await stand.press("t", "j", "enter")
        assert stand.app.theme == "bytereview-light"


async def test_no_color_shows_greys_only_and_keeps_every_status_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with standing(samples.console(samples.canary(), theme="bytereview-light")) as stand:
        await stand.until_shown("DEGRADED")
        assert stand.app.theme == "mono"
        board = stand.app._host().board
        assert board is not None
        for y in range(board.size.height):
            for segment in board.render_line(y):
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    if colour is not None:
                        triplet = colour.get_truecolor()
                        assert triplet.red == triplet.green == triplet.blue
        await stand.press("t", "j")
        assert stand.app.theme == "mono"


async def test_without_utf_8_the_screen_is_ascii_in_the_same_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("DEGRADED")
        for line in stand.lines():
            assert line.isascii(), line
            assert len(line) == 120


@pytest.mark.parametrize(
    ("environ", "encoding", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LANG": "de_DE.ISO-8859-1"}, "utf-8", True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "utf-8", True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, "utf-8", True),
        ({}, "utf-8", False),
        ({}, "ascii", True),
    ],
)
def test_the_locale_tells_what_the_terminal_speaks(environ: dict[str, str], encoding: str, expected: bool) -> None:
    assert ascii_only(environ, encoding) is expected


def test_ascii_stands_in_the_same_cells() -> None:
    assert to_ascii("✔ 漢 █▒") == "+ ?? #%"
