"""The one screen of the toolkit: it paints the screen in front and passes keys and clicks on to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.events import Click, Key, MouseScrollDown, MouseScrollUp
from textual.screen import Screen

from brconsole.tui.widgets.board import Board

if TYPE_CHECKING:
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.widgets.prompt import Prompt


class Host(Screen[None]):
    """A board, and over its last line a prompt while one is asked for."""

    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._prompt: Prompt | None = None

    @property
    def _application(self) -> BrconsoleApp:
        return cast("BrconsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """One board: whatever screen is in front."""
        console = self._application
        yield Board(
            console.page,
            lambda: console.palette,
            ascii_only=console.ascii_only,
        )

    @property
    def board(self) -> Board | None:
        """The board, once it is there."""
        return next((child for child in self.children if isinstance(child, Board)), None)

    def ask(self, prompt: Prompt) -> None:
        """Put a prompt over the footer; keys that are typed before it is there are kept for it."""
        self._prompt = prompt
        self.mount(prompt)
        self.set_focus(prompt)

    def answered(self) -> None:
        """The prompt is done."""
        self._prompt = None

    def on_key(self, event: Key) -> None:
        """Keys come from the registry with a person's own over it, not from class bindings."""
        if self._prompt is not None:
            if self._prompt.last_key is not event:
                self._prompt.post_message(event)
            return
        console = self._application
        if console.front.typed(event.key, event.character):
            event.stop()
            event.prevent_default()
            return
        action_id = next((action.id for action in console.front.actions() if event.key in action.keys), None)
        if action_id is not None:
            event.stop()
            event.prevent_default()
            console.act(action_id, event.key)

    def on_click(self, event: Click) -> None:
        """Keys of the footer can be clicked; the page takes the rest."""
        front = self._application.front
        if event.screen_y < self.size.height - 1:
            front.clicked(event.screen_x, event.screen_y)
            return
        for hint in front.hints:
            if hint.start <= event.screen_x < hint.end:
                self._application.act(hint.action_id)

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        self._application.front.move(1)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        self._application.front.move(-1)
