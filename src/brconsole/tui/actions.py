"""The one registry of what a person can do. Footer, help, palette, `:` and `brconsole keys` are made of it.

Plain data without the screen's toolkit, so that the command line can print it. Keys are named as the terminal library
names them.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """Whether an action can change what runs."""

    READ = "read"
    WRITE = "write"


class Scope(StrEnum):
    """Where an action works. EVERYWHERE is every screen; LIST is what has rows to move through."""

    EVERYWHERE = "everywhere"
    LIST = "lists"
    WALL = "environment wall"
    FLEET = "fleet"
    SERVICE = "service page"
    THEMES = "theme picker"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `id` is stable: keymaps, tests and documents name it."""

    id: str
    title: str
    keys: tuple[str, ...]
    scopes: tuple[Scope, ...]
    group: str
    hint: str = ""
    """Words of the footer; without them it does not stand there."""
    command: str = ""
    """Its word on the command line."""
    takes: str = ""
    """What the command takes: environment, service, theme, filter, sort."""
    effect: Effect = Effect.READ
    remappable: bool = True


_E, _L, _W, _F, _S, _T = Scope.EVERYWHERE, Scope.LIST, Scope.WALL, Scope.FLEET, Scope.SERVICE, Scope.THEMES

ACTIONS: tuple[Action, ...] = (
    # The order is the footer's, what helps most first.
    Action("wall.open", "Open the chosen environment", ("enter",), (_W,), "Look", "open"),
    Action(
        "fleet.open", "Open the page of the chosen service", ("enter",), (_F,), "Look", "open", "service", "service"
    ),
    Action("theme.use", "Use the chosen theme", ("enter",), (_T,), "Look", "use"),
    Action("service.previous", "The service before this one", ("left_square_bracket",), (_S,), "Look", "previous"),
    Action("service.next", "The service after this one", ("right_square_bracket",), (_S,), "Look", "next"),
    Action("list.filter", "Filter the rows", ("slash",), (_F,), "Look", "filter", "filter", "filter"),
    Action("fleet.sort", "Sort by the next column", ("s",), (_F,), "Look", "sort", "sort", "sort"),
    Action("panel.next", "Go to the next panel", ("tab",), (_F,), "Look", "panel"),
    Action("panel.previous", "Go to the panel before", ("shift+tab",), (_F,), "Look"),
    Action("panel.zoom", "Give the panel the whole screen, and back", ("z",), (_F,), "Look", "zoom", "zoom"),
    Action("wall.show", "Show the wall of all environments", ("0",), (_E,), "Go", "wall", "wall"),
    Action(
        "env.open",
        "Open an environment by its digit",
        tuple("123456789"),
        (_E,),
        "Go",
        "",
        "env",
        "environment",
        remappable=False,
    ),
    Action("app.refresh", "Ask every source again now", ("r",), (_E,), "Look", "refresh", "refresh"),
    Action("app.command", "Type a command", ("colon",), (_E,), "Ask", "command"),
    Action("app.palette", "Search all commands", ("ctrl+p",), (_E,), "Ask"),
    Action("theme.pick", "Choose a theme", ("t",), (_E,), "Look", "theme", "theme", "theme"),
    Action("copy.name", "Copy the name", ("c",), (_F, _S), "Take", "copy", "copy"),
    Action("copy.command", "Copy the gcloud command that describes it", ("y",), (_F, _S), "Take", "", "gcloud"),
    Action("list.down", "One row down", ("j", "down"), (_L,), "Move"),
    Action("list.up", "One row up", ("k", "up"), (_L,), "Move"),
    Action("list.top", "The first row", ("g", "home"), (_L,), "Move"),
    Action("list.bottom", "The last row", ("G", "end"), (_L,), "Move"),
    Action("list.page_down", "One page down", ("pagedown", "ctrl+f"), (_L,), "Move"),
    Action("list.page_up", "One page up", ("pageup",), (_L,), "Move"),
    Action("app.help", "Keys and what the screen means", ("question_mark",), (_E,), "Ask", "keys", "help"),
    Action("app.last", "The view before this one", ("minus",), (_E,), "Go", "", "last"),
    Action("app.back", "Back: one view up, or clear the filter; never quits", ("escape",), (_E,), "Go", "back", "back"),
    Action("app.quit", "Quit", ("q",), (_E,), "Go", "quit", "quit"),
)

BY_ID = {action.id: action for action in ACTIONS}

_SHORT = {"escape": "esc", "pagedown": "pgdn", "pageup": "pgup"}
_LONG = {short: key for key, short in _SHORT.items()}
_RENAMED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}


def key_of(name: str) -> str:
    """A key as the terminal library names it (`slash`), from how a person writes it (`/`)."""
    name = name.strip()
    if len(name) != 1 or name.isalnum():
        return _LONG.get(name, name)
    key = unicodedata.name(name, name).lower().replace("-", "_").replace(" ", "_")
    return _RENAMED.get(key, key)


_CHARACTERS = {key_of(character): character for character in string.punctuation}


def key_name(key: str) -> str:
    """A key as it stands on the keyboard."""
    return _SHORT.get(key) or _CHARACTERS.get(key, key)


def working_in(scopes: Iterable[Scope], actions: Iterable[Action] = ACTIONS) -> tuple[Action, ...]:
    """The actions that work in a screen of these scopes, in the registry's order."""
    wanted = {*scopes, Scope.EVERYWHERE}
    return tuple(action for action in actions if wanted.intersection(action.scopes))


def overlap(one: Action, other: Action) -> bool:
    """Whether two actions can be reached from the same screen."""
    if Scope.EVERYWHERE in one.scopes or Scope.EVERYWHERE in other.scopes:
        return True
    if Scope.LIST in one.scopes or Scope.LIST in other.scopes:
        return True
    return bool(set(one.scopes) & set(other.scopes))
