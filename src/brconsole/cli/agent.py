"""`brconsole agent`: the headless driver and watcher, for a container or a scheduler."""

from __future__ import annotations

import asyncio

import click

from brconsole.cli import exit_codes, output, release_text
from brconsole.cli.acting import acting
from brconsole.cli.confirming import standing
from brconsole.cli.failures import CommandError
from brconsole.cli.json_values import Document, moment
from brconsole.cli.modes import open_modes
from brconsole.cli.options import Command, global_options
from brconsole.cli.rollout_document import phase_of
from brconsole.cli.session import Session, begin
from brconsole.cli.signals import until_asked
from brconsole.domain.environment import Environment
from brconsole.domain.text import clean
from brconsole.operations.agent import Passed
from brconsole.operations.gateway import WriteAction
from brconsole.operations.modes import Modes
from brconsole.operations.use_cases import UseCases

AGENT_SCHEMA = "brconsole.agent/1"


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV")
@click.option("--once", is_flag=True, help="One pass over all services, then end; for a scheduler.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a pass (schema brconsole.agent/1).")
@click.pass_context
def agent(ctx: click.Context, environment: str, once: bool, as_json: bool) -> int:
    """Drive and watch every rollout of an environment: promote under the gates, roll back what fails, also while a
    person is asked. Where the environment is read-only by default it only watches; --write lets it drive.

    Ends with 0 on SIGTERM. With --once the status is that of the pass: 0 well, 3 it may not write, 5 unreachable.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    modes = _modes(session, chosen)
    with session.connection() as connection:

        async def run() -> int:
            async with acting(chosen, connection, modes, headless=True, recover=True) as cases:
                return await (_once(cases, as_json) if once else _followed(cases, as_json))

        return asyncio.run(run())


def _modes(session: Session, environment: Environment) -> Modes:
    modes = open_modes(session.loaded, environment)
    forbidden = modes.refusal(emergency=True)
    if forbidden is not None:  # its signs of life are writes too
        raise CommandError(f"{forbidden}.", exit_codes.REFUSED)
    if modes.refusal() is None:
        standing(f"Drive every rollout of {environment.name}?", session.options)
    else:
        output.tell(f"{modes.refusal()}; until then the agent only watches.")
    return modes


async def _once(cases: UseCases, as_json: bool) -> int:
    passed = await cases.agent.once()
    _Reporter(cases.environment, as_json).report(passed)
    return passed.exit_status


async def _followed(cases: UseCases, as_json: bool) -> int:
    reporter = _Reporter(cases.environment, as_json)
    output.tell(f"the agent of {cases.environment.name} watches; SIGTERM ends it.")
    await until_asked(cases.agent.run(reporter.report), busy=lambda: bool(cases.gateway.in_flight))
    output.tell(f"the agent of {cases.environment.name} has ended; what it drove stays as it is.")
    return exit_codes.DONE


class _Reporter:
    """Tells each pass as JSON, or only what is new, in sentences."""

    def __init__(self, environment: Environment, as_json: bool) -> None:
        self._environment = environment
        self._as_json = as_json
        self._said: frozenset[str] = frozenset()

    def report(self, passed: Passed) -> None:
        """Tell one pass."""
        if self._as_json:
            output.write_json(_document(self._environment, passed))
            return
        said = dict.fromkeys(_sentences(passed))
        for sentence in said:
            if sentence not in self._said:
                at = moment(passed.at) or "--:--:--"
                output.write(f"{at}  {clean(sentence, 600)}")
        self._said = frozenset(said)


def _sentences(passed: Passed) -> list[str]:
    listed = [failure.sentence for failure in passed.failures]
    for looked in passed.ticked:
        name = looked.view.service.name
        state = phase_of(looked.view.state)
        listed.append(f"{name}: {state}")
        if looked.outcome is not None:
            listed.append(looked.outcome.sentence)
    listed += [f"{service}: {finding.kind.value}: {finding.text}" for service, finding in passed.watched]
    return [*listed, *passed.problems]


def _document(environment: Environment, passed: Passed) -> Document:
    return {
        "schema": AGENT_SCHEMA,
        "environment": environment.name,
        "as_of": moment(passed.at),
        "page": passed.page,
        "rollouts": [release_text.document(environment, looked.view) for looked in passed.ticked],
        "written": [
            {
                "service": looked.outcome.service,
                "action": WriteAction.DRIVE.value,
                "result": looked.outcome.kind.value,
                "sentence": looked.outcome.sentence,
            }
            for looked in passed.ticked
            if looked.outcome is not None
        ],
        "failures": [{"service": outcome.service or None, "sentence": outcome.sentence} for outcome in passed.failures],
        "watched": [
            {"service": service, "kind": finding.kind.value, "text": finding.text}
            for service, finding in passed.watched
        ],
        "problems": list(passed.problems),
    }
