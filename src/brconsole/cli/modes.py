"""Whether an environment opens read-only: flag, then environment variable, then what its configuration says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brconsole.config.load import LoadedConfig
from brconsole.domain.environment import Environment

if TYPE_CHECKING:
    from brconsole.operations.modes import Modes
    from brconsole.tui.console import Mode


def mode_of(loaded: LoadedConfig, environment: Environment) -> tuple[Mode, str]:
    """The mode that an environment opens in and why it is so."""
    read_only = loaded.config.read_only
    if read_only is not None:
        return ("read-only" if read_only else "write"), f"because of {loaded.origins['read_only']}"
    if environment.protected:
        origin = loaded.origins.get(f"environments.{environment.name}.protected")
        return "read-only", f"{environment.name} is protected ({origin}); --write allows writes"
    return "write", f"{environment.name} is not protected"


def open_modes(loaded: LoadedConfig, environment: Environment) -> Modes:
    """The mode of an environment in this session. What was asked for by flag or variable cannot be opened again."""
    from brconsole.operations.modes import Modes

    read_only = loaded.config.read_only
    if read_only is not None:
        return Modes(environment, read_only, str(loaded.origins["read_only"]))
    origin = loaded.origins.get(f"environments.{environment.name}.protected")
    why = f"it is protected by {origin}" if environment.protected and origin is not None else ""
    return Modes(environment, None, why)
