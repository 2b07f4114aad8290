"""`brconsole traffic`: any split of a service's traffic, and back to the split before."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from brconsole.cli.failures import MisuseError
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin
from brconsole.cli.writing import Order, carry_out
from brconsole.domain.text import clean
from brconsole.operations.gateway import Proposal, WriteAction
from brconsole.operations.outcome import Outcome
from brconsole.operations.use_cases import UseCases

_ARM = re.compile(r"(?P<revision>[^=\s]+)=(?P<percent>\d{1,3})%?", re.ASCII)


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV")
@click.argument("service", metavar="SERVICE")
@click.argument("arms", metavar="[REVISION=PERCENT]...", nargs=-1)
@click.option("--undo", is_flag=True, help="Restore the split before the last one that this machine wrote.")
@click.option("--dry-run", is_flag=True, help="Show the plan and end; nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def traffic(
    ctx: click.Context,
    environment: str,
    service: str,
    arms: tuple[str, ...],
    undo: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Split a service's traffic between revisions: whole percents that sum to 100. What is not named gets nothing.

    Exit status: 0 served or already so, 1 failed or not verified, 3 refused, 4 the world changed meanwhile, 5
    unreachable.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    split = _split(arms, undo)
    reason = session.options.reason or ""

    async def propose(cases: UseCases) -> Proposal | Outcome:
        if split is None:
            return await cases.shifts.propose_undo(service, reason)
        return await cases.shifts.propose(service, split, reason)

    action = WriteAction.UNDO if undo else WriteAction.SHIFT
    return carry_out(session, chosen, Order(action, service, propose, dry_run, as_json))


def _split(arms: Iterable[str], undo: bool) -> dict[str, int] | None:
    """Percent by revision; None for the split before."""
    listed = tuple(arms)
    if undo and listed:
        raise MisuseError("--undo restores the split before; it takes no REVISION=PERCENT.")
    if undo:
        return None
    if not listed:
        raise MisuseError("which split? Name each revision with its share, such as api-00041-abc=90 api-00042-def=10.")
    split: dict[str, int] = {}
    for word in listed:
        arm = _ARM.fullmatch(word)
        if arm is None or int(arm["percent"]) > 100:
            raise MisuseError(f"“{clean(word, 80)}” is no REVISION=PERCENT, such as api-00042-def=10 (0 to 100).")
        if arm["revision"] in split:
            raise MisuseError(f"{clean(arm['revision'], 63)} is named twice.")
        split[arm["revision"]] = int(arm["percent"])
    total = sum(split.values())
    if total != 100:
        wrong = f"{100 - total} % are missing" if total < 100 else f"{total - 100} % are too many"
        raise MisuseError(f"the shares sum to {total} %, not to 100 %: {wrong}.")
    return split
