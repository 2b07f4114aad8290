"""`brconsole rollback`: one service, or the whole release group, back to what served before."""

from __future__ import annotations

import asyncio

import click

from brconsole.cli import exit_codes, output, plan_text
from brconsole.cli.acting import EMERGENCY_RATES_S, acting, proposed_beside, writable
from brconsole.cli.confirming import confirm
from brconsole.cli.failures import CommandError, MisuseError
from brconsole.cli.narration import Narration
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Session, begin
from brconsole.cli.writing import Order, arming, carry_out, told
from brconsole.domain.environment import Environment
from brconsole.operations.gateway import Proposal, WriteAction
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Outcome
from brconsole.operations.rollback import GroupOutcome
from brconsole.operations.use_cases import UseCases

GROUP_SCHEMA = "brconsole.group-outcome/1"


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV")
@click.argument("service", metavar="[SERVICE]", required=False)
@click.option(
    "--to", metavar="REVISION", help="Where to; default: the recorded stable, the tag prev, or the last at 100 %."
)
@click.option("--group", is_flag=True, help="Every service of the release group, in one act.")
@click.option(
    "--confirm", "typed", metavar="ENV", help="The environment's name, where it must be typed and nobody can be asked."
)
@click.option("--dry-run", is_flag=True, help="Show the plan and end; nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def rollback(
    ctx: click.Context,
    environment: str,
    service: str | None,
    to: str | None,
    group: bool,
    typed: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Send all traffic back to what served before. It needs no metrics, no gates and no plan.

    It is let through where an environment is read-only by default, since confirming arms this one rollback; an explicit
    --read-only refuses it. Exit status: 0 served or already so, 1 failed or not verified, 3 refused, 5 unreachable.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    reason = session.options.reason or "rollback"
    if group:
        if service is not None or to is not None:
            raise MisuseError("--group rolls back every service of the release group; it takes no service and no --to.")
        return _group(session, chosen, reason, typed, dry_run, as_json)
    if service is None:
        raise MisuseError("which service? Name one, or roll back the whole release group with --group.")
    name = service

    async def propose(cases: UseCases) -> Proposal | Outcome:
        return await cases.rollbacks.propose(name, reason, to)

    return carry_out(session, chosen, Order(WriteAction.ROLLBACK, name, propose, dry_run, as_json))


def _group(
    session: Session, environment: Environment, reason: str, typed: str | None, dry_run: bool, as_json: bool
) -> int:
    action = WriteAction.ROLLBACK
    modes = Modes(environment, read_only=False) if dry_run else writable(session, environment, action)
    with session.connection() as connection:

        async def run() -> int:
            async with acting(environment, connection, modes, rates_s=EMERGENCY_RATES_S) as cases:
                return await _group_rolled_back(session, cases, reason, typed, dry_run, as_json)

        return asyncio.run(run())


async def _group_rolled_back(
    session: Session, cases: UseCases, reason: str, typed: str | None, dry_run: bool, as_json: bool
) -> int:
    environment = cases.environment
    proposing = cases.rollbacks.propose_group(reason)
    group = await (proposing if dry_run else proposed_beside(cases, proposing))
    if isinstance(group, Outcome):
        raise CommandError(group.sentence, group.exit_status)
    shown = [line for made in group.proposals for line in plan_text.lines(made)]
    settled = [f"{outcome.sentence}" for outcome in group.settled]
    if dry_run:
        if as_json:
            for made in group.proposals:
                output.write_json(plan_text.plan_document(made))
        else:
            output.write("\n".join((*shown, *settled)))
        return exit_codes.DONE
    if group.proposals:
        armed = arming(cases, group.proposals[0])
        confirmed = confirm(group.confirmation, environment.name, session.options, [*shown, *settled, *armed], typed)
        refused = cases.rollbacks.arm(group)
        if refused is not None:
            raise CommandError(refused.sentence, refused.exit_status)
        ended = await cases.rollbacks.send_group(group, confirmed, Narration().tell)
    else:
        ended = GroupOutcome(group.settled)
    return _told(environment, ended, as_json)


def _told(environment: Environment, ended: GroupOutcome, as_json: bool) -> int:
    action = WriteAction.ROLLBACK
    if as_json:
        output.write_json(
            {
                "schema": GROUP_SCHEMA,
                "environment": environment.name,
                "result": ended.kind.value,
                "exit_status": ended.exit_status,
                "services": [
                    plan_text.outcome_document(environment.name, action.value, outcome, None)
                    for outcome in ended.outcomes
                ],
            }
        )
        return ended.exit_status
    for outcome in ended.outcomes:
        told(environment, action, outcome, None)
    return ended.exit_status
