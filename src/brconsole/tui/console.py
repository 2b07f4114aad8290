"""What the console is handed: the environments, how to follow them and how the person wants to see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from brconsole.domain.environment import Environment
from brconsole.operations.feed import Feed

if TYPE_CHECKING:
    from brconsole.operations.desk import Desk
    from brconsole.operations.infra_desk import InfraDesk
    from brconsole.operations.modes import Modes

Mode = Literal["read-only", "write"]


@dataclass(frozen=True)
class Console:
    """Everything that the screens need; the command line composes it."""

    environments: tuple[Environment, ...]
    feeds: Mapping[str, Feed]
    """By environment name. They are started by the screens, after the first paint."""
    start: str | None
    """The environment to open; None opens the wall."""
    theme: str
    themes_folders: tuple[Path, ...]
    """Folders of a person's own themes, the later one wins; the shipped themes need none."""
    keymap: Mapping[str, str]
    """Keys by action id."""
    simulated: bool
    mode: Mode
    """The strictest of all environments."""
    problems: tuple[str, ...] = ()
    """Sentences to show at the start: what was wrong with the configuration and is done without."""
    desks: Mapping[str, Desk] = field(default_factory=dict)
    """Where orders are handed in, by environment name; an environment without a desk can only be looked at."""
    modes: Mapping[str, Modes] = field(default_factory=dict)
    """By environment name; whoever writes asks here, and so does the gateway of that environment."""

    infra: InfraDesk | None = None
    """Where looks at Terraform are asked for; None where the console was opened without."""

    def environment(self, name: str) -> Environment | None:
        """An environment by its name."""
        return next((environment for environment in self.environments if environment.name == name), None)
