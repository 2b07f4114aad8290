"""The command line behind `:`: words from the registry, with completion, and the nearest word for one not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from brconsole.tui.actions import Action
from brconsole.tui.paint import shown

ALIASES = {"q": "quit", "q!": "quit", "h": "help", "svc": "service", "sort-by": "sort", "w": "wall"}


@dataclass(frozen=True, slots=True)
class Command:
    """What to do, and with what."""

    action_id: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a line is no command, as a sentence."""

    message: str


def understand(line: str, actions: Sequence[Action], names: Mapping[str, Sequence[str]]) -> Command | Mistake | None:
    """Read a line. `names` holds the known arguments by kind; an environment's name alone opens it. None for an empty
    line.
    """
    word, _, argument = line.strip().partition(" ")
    argument = argument.strip()
    if not word:
        return None
    if word.startswith("/"):
        return Command("list.filter", line.strip()[1:].strip())
    by_word = {action.command: action for action in actions if action.command}
    word = ALIASES.get(word, word)
    action = by_word.get(word)
    if action is None:
        if word in names.get("environment", ()) and not argument:
            return Command("env.open", word)
        return _unknown(word, [*by_word, *names.get("environment", ())])
    if argument and not action.takes:
        return Mistake(f"{word} takes nothing, found {shown(argument, 60)!r}")
    if action.takes == "environment" and not argument:
        return Mistake(f"which environment? {', '.join(names.get('environment', ()))}")
    known = names.get(action.takes)
    if argument and known is not None and argument not in known:
        return _unknown(argument, known, action.takes)
    return Command(action.id, argument)


def _unknown(word: str, known: Sequence[str], kind: str = "command") -> Mistake:
    nearest = get_close_matches(word, known, 1, 0.5) or [name for name in known if name.startswith(word)][:1]
    hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; there are {', '.join(known[:12])}"
    return Mistake(f"no {kind} {shown(word, 60)!r}{hint}")


def complete(line: str, actions: Sequence[Action], names: Mapping[str, Sequence[str]]) -> list[str]:
    """Whole lines that begin with what was typed."""
    word, blank, argument = line.partition(" ")
    by_word = {action.command: action for action in actions if action.command}
    if not blank:
        words = [*names.get("environment", ()), *by_word]
        return [candidate for candidate in words if candidate.startswith(word) and candidate != word]
    action = by_word.get(ALIASES.get(word, word))
    known = names.get(action.takes, ()) if action else ()
    return [f"{word} {name}" for name in known if name.startswith(argument) and name != argument]
