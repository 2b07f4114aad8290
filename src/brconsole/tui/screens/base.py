"""What every screen has: a page of lines, keys from the registry, rows to move through.

Screens are plain objects that one host paints: going from one to another mounts nothing and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from brconsole.tui.actions import MIGRATIONS, WRITES, Action, Effect, Scope, working_in
from brconsole.tui.chrome import KeyHint, footer
from brconsole.tui.paint import EMPTY, Line

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.state import FleetModel

_NEED_A_DESK = frozenset(
    {
        *(action.id for action in (*WRITES, *MIGRATIONS)),
        "release.open",
        "service.release",
        "journal.show",
        "migration.open",
    }
)
"""What makes no sense where a console was opened to look only; such a key still says why it does nothing."""


class BoardScreen:
    """A screen painted as lines. Actions are methods named `do_` and the action's id with its dot as `_`."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()

    def __init__(self, app: BrconsoleApp) -> None:
        self.app = app
        self.hints: tuple[KeyHint, ...] = ()
        """Where the footer's keys stand."""

    def actions(self) -> tuple[Action, ...]:
        """What works here, with the keys in force."""
        return working_in(self.SCOPES, self.app.keys.actions)

    def hinted(self) -> tuple[Action, ...]:
        """What the footer offers: what makes sense now. Every other key that works here still answers."""
        useful = ("rollback.open", "traffic.shift", "release.promote")
        known = [
            action for action in self.actions() if action.id != "infra.show" or self.app.settings.infra is not None
        ]
        if not self.app.settings.desks:
            return tuple(action for action in known if action.id not in _NEED_A_DESK)
        return tuple(action for action in known if action.effect is Effect.READ or action.id in useful)

    def target(self) -> tuple[FleetModel, str] | None:
        """The environment and the service that stand in front of the person, None where none does."""
        return None

    def place(self) -> FleetModel | None:
        """The environment that stands in front of the person."""
        target = self.target()
        return None if target is None else target[0]

    def typed(self, key: str, character: str | None) -> bool:
        """Take a key before the registry does; False leaves it to the registry."""
        return False

    def page(self, width: int, height: int) -> Sequence[Line]:
        """The lines of the screen without the footer."""
        raise NotImplementedError

    def whole(self, width: int, height: int) -> Sequence[Line]:
        """The page with the keys at its foot."""
        foot, self.hints = footer(self.hinted(), width)
        body = list(self.page(width, height - 1))[: height - 1]
        body += [EMPTY] * (height - 1 - len(body))
        return [*body, foot]

    def repaint(self) -> None:
        """Show what changed."""
        self.app.repaint()

    def begin(self) -> None:
        """It was just opened, in place of another view."""

    def refresh(self) -> None:
        """Ask again for what only this screen shows."""

    def tick(self) -> None:
        """A second has passed."""

    def clicked(self, x: int, y: int) -> None:
        """A place of the page was clicked."""

    def move(self, steps: int) -> None:
        """Move the cursor; large steps go to the ends."""

    def page_step(self) -> int:
        """Rows of one page."""
        return 10

    def back(self) -> bool:
        """Undo the innermost thing that narrows the view; False where there is none."""
        return False

    def do_list_down(self, _key: str) -> None:
        """`list.down`"""
        self.move(1)

    def do_list_up(self, _key: str) -> None:
        """`list.up`"""
        self.move(-1)

    def do_list_top(self, _key: str) -> None:
        """`list.top`"""
        self.move(-1_000_000)

    def do_list_bottom(self, _key: str) -> None:
        """`list.bottom`"""
        self.move(1_000_000)

    def do_list_page_down(self, _key: str) -> None:
        """`list.page_down`"""
        self.move(self.page_step())

    def do_list_page_up(self, _key: str) -> None:
        """`list.page_up`"""
        self.move(-self.page_step())
