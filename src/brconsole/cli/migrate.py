"""`brconsole migrate`: the database's migrations, checked, planned, approved, run and proven."""

from __future__ import annotations

import os

import click

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.failures import MisuseError
from brconsole.cli.migrate_check import check
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin

_ENV = click.argument("environment", metavar="ENV")
_SERVICE = click.option(
    "--service", metavar="NAME", help="Whose candidate; default: the service whose image the migration job runs."
)
_REVISION = click.option("--revision", metavar="NAME", help="The candidate; default: the canary, or the latest ready.")
_LOOK = click.option(
    "--look/--no-look",
    default=None,
    help="Ask the database now, by an execution of the job that only reports, or show what is known. "
    "Default: ask where the environment is writable.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")


@click.group()
def migrate() -> None:
    """The database's migrations: checked, planned in front of it, approved by their hash, run once, and proven.

    The production database is reached by the Cloud Run job of [migrations] job alone. Exit status: 0 done or nothing to
    do, 1 failed or not known, 3 refused, 4 the world changed or another run is under way, 5 unreachable.
    """


migrate.add_command(check)


@global_options
@migrate.command(cls=Command)
@_ENV
@_SERVICE
@_REVISION
@_LOOK
@click.option("--sql", "with_sql", is_flag=True, help="The statements of each revision too.")
@_JSON
@click.pass_context
def plan(
    ctx: click.Context,
    environment: str,
    service: str | None,
    revision: str | None,
    look: bool | None,
    with_sql: bool,
    as_json: bool,
) -> int:
    """What a run would do: each pending revision with its class, locks and SQL, and the hash that a reviewer approves.

    Exit status: 0 it may be approved, or nothing is pending; 1 no plan is known; 3 the check refuses a revision.
    """
    from brconsole.cli import migrate_acts, migrate_text

    session = begin(ctx)
    chosen = session.environment(environment)
    found = migrate_acts.planned(session, chosen, service, revision, look)
    if as_json:
        output.write_json(migrate_text.plan_document(chosen, found))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(migrate_text.render_plan(chosen, found, shown, with_sql=with_sql))
    if found.plan is None:
        return exit_codes.FAILED
    if found.checked.refused:
        return exit_codes.REFUSED
    return exit_codes.FAILED if found.checked.problem and found.plan.revisions else exit_codes.DONE


@global_options
@migrate.command(cls=Command)
@_ENV
@click.argument("plan_hash", metavar="HASH")
@_SERVICE
@_REVISION
@_JSON
@click.pass_context
def approve(
    ctx: click.Context, environment: str, plan_hash: str, service: str | None, revision: str | None, as_json: bool
) -> int:
    """Approve the current plan by its hash, or by its first 12 characters or more. It stands on the job, for everybody.

    Exit status: 0 approved, 3 refused, 4 HASH is not the current plan.
    """
    from brconsole.cli import migrate_acts
    from brconsole.operations.gateway import WriteAction

    session = begin(ctx)
    chosen = session.environment(environment)
    reason = session.options.reason or ""
    order = migrate_acts.Act(
        WriteAction.APPROVE,
        lambda migrations: migrations.propose_approval(plan_hash, reason, service, revision),
        as_json,
    )
    return migrate_acts.carry_out(session, chosen, order)


@global_options
@migrate.command(cls=Command)
@_ENV
@_SERVICE
@_REVISION
@click.option("--retry", is_flag=True, help="Start a run that failed once more.")
@click.option("--wait/--no-wait", default=True, help="Watch it to its end (default), or end when it is started.")
@click.option(
    "--confirm", "typed", metavar="ENV", help="The environment's name, where it must be typed and nobody can be asked."
)
@click.option("--dry-run", is_flag=True, help="Show what would be started and end.")
@_JSON
@click.pass_context
def run(
    ctx: click.Context,
    environment: str,
    service: str | None,
    revision: str | None,
    retry: bool,
    wait: bool,
    typed: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Run the approved plan with the candidate's own image, once for its release, and watch it to its end.

    Called again, also from elsewhere, it finds the run that there is and watches that one. What cannot be undone, or
    takes something away, wants the environment's name. Exit status: 0 done or nothing pending, 1 failed or not known,
    3 not approved or refused by the check, 4 the plan changed since or another run is under way, 130 interrupted: the
    run goes on.
    """
    from brconsole.cli import migrate_acts
    from brconsole.operations.gateway import WriteAction

    session = begin(ctx)
    chosen = session.environment(environment)
    reason = session.options.reason or ""
    order = migrate_acts.Act(
        WriteAction.MIGRATE,
        lambda migrations: migrations.propose_run(reason, service, revision=revision, retry=retry),
        as_json,
        dry_run=dry_run,
        wait=wait,
        typed=typed,
    )
    return migrate_acts.carry_out(session, chosen, order)


@global_options
@migrate.command(cls=Command)
@_ENV
@_LOOK
@click.option("--revision", metavar="NAME", help="Ask by the code of this revision; default: what the job has now.")
@_JSON
@click.option("--plain", is_flag=True, help="Sentences, one a line: no glyphs, no columns, no colour.")
@click.pass_context
def status(
    ctx: click.Context, environment: str, look: bool | None, revision: str | None, as_json: bool, plain: bool
) -> int:
    """Where the database stands, what is pending, who claimed and approved what, and the executions of the job.

    Exit status: 0 known, 1 not known, or the newest look failed, 5 unreachable.
    """
    from brconsole.cli import migrate_acts, migrate_text

    if as_json and plain:
        raise MisuseError("--json and --plain are two forms of the same; use one of the two.")
    session = begin(ctx)
    chosen = session.environment(environment)
    view, problem = migrate_acts.seen(session, chosen, look, revision)
    if as_json:
        output.write_json(migrate_text.status_document(chosen, view))
    elif plain:
        output.write("\n".join(migrate_text.status_lines(chosen, view)))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(migrate_text.render_status(chosen, view, shown))
    for told in (problem, view.error):
        if told:
            output.tell(told)
    return exit_codes.FAILED if problem or view.error or view.schema is None else exit_codes.DONE


@global_options
@migrate.command(cls=Command)
@_ENV
@click.option("--wait/--no-wait", default=True, help="Watch it to its end (default), or end when it was asked for.")
@_JSON
@click.pass_context
def cancel(ctx: click.Context, environment: str, wait: bool, as_json: bool) -> int:
    """Ask for the end of the run under way. What it has done already stays done."""
    from brconsole.cli import migrate_acts
    from brconsole.operations.gateway import WriteAction

    session = begin(ctx)
    chosen = session.environment(environment)
    reason = session.options.reason or ""
    order = migrate_acts.Act(
        WriteAction.CANCEL, lambda migrations: migrations.propose_cancel(reason), as_json, wait=wait
    )
    return migrate_acts.carry_out(session, chosen, order)
