"""Where brconsole's files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import platformdirs

PROJECT_FILE = "brconsole.toml"
USER_FILE = "config.toml"
CONFIG_VARIABLE = "BRCONSOLE_CONFIG"

_PACKAGE = Path(__file__).resolve().parent.parent


def config_folder() -> Path:
    """The user's own settings: `config.toml` and the folder `themes`. It need not exist."""
    return platformdirs.user_config_path("brconsole", appauthor=False)


def state_folder() -> Path:
    """What brconsole itself keeps between sessions on this machine: the journal and proofs. It need not exist."""
    return platformdirs.user_state_path("brconsole", appauthor=False)


def user_file() -> Path:
    return config_folder() / USER_FILE


def user_themes() -> Path:
    return config_folder() / "themes"


def built_in_themes() -> Path:
    """The themes that come with brconsole: in the wheel, or in the checkout that runs."""
    shipped = _PACKAGE / "themes"
    return shipped if shipped.is_dir() else _PACKAGE.parent.parent / "themes"


def find_project_file(folder: Path) -> Path | None:
    """`brconsole.toml` in a folder or the nearest one above it that has it."""
    for candidate in (folder, *folder.parents):
        file = candidate / PROJECT_FILE
        try:
            if file.is_file():
                return file
        except OSError:  # a folder that may not be looked into has no file for us
            continue
    return None


def explicit_file(option: Path | None, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """The file that was asked for by name, with the flag or the variable that asked; it must then exist."""
    if option is not None:
        return option, "--config"
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named), CONFIG_VARIABLE
    return None
