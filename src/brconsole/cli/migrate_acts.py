"""An order about the migrations, from the command line to its outcome: propose, show, ask, send, watch, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from brconsole.cli import exit_codes, migrate_text, output
from brconsole.cli.acting import acting, writable
from brconsole.cli.confirming import confirm
from brconsole.cli.failures import CommandError
from brconsole.cli.modes import open_modes
from brconsole.cli.narration import Narration
from brconsole.cli.session import Session
from brconsole.cli.signals import until_asked
from brconsole.domain.environment import Environment
from brconsole.domain.migration import RunningCode
from brconsole.domain.migration_run import Approval
from brconsole.domain.migration_view import MigrationView
from brconsole.domain.text import clean
from brconsole.operations.gateway import WriteAction
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.migrations import Migrations, PlanView
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import Outcome
from brconsole.operations.use_cases import UseCases

FRESH = timedelta(seconds=60)
"""A report of the database that is not older is not asked for again, in service time."""
Propose = Callable[[Migrations], Awaitable[JobProposal | Outcome]]


@dataclass(frozen=True, slots=True)
class Act:
    """What a command asks for."""

    action: WriteAction
    propose: Propose
    as_json: bool = False
    dry_run: bool = False
    wait: bool = True
    typed: str | None = None


def carry_out(session: Session, environment: Environment, act: Act) -> int:
    """Do it, and the exit status. Refused before anything is read where the mode forbids it."""
    modes = writable(session, environment, act.action)
    with session.connection() as connection:

        async def run() -> int:
            async with acting(environment, connection, modes, recover=not act.dry_run) as cases:
                return await _carried_out(session, cases, act)

        return asyncio.run(run())


async def _carried_out(session: Session, cases: UseCases, act: Act) -> int:
    environment, migrations = cases.environment, _configured(cases)
    made = await act.propose(migrations)
    if isinstance(made, Outcome):
        return _told(environment, act, made, None)
    shown = list(migrate_text.proposal_lines(made))
    if act.dry_run:
        output.write("\n".join(clean(line) for line in shown))
        return exit_codes.DONE
    confirmed = confirm(made.plan.confirmation, environment.name, session.options, shown, act.typed)
    sending = migrations.send(made, confirmed, Narration().tell, wait=act.wait)
    outcome = await until_asked(sending, busy=lambda: bool(migrations.jobs.in_flight))
    if outcome is None:
        again = f"brconsole migrate {'run' if act.action is WriteAction.MIGRATE else 'status'} {environment.name}"
        output.tell(f"interrupted; what was started goes on without a watcher. Go on watching: {again}")
        return exit_codes.INTERRUPTED
    return _told(environment, act, outcome, made)


def _told(environment: Environment, act: Act, outcome: Outcome, made: JobProposal | None) -> int:
    if act.as_json:
        output.write_json(migrate_text.outcome_document(environment, act.action, outcome, made))
    elif outcome.good:
        output.write(clean(outcome.sentence))
    if not outcome.good:
        output.tell(outcome.sentence)
    for line in (*outcome.blocked_by, *outcome.notes):
        output.tell(line)
    return outcome.exit_status


def planned(
    session: Session, environment: Environment, service: str | None, revision: str | None, look: bool | None
) -> PlanView:
    """The plan of the candidate; ends the command where it cannot be had."""
    modes = writable(session, environment, WriteAction.LOOK) if look else open_modes(session.loaded, environment)
    with session.connection() as connection:

        async def run() -> PlanView:
            async with acting(environment, connection, modes) as cases:
                migrations = _configured(cases)
                asking = look if look is not None else modes.refusal() is None
                tell = Narration().tell
                found = await migrations.plan(service, tell, look=asking, revision=revision)
                if isinstance(found, Outcome):
                    raise CommandError(found.sentence, found.exit_status)
                if not asking:
                    output.tell(f"{environment.name} was not asked now: {migrate_text.age(found.view)}.")
                return found

        return asyncio.run(run())


def seen(
    session: Session, environment: Environment, look: bool | None, revision: str | None
) -> tuple[MigrationView, str]:
    """What is known of the migrations, and why a look failed (empty where it did not, or where none was made)."""
    modes = writable(session, environment, WriteAction.LOOK) if look else open_modes(session.loaded, environment)
    with session.connection() as connection:

        async def run() -> tuple[MigrationView, str]:
            async with acting(environment, connection, modes) as cases:
                migrations = _configured(cases)
                view, problem = await _view(migrations), ""
                wanted = look is None and modes.refusal() is None and (revision is not None or _old(view))
                if look or wanted:
                    looked = await migrations.look("status", None, Narration().tell, revision=revision)
                    problem = "" if looked.good else looked.sentence
                    view = await _view(migrations)
                return view, problem

        return asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Facts:
    """What the check of a project wants to know of an environment."""

    applied: str | None
    rows: Mapping[str, int]
    running: RunningCode | None
    approved: Mapping[str, str] | None


def facts(session: Session, environment: Environment) -> Facts:
    """What is known of an environment, by what executions have told; ends the command where none has. Only reads."""
    modes = Modes(environment, read_only=True)
    with session.connection() as connection:

        async def run() -> Facts:
            async with acting(environment, connection, modes) as cases:
                migrations = _configured(cases)
                view = await _view(migrations)
                schema, approval = view.schema, view.approval
                if schema is None or schema.doubt:
                    raise CommandError(migrate_text.age(view) if schema is None else schema.doubt, exit_codes.FAILED)
                rows = {size.table: size.rows for size in schema.tables or () if size.rows is not None}
                approved = approval.revisions if isinstance(approval, Approval) else None
                return Facts(schema.applied, rows, await migrations.running(view), approved)

        return asyncio.run(run())


async def _view(migrations: Migrations) -> MigrationView:
    view = await migrations.view()
    if isinstance(view, Outcome):
        raise CommandError(view.sentence, view.exit_status)
    return view


def _old(view: MigrationView) -> bool:
    """Whether it is worth asking the database: nothing recent is known, and no run is at work that will tell."""
    if view.job is None or view.under_way is not None:
        return False
    schema = view.schema
    return schema is None or bool(schema.doubt) or view.as_of - schema.as_of > FRESH


def _configured(cases: UseCases) -> Migrations:
    if cases.migrations is None:
        raise CommandError(
            "no migrations are configured: set [migrations] alembic to the project's alembic.ini.", exit_codes.USAGE
        )
    return cases.migrations
