"""One order from the command line to its outcome: propose, show, ask, send, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from brconsole.cli import exit_codes, output, plan_text
from brconsole.cli.acting import EMERGENCY_RATES_S, RATES_S, acting, proposed_beside, writable
from brconsole.cli.confirming import confirm
from brconsole.cli.failures import MisuseError, not_among
from brconsole.cli.narration import Narration
from brconsole.cli.session import Session
from brconsole.domain.environment import Environment
from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import Proposal, WriteAction
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Outcome
from brconsole.operations.timing import RealTiming, within
from brconsole.operations.use_cases import UseCases

LIST_S = 3.0
"""Real seconds for the list of services, where one that was named does not answer."""
Propose = Callable[[UseCases], Awaitable[Proposal | Outcome]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a command asks for."""

    action: WriteAction
    service: str
    propose: Propose
    dry_run: bool = False
    """Show the plan and end."""
    as_json: bool = False


def carry_out(session: Session, environment: Environment, order: Order) -> int:
    """Do it, and the exit status. Refused before anything is read where the mode forbids it."""
    modes = Modes(environment, read_only=False) if order.dry_run else writable(session, environment, order.action)
    with session.connection() as connection:

        async def run() -> int:
            recover = not (order.dry_run or order.action.emergency)
            rates_s = EMERGENCY_RATES_S if order.action.emergency else RATES_S
            async with acting(environment, connection, modes, rates_s=rates_s, recover=recover) as cases:
                return await _carried_out(session, cases, order)

        return asyncio.run(run())


async def _carried_out(session: Session, cases: UseCases, order: Order) -> int:
    proposing = order.propose(cases)
    beside = order.action.emergency and not order.dry_run
    made = await (proposed_beside(cases, proposing) if beside else proposing)
    if isinstance(made, Outcome):
        await known_service(cases, made)
        return told(cases.environment, order.action, made, None, as_json=order.as_json)
    if order.dry_run:
        if order.as_json:
            output.write_json(plan_text.plan_document(made))
        else:
            output.write("\n".join(plan_text.lines(made)))
        return exit_codes.DONE
    shown = [*plan_text.lines(made), *arming(cases, made)]
    confirmed = confirm(made.plan.confirmation, cases.environment.name, session.options, shown)
    if made.rollback is not None and (refused := cases.rollbacks.arm(made)) is not None:
        return told(cases.environment, order.action, refused, made, as_json=order.as_json)
    outcome = await cases.gateway.send(made, confirmed, Narration().tell)
    return told(cases.environment, order.action, outcome, made, as_json=order.as_json)


def arming(cases: UseCases, made: Proposal) -> list[str]:
    """What must be said where a rollback is let through in an environment that is read-only by default."""
    state = cases.gateway.modes.state()
    if made.rollback is None or state.writable:
        return []
    return [f"  {cases.environment.name} is read-only ({state.why}); confirming arms this one rollback"]


def told(
    environment: Environment, action: WriteAction, outcome: Outcome, made: Proposal | None, *, as_json: bool = False
) -> int:
    """Tell how it ended: data on standard output, what is not well and what else must be said on standard error."""
    if as_json:
        output.write_json(plan_text.outcome_document(environment.name, action.value, outcome, made))
    elif outcome.good:
        output.write(clean(outcome.sentence))
    if not outcome.good:
        output.tell(outcome.sentence)
        for reason in outcome.blocked_by:
            output.tell(f"  {reason}")
    for note in outcome.notes:
        output.tell(note)
    return outcome.exit_status


async def known_service(cases: UseCases, outcome: Outcome) -> None:
    """A service that does not exist is a mistake of the command line, told with the nearest name.

    Asked only where nothing is known of the service; where the list cannot be had either, the outcome speaks.
    """
    if outcome.good or not outcome.service or outcome.before is not None:
        return
    try:
        names = [service.name for service in await within(_services(cases), LIST_S, RealTiming())]
    except (SourceFailure, TimeoutError):
        return
    if outcome.service not in names:
        raise MisuseError(not_among(f"service in {cases.environment.name}", outcome.service, names))


async def _services(cases: UseCases) -> tuple[Service, ...]:
    return await cases.cloud.run.services()
