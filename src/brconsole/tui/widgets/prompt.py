"""The line at the foot where a command or a filter is typed. Loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Blur, Key
from textual.suggester import Suggester
from textual.widgets import Input

Completer = Callable[[str], list[str]]


class _FirstCompletion(Suggester):
    def __init__(self, complete: Completer) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        found = self._complete(value) if value else []
        return found[0] if found else None


class Prompt(Input):
    """One line over the footer. Enter takes it, escape leaves everything as it was before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,ctrl+p", "earlier", show=False),
        Binding("down,ctrl+n", "later", show=False),
    ]
    HISTORY: ClassVar[dict[str, list[str]]] = {}

    def __init__(
        self,
        sign: str,
        text: str,
        take: Callable[[str], None],
        complete: Completer | None = None,
        typed: Callable[[str], None] | None = None,
        *,
        done: Callable[[], None],
    ) -> None:
        super().__init__(
            sign + text,
            suggester=_FirstCompletion(lambda line: [sign + rest for rest in complete(line[1:])]) if complete else None,
            select_on_focus=False,
            compact=True,
        )
        self._sign = sign
        self._before = text
        self._take = take
        self._complete = complete
        self._typed = typed
        self._done = done
        self._left = False
        self._back = 0
        self.last_key: Key | None = None
        """The key that came here last: what bubbles up from here is not for the screen below."""

    def on_mount(self) -> None:
        """At the end of what is there, without a blinking cursor: a still screen is easier to trust."""
        self.cursor_blink = False
        self.cursor_position = len(self.value)

    @property
    def line(self) -> str:
        """What was typed, without the sign."""
        return self.value.removeprefix(self._sign)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Rows follow the filter while it is typed; without its sign the prompt is left."""
        event.stop()
        if not self.value.startswith(self._sign):
            self._cancel()
        elif self._typed is not None:
            self._typed(self.line)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the line."""
        event.stop()
        line = self.line
        history = self.HISTORY.setdefault(self._sign, [])
        if line and (not history or history[-1] != line):
            history.append(line)
        self._leave()
        self._take(line)

    async def on_key(self, event: Key) -> None:
        """Escape leaves; tab takes the completion."""
        self.last_key = event
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self._cancel()
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            found = self._complete(self.line) if self._complete else []
            if found:
                self.value = self._sign + _shared(found, self.line)
                self.cursor_position = len(self.value)

    def on_blur(self, event: Blur) -> None:
        """A click elsewhere leaves it."""
        self._leave()

    def _cancel(self) -> None:
        if self._typed is not None:
            self._typed(self._before)
        self._leave()

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self._done()
            self.remove()

    def action_earlier(self) -> None:
        """The line taken before."""
        self._recall(1)

    def action_later(self) -> None:
        """The line taken after."""
        self._recall(-1)

    def _recall(self, step: int) -> None:
        history = self.HISTORY.get(self._sign, [])
        self._back = max(0, min(len(history), self._back + step))
        self.value = self._sign + (history[-self._back] if self._back else "")
        self.cursor_position = len(self.value)


def _shared(found: list[str], typed: str) -> str:
    """The longest beginning that all completions share; the first one where that is no more than was typed."""
    first, last = min(found), max(found)
    length = next(
        (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        min(len(first), len(last)),
    )
    return first[:length] if length > len(typed) else found[0]
