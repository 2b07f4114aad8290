"""`brconsole release run`: a rollout driven to its end by a pipeline, and left safe where that is interrupted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from brconsole.cli import exit_codes, output, plan_text, release_text
from brconsole.cli.acting import RATES_S, acting, writable
from brconsole.cli.confirming import standing
from brconsole.cli.narration import Narration
from brconsole.cli.session import Session
from brconsole.cli.signals import until_asked
from brconsole.cli.writing import known_service
from brconsole.domain.environment import Environment
from brconsole.domain.findings import told as split_told
from brconsole.domain.intent import Rollout, intent_of
from brconsole.domain.text import clean
from brconsole.operations.gateway import Gateway, WriteAction
from brconsole.operations.outcome import Outcome
from brconsole.operations.rollouts import RolloutView
from brconsole.operations.use_cases import UseCases


@dataclass(frozen=True, slots=True)
class Drive:
    """What is to be driven, and how the end is told."""

    service: str
    revision: str | None = None
    retry: bool = False
    keep_watching: bool = False
    as_json: bool = False


def drive(session: Session, environment: Environment, order: Drive) -> int:
    """Drive it to its end; the exit status."""
    modes = writable(session, environment, WriteAction.DRIVE)
    standing(f"Drive the rollout of {order.service} in {environment.name} to its end?", session.options)
    with session.connection() as connection:

        async def run() -> int:
            async with acting(environment, connection, modes, headless=True, rates_s=RATES_S, recover=True) as cases:
                return await _driven(session, cases, order)

        return asyncio.run(run())


async def _driven(session: Session, cases: UseCases, order: Drive) -> int:
    running = cases.releases.run(
        order.service,
        session.options.reason or "release run",
        revision=order.revision,
        retry=order.retry,
        stop_when_held=not order.keep_watching,
        progress=Narration().tell,
    )
    outcome = await until_asked(running, busy=lambda: bool(cases.gateway.in_flight))
    if outcome is None:
        output.tell(_left(cases.environment, cases.gateway, order.service))
        return exit_codes.INTERRUPTED
    await known_service(cases, outcome)
    await _told(cases, order, outcome)
    return outcome.exit_status


async def _told(cases: UseCases, order: Drive, outcome: Outcome) -> None:
    if order.as_json:
        view = await cases.releases.look(order.service)
        if isinstance(view, RolloutView):
            output.write_json(release_text.document(cases.environment, view))
        else:
            name = WriteAction.DRIVE.value
            output.write_json(plan_text.outcome_document(cases.environment.name, name, outcome, None))
    if outcome.good and not order.as_json:
        output.write(clean(outcome.sentence))
    else:
        output.tell(outcome.sentence)
    for line in (*outcome.blocked_by, *outcome.notes):
        output.tell(line)


def _left(environment: Environment, gateway: Gateway, service: str) -> str:
    """Where an interrupted rollout stands, from the last read, and how to go on."""
    last = gateway.last_good(service)
    state = None if last is None else intent_of(last.service)
    again = f"brconsole release run {environment.name} {service}"
    if last is None or not isinstance(state, Rollout) or not state.active:
        return f"interrupted; no rollout of {service} is under way. Start it with: {again}"
    stands = f"{state.phase.value}, {split_told(last.service.desired_split())}"
    return (
        f"interrupted; {state.id} stays as it is ({stands}), and nobody drives it but an agent. "
        f"Go on: {again} · undo: brconsole release abort {environment.name} {service}"
    )
