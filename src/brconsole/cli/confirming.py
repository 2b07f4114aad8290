"""How a person says yes to a plan at the command line, and what counts as yes where there is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from brconsole.cli import exit_codes, output
from brconsole.cli.failures import CommandError
from brconsole.cli.options import Options
from brconsole.domain.plan import Confirmation
from brconsole.operations.outcome import BY_DIALOG, NOT_CONFIRMED, STANDING, Confirmed, by_name

_YES = ("y", "yes")


def confirm(
    level: Confirmation, environment: str, options: Options, shown: Sequence[str], typed: str | None = None
) -> Confirmed:
    """Show what would be done, and ask at the level that it needs. Ends the command where nobody says yes.

    `--yes` stands for y, never for the environment's name: that is asked for, or given as `typed`.
    """
    output.show(shown)
    if level is Confirmation.NONE:
        return NOT_CONFIRMED
    if level is Confirmation.TYPED:
        return by_name(_name(environment, typed))
    if options.yes:
        return BY_DIALOG
    _somebody(
        f"nothing was written: standard input is no terminal, so nobody can be asked; --yes confirms for {environment}."
    )
    answer = output.ask(f"Do this in {environment}? [y/N]")
    if answer is None or answer.lower() not in _YES:
        raise CommandError("not confirmed: nothing was written.", exit_codes.REFUSED)
    return BY_DIALOG


def standing(question: str, options: Options) -> Confirmed:
    """The order under which a pipeline or an agent drives by itself: --yes, or a person's y."""
    if not options.yes:
        _somebody("standard input is no terminal, so nobody can be asked; --yes gives the order to drive by itself.")
        answer = output.ask(f"{question} [y/N]")
        if answer is None or answer.lower() not in _YES:
            raise CommandError("not confirmed: nothing was written.", exit_codes.REFUSED)
    return STANDING


def _name(environment: str, typed: str | None) -> str:
    if typed is None:
        _somebody(
            f"nothing was written: the environment's name must be typed, and standard input is no terminal; "
            f"--confirm {environment} gives it."
        )
        typed = output.ask(f"Type the environment's name to confirm ({environment}):")
    if typed != environment:
        found = "nothing" if not typed else f"“{typed}”"
        raise CommandError(
            f"not confirmed: {found} is not the environment's name, {environment}; nothing was written.",
            exit_codes.REFUSED,
        )
    return typed


def _somebody(otherwise: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(otherwise, exit_codes.REFUSED)
