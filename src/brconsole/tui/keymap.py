"""A person's own keys over the registry's: checked before they are used, so that no key does two things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from brconsole.tui.actions import ACTIONS, Action, key_name, key_of, overlap
from brconsole.tui.paint import shown

RESERVED = ("ctrl+c",)
"""Keys that always mean the same: ctrl+c leaves."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The actions with the keys in force, and what could not be done of what was asked."""

    actions: tuple[Action, ...]
    problems: tuple[str, ...]

    def of(self, action_id: str) -> Action:
        """An action by its id."""
        return next(action for action in self.actions if action.id == action_id)


def resolve(keymap: Mapping[str, str], actions: tuple[Action, ...] = ACTIONS) -> Keys:
    """Apply a keymap. An override that names no action, or whose key another action holds, is left out and said so."""
    problems: list[str] = []
    chosen = {action.id: action for action in actions}
    moved = {action_id: _keys(written) for action_id, written in keymap.items()}
    for action_id, keys in moved.items():
        name = shown(action_id, 60)
        action = chosen.get(action_id)
        if action is None:
            nearest = get_close_matches(action_id, chosen, 1, 0.5)
            problems.append(f"keymap: no action {name!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))
        elif not action.remappable:
            problems.append(f"keymap: the keys of {name!r} cannot be changed")
        elif not keys:
            problems.append(f"keymap: {name!r} needs a key")
        elif taken := _taken(action, keys, chosen, moved):
            key, other = taken
            problems.append(
                f"keymap: {shown(key_name(key), 20)!r} for {name!r} is already {other}; {name!r} keeps {_names(action)}"
            )
        else:
            chosen[action_id] = replace(action, keys=keys)
    return Keys(tuple(chosen[action.id] for action in actions), tuple(problems))


def _keys(written: str) -> tuple[str, ...]:
    return tuple(key_of(part) for part in written.split(",") if part.strip()) if written != "," else ("comma",)


def _taken(
    action: Action, keys: tuple[str, ...], chosen: Mapping[str, Action], moved: Mapping[str, tuple[str, ...]]
) -> tuple[str, str] | None:
    for key in keys:
        if key in RESERVED:
            return key, "the way out"
        for other in chosen.values():
            if other.id == action.id or not overlap(action, other):
                continue
            if key in (moved.get(other.id) or other.keys if other.remappable else other.keys):
                return key, repr(other.id)
    return None


def _names(action: Action) -> str:
    return ", ".join(key_name(key) for key in action.keys)
