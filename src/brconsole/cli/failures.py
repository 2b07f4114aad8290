"""The ways a command ends early. Each carries one sentence for a person and the exit status."""

from __future__ import annotations

from collections.abc import Iterable

from brconsole.cli import exit_codes


class CommandError(Exception):
    """A command that cannot go on: what, where and what to do, in one or two sentences without a final newline."""

    def __init__(self, message: str, exit_code: int = exit_codes.FAILED) -> None:
        self.message = message
        self.exit_code = exit_code
        super().__init__(message)


class MisuseError(CommandError):
    """The command line asks for something that does not exist or does not go together."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_codes.USAGE)


class OutputError(CommandError):
    """Standard output could not take what it was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"standard output could not be written: {reason}.", exit_codes.FAILED)


def not_among(kind: str, wrong: str, known: Iterable[str]) -> str:
    """The sentences for a name that does not exist: what was found, the nearest match, what is allowed."""
    from brconsole.config.errors import nearest
    from brconsole.domain.text import clean

    names = tuple(known)
    meant = nearest(wrong, names)
    allowed = f"Known: {', '.join(clean(name, 80) for name in names)}." if names else f"There is no {kind} at all."
    guess = f"; did you mean “{clean(meant, 80)}”? " if meant else ". "
    return f"there is no {kind} “{clean(wrong, 80)}”{guess}{allowed}"
