"""Keeps the machine that runs the tests out of them: its configuration, its terminal and its Google credentials."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.append(str(Path(__file__).parent))  # `plans`: several folders of tests share it

# No deadline: an example's time says more about the machine's other work. In CI always the same examples.
settings.register_profile("brconsole", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("brconsole")

_PREFIXES = ("BRCONSOLE_", "CLOUDSDK_", "GOOGLE_", "GCLOUD_")
_TERMINAL = (
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORFGBG",
    "COLORTERM",
    "COLUMNS",
    "FORCE_COLOR",
    "LINES",
    "NO_COLOR",
    "PAGER",
    "TERM_PROGRAM",
    "TEXTUAL",
    "TEXTUAL_COLOR_SYSTEM",
    "TEXTUAL_THEME",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)
_FOLDERS = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@pytest.fixture(autouse=True)
def _away_from_this_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _TERMINAL:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in _FOLDERS:
        monkeypatch.setenv(name, str(home / name.removeprefix("XDG_").lower()))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def config_folder() -> Path:
    """The user's configuration folder of this test, made and empty."""
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "brconsole"
    folder.mkdir(parents=True)
    return folder
