"""What every screen has: a board, keys from the registry, a prompt that comes when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.events import Click, Key, MouseScrollDown, MouseScrollUp
from textual.screen import Screen

from brconsole.tui.actions import Action, Scope, working_in
from brconsole.tui.chrome import KeyHint, footer
from brconsole.tui.paint import EMPTY, Line
from brconsole.tui.widgets.board import Board

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp


class BoardScreen(Screen[None]):
    """A screen painted as lines. Actions are methods named `do_` and the action's id with its dot as `_`."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()
    AUTO_FOCUS = ""

    @property
    def console_app(self) -> BrconsoleApp:
        """The application, by its own type."""
        return cast("BrconsoleApp", self.app)

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[KeyHint, ...] = ()

    def compose(self) -> ComposeResult:
        """One board."""
        app = self.console_app
        self.board = Board(self._whole, lambda: app.palette, ascii_only=app.ascii_only)
        yield self.board

    def actions(self) -> tuple[Action, ...]:
        """What works here, with the keys in force."""
        return working_in(self.SCOPES, self.console_app.keys.actions)

    def page(self, width: int, height: int) -> Sequence[Line]:
        """The lines of the screen without the footer."""
        raise NotImplementedError

    def footer_badge(self) -> Line:
        """What stands at the right of the footer."""
        return EMPTY

    def _whole(self, width: int, height: int) -> Sequence[Line]:
        foot, self._hints = footer(self.actions(), width, self.footer_badge())
        body = list(self.page(width, height - 1))[: height - 1]
        body += [EMPTY] * (height - 1 - len(body))
        return [*body, foot]

    def repaint(self) -> None:
        """Show what changed."""
        if self.is_mounted and self.children:
            self.board.repaint()

    def fleet_observed(self, environment: str) -> None:
        """A newer snapshot of an environment is there."""
        self.repaint()

    def rows_clicked(self, x: int, y: int) -> None:
        """A place of the page was clicked."""

    def on_key(self, event: Key) -> None:
        """Keys come from the registry with a person's own over it, not from the toolkit's class bindings."""
        action_id = self.console_app.action_of(event.key, self.actions())
        if action_id is not None:
            event.stop()
            event.prevent_default()
            self.console_app.action_act(action_id, event.key)

    def on_click(self, event: Click) -> None:
        """Keys of the footer can be clicked; the page takes the rest."""
        if event.screen_y == self.size.height - 1:
            for hint in self._hints:
                if hint.start <= event.screen_x < hint.end:
                    self.console_app.action_act(hint.action_id)
        else:
            self.rows_clicked(event.screen_x, event.screen_y)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        self.move(-1)

    def move(self, steps: int) -> None:
        """Move the cursor; large steps go to the ends."""

    def page_step(self) -> int:
        """Rows of one page."""
        return max(1, self.size.height // 2)

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
