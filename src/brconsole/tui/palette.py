"""The command palette, from the same registry as the keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from brconsole.tui.actions import key_name
from brconsole.tui.paint import shown

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class RegistryCommands(Provider):
    """Every action that works here, every environment and every theme."""

    async def discover(self) -> Hits:
        """All of them, at once and without asking anybody."""
        for title, help_text, action_id, argument in self._every():
            yield DiscoveryHit(Content(title), self._run(action_id, argument), text=title, help=help_text)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for title, help_text, action_id, argument in self._every():
            if (score := matcher.match(title)) > 0:
                yield Hit(score, Content(title), self._run(action_id, argument), text=title, help=help_text)

    def _run(self, action_id: str, argument: str):  # type: ignore[no-untyped-def]
        app = cast("BrconsoleApp", self.app)
        return lambda: app.act(action_id, "", argument)

    def _every(self) -> Iterator[tuple[str, str, str, str]]:
        app = cast("BrconsoleApp", self.app)
        for action in app.working():
            if (
                action.group != "Move"
                and action.takes != "environment"
                and action.id not in ("app.palette", "app.back")
            ):
                key = f"{key_name(action.keys[0])}  " if action.keys else ""
                yield action.title, f"{key}{action.id}", action.id, ""
        for name in app.models:
            yield f"Open environment {shown(name, 40)}", "env.open", "env.open", name
        for name in sorted(app.theme_set.themes):
            yield f"Use theme {name}", "theme.pick", "theme.pick", name
        for name in app.names()["service"][:100]:
            yield f"Open service {shown(name, 60)}", "fleet.open", "fleet.open", name
