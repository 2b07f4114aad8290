"""Whether an environment opens read-only: flag, then environment variable, then what its configuration says of it."""

from __future__ import annotations

from brconsole.config.load import LoadedConfig
from brconsole.domain.environment import Environment
from brconsole.tui.console import Mode


def mode_of(loaded: LoadedConfig, environment: Environment) -> tuple[Mode, str]:
    """The mode and why it is so."""
    read_only = loaded.config.read_only
    if read_only is not None:
        return ("read-only" if read_only else "write"), f"because of {loaded.origins['read_only']}"
    if environment.protected:
        origin = loaded.origins.get(f"environments.{environment.name}.protected")
        return "read-only", f"{environment.name} is protected ({origin}); --write allows writes"
    return "write", f"{environment.name} is not protected"
