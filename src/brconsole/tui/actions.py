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
    """Where an action works. EVERYWHERE is every screen but confirmations; LIST is what has rows to move through."""

    EVERYWHERE = "everywhere"
    LIST = "lists"
    WALL = "environment wall"
    FLEET = "fleet"
    SERVICE = "service page"
    RELEASE = "release"
    MIGRATIONS = "migrations"
    SPLIT = "traffic editor"
    DIALOG = "confirmation"
    JOURNAL = "journal"
    INFRA = "infrastructure"
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
    """What the command takes: environment, service, theme, filter, sort, reason."""
    effect: Effect = Effect.READ
    remappable: bool = True
    emergency: bool = False
    """A write that only ever returns to stable: its card opens in an environment that is read-only by default."""


_E, _L, _W, _F, _S, _T = Scope.EVERYWHERE, Scope.LIST, Scope.WALL, Scope.FLEET, Scope.SERVICE, Scope.THEMES
_R, _P, _D, _J, _M = Scope.RELEASE, Scope.SPLIT, Scope.DIALOG, Scope.JOURNAL, Scope.MIGRATIONS
_I = Scope.INFRA
_ACT = (_F, _S, _R)
"""Where a service is in front of a person."""


def _write(
    action_id: str,
    title: str,
    keys: tuple[str, ...],
    hint: str,
    command: str,
    *,
    scopes: tuple[Scope, ...] = _ACT,
    takes: str = "reason",
    emergency: bool = False,
) -> Action:
    return Action(action_id, title, keys, scopes, "Act", hint, command, takes, Effect.WRITE, emergency=emergency)


WRITES: tuple[Action, ...] = (
    _write("release.promote", "Promote to the next step, by its gates", ("P",), "promote", "promote"),
    _write("release.start", "Start a rollout of the newest revision", ("S",), "start", "start"),
    _write("rollback.open", "Roll back: the card of the undo target", ("B",), "roll back", "rollback", emergency=True),
    _write("traffic.shift", "Shift traffic: edit the split", ("T",), "traffic", "traffic", takes=""),
    _write("release.hold", "Hold where it is; the watch goes on", ("H",), "hold", "hold"),
    _write("release.resume", "Continue a held rollout", ("C",), "continue", "resume"),
    _write("release.abort", "Abort: back to stable, the canary has failed", ("A",), "abort", "abort", emergency=True),
    _write("release.adopt", "Adopt the split as it is, and hold there", ("O",), "adopt", "adopt"),
    _write("release.restore", "Restore the split that the rollout wants", ("X",), "restore", "restore"),
    _write("release.dismiss", "The newest revision is not wanted", ("N",), "not wanted", "dismiss"),
    _write(
        "release.waive",
        "Go on WITHOUT evidence",
        ("F",),
        "without evidence",
        "go-on-unproved",
    ),
    _write("release.drive", "Take the wheel here, or let it go", ("W",), "wheel", "drive", takes=""),
    _write("traffic.undo", "Undo the last split by hand", ("u",), "undo", "undo"),
    _write(
        "rollback.group",
        "Roll back the whole release group",
        ("E",),
        "",
        "rollback-group",
        scopes=(_F, _R),
        emergency=True,
    ),
)
"""Everything that writes to a service. The footer's order is what helps most first."""

MIGRATIONS: tuple[Action, ...] = (
    _write("migration.run", "Migrate: run the approved plan", ("M",), "migrate", "migrate", scopes=(*_ACT, _M)),
    _write("migration.approve", "Approve the plan that is shown", ("V",), "approve", "approve", scopes=(_M,)),
    _write(
        "migration.plan",
        "Plan: have the candidate's code say what is pending",
        ("p",),
        "plan",
        "plan",
        scopes=(_M,),
        takes="",
    ),
    _write("migration.look", "Ask the database where it stands", ("a",), "ask database", "ask", scopes=(_M,), takes=""),
    _write("migration.retry", "Run a failed migration once more", ("Y",), "run again", "retry", scopes=(_M,)),
    _write("migration.cancel", "Cancel the run under way", ("K",), "cancel", "cancel", scopes=(_M,)),
)
"""Everything that writes to the migration job."""

IN_DIALOGS: tuple[Action, ...] = (
    Action("split.review", "See what would be written", ("enter",), (_P,), "Act", "review"),
    Action("split.more", "One percent more", ("right", "plus"), (_P,), "Act", "+1"),
    Action("split.less", "One percent less", ("left",), (_P,), "Act", "-1"),
    Action("split.more_ten", "Ten percent more", ("shift+right", "right_square_bracket"), (_P,), "Act", "+10"),
    Action("split.less_ten", "Ten percent less", ("shift+left", "left_square_bracket"), (_P,), "Act", "-10"),
    Action("split.rest", "This revision takes whatever the others leave", ("space",), (_P,), "Act", "takes the rest"),
    Action(
        "dialog.arm",
        "Arm this one rollback",
        ("a",),
        (_D,),
        "Act",
        "arm",
        effect=Effect.WRITE,
        remappable=False,
        emergency=True,
    ),
    Action(
        "dialog.confirm",
        "Yes, do it",
        ("y",),
        (_D,),
        "Act",
        "yes",
        effect=Effect.WRITE,
        remappable=False,
        emergency=True,
    ),
    Action("dialog.cancel", "No, leave everything as it is", ("n",), (_D,), "Act", "no", remappable=False),
    Action("dialog.choose", "Press the button in focus", ("enter",), (_D,), "Act", "", remappable=False),
    Action("dialog.focus", "The other button", ("tab", "left", "right"), (_D,), "Act", "", remappable=False),
    Action(
        "dialog.option", "Step by hand, or by itself", ("m",), (_D,), "Act", "by hand or by itself", remappable=False
    ),
    Action("plan.copy", "Copy the gcloud command that does the same", ("c",), (_P, _D), "Take", "copy gcloud"),
)

ACTIONS: tuple[Action, ...] = (
    # The order is the footer's, what helps most first.
    Action("wall.open", "Open the chosen environment", ("enter",), (_W,), "Look", "open"),
    Action(
        "fleet.open", "Open the page of the chosen service", ("enter",), (_F,), "Look", "open", "service", "service"
    ),
    Action("theme.use", "Use the chosen theme", ("enter",), (_T,), "Look", "use"),
    Action("service.release", "Open its release: steps, gates, undo target", ("enter",), (_S,), "Look", "release"),
    Action(
        "release.open",
        "Open the release of the chosen service",
        ("v",),
        (_F, _S),
        "Look",
        "release",
        "release",
        "service",
    ),
    *WRITES,
    *MIGRATIONS,
    *IN_DIALOGS,
    Action(
        "migration.open",
        "Open the migrations of the environment",
        ("m",),
        _ACT,
        "Look",
        "migrations",
        "migrations",
    ),
    Action("service.previous", "The service before this one", ("left_square_bracket",), (_S,), "Look", "previous"),
    Action("service.next", "The service after this one", ("right_square_bracket",), (_S,), "Look", "next"),
    Action("infra.previous", "The environment before this one", ("left_square_bracket",), (_I,), "Look", "previous"),
    Action("infra.next", "The environment after this one", ("right_square_bracket",), (_I,), "Look", "next"),
    Action("infra.outputs", "The outputs in place of the change, and back", ("o",), (_I,), "Look", "outputs"),
    Action("list.filter", "Filter the rows", ("slash",), (_F,), "Look", "filter", "filter", "filter"),
    Action("fleet.sort", "Sort by the next column", ("s",), (_F,), "Look", "sort", "sort", "sort"),
    Action("panel.next", "Go to the next panel", ("tab",), (_F, _M), "Look", "panel"),
    Action("panel.previous", "Go to the panel before", ("shift+tab",), (_F, _M), "Look"),
    Action("panel.zoom", "Give the panel the whole screen, and back", ("z",), (_F, _M), "Look", "zoom", "zoom"),
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
    Action("copy.name", "Copy the name", ("c",), (_F, _S, _M, _I), "Take", "copy", "copy"),
    Action("copy.command", "Copy the gcloud command that describes it", ("y",), (_F, _S), "Take", "", "gcloud"),
    Action("mode.write", "Allow writes for 30 minutes, with a reason", ("w",), (_E,), "Act", "", "write", "reason"),
    Action("mode.read_only", "End the time in which writes are allowed", (), (_E,), "Act", "", "read-only"),
    Action(
        "journal.show", "What was meant to be done and what became of it", ("h",), (_E,), "Go", "journal", "journal"
    ),
    Action("infra.show", "Terraform: drift, and who would win", ("i",), (_E,), "Go", "infra", "infra"),
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
