"""`brconsole infra`: an environment's Terraform, to look at. There is no apply here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.failures import CommandError, MisuseError
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Session, begin
from brconsole.operations.failure import FailureKind, SourceFailure

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import TypeVar

    from brconsole.cli.json_values import Document
    from brconsole.cli.session import Connection
    from brconsole.domain.environment import Environment
    from brconsole.domain.infra import ActiveRollout
    from brconsole.domain.terraform_plan import TerraformPlan
    from brconsole.operations.infra import InfraView, OutputsView, ReadRollouts
    from brconsole.operations.infra_ports import TerraformFolder

    T = TypeVar("T")

ROLLOUTS_S = 5.0
"""Real seconds in which it is found out whether a rollout is active; the plan tells it too."""
LARGEST_FILE = 128 * 2**20
_STATUS = {
    FailureKind.NOT_CONFIGURED: exit_codes.USAGE,
    FailureKind.INVALID: exit_codes.FAILED,
    FailureKind.UNREADABLE: exit_codes.FAILED,
    FailureKind.CONFLICT: exit_codes.FAILED,
}
_ENV = click.argument("environment", metavar="ENV")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line (schemas brconsole.infra-…/1).")
_PLAIN = click.option("--plain", is_flag=True, help="Sentences, one a line: no glyphs, no columns, no colour.")
_INIT = click.option("--init", "initialise", is_flag=True, help="Run terraform init first; it changes no lock file.")
_PLAN = click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    help="Judge what terraform show -json printed, instead of running Terraform; - is standard input.",
)


@click.group()
def infra() -> None:
    """Terraform of an environment, looked at: what differs, who would win, what an apply would do. Never an apply.

    The folders are named in the configuration ([infra] folder). A plan is made without the state's lock and thrown
    away. TF_CLI_ARGS is not handed on; TF_VAR_*, TF_CLI_CONFIG_FILE, TF_DATA_DIR and Google's credentials are.
    """


@global_options
@infra.command(cls=Command)
@_ENV
@_PLAN
@_INIT
@_JSON
@_PLAIN
@click.pass_context
def drift(
    ctx: click.Context, environment: str, plan_file: str | None, initialise: bool, as_json: bool, plain: bool
) -> int:
    """What was changed outside Terraform, which of it is expected, and who would win each field. Nothing is applied.

    Exit status: 0 in step or expected drift only, 1 unexpected drift, or the plan could not be made; 2 Terraform, the
    folder or a provider is missing; 5 Google could not be reached or refused.
    """
    from brconsole.cli import infra_document, infra_text
    from brconsole.domain.infra import Verdict

    _one_form(as_json, plain)
    session, _, view, source = _look(ctx, environment, plan_file, initialise)
    report = view.report
    if as_json:
        _write_all(infra_document.drift(report, source))
    elif plain:
        output.write("\n".join(infra_text.drift_sentences(report, source)))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(infra_text.drift(report, source, shown))
    return exit_codes.FAILED if report.verdict is Verdict.UNEXPECTED else exit_codes.DONE


@global_options
@infra.command(cls=Command)
@_ENV
@_PLAN
@_INIT
@_JSON
@_PLAIN
@click.pass_context
def plan(
    ctx: click.Context, environment: str, plan_file: str | None, initialise: bool, as_json: bool, plain: bool
) -> int:
    """What an apply would do now, resource by resource. Nothing is kept that could be applied.

    Exit status: 0 read, whatever it says; 1, 2 and 5 as for drift.
    """
    from brconsole.cli import infra_document, infra_text

    _one_form(as_json, plain)
    session, chosen, view, source = _look(ctx, environment, plan_file, initialise)
    if as_json:
        _write_all(infra_document.plan(chosen.name, view.plan, source))
    elif plain:
        output.write("\n".join(infra_text.plan_sentences(chosen.name, view.plan, source)))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(infra_text.plan(chosen.name, view.plan, source, shown))
    for text in (*view.report.notes, view.report.no_apply):
        if text and not as_json:
            output.tell(f"{text}.")
    return exit_codes.DONE


@global_options
@infra.command(cls=Command)
@_ENV
@click.option("--toml", "as_toml", is_flag=True, help="The environment's table of the configuration, to paste.")
@_INIT
@_JSON
@_PLAIN
@click.pass_context
def outputs(ctx: click.Context, environment: str, as_toml: bool, initialise: bool, as_json: bool, plain: bool) -> int:
    """The outputs as last applied, and where the configuration says otherwise. Sensitive ones are never printed.

    Exit status: 0 read; 1, 2 and 5 as for drift.
    """
    from brconsole.cli import infra_document, infra_text
    from brconsole.domain.infra_outputs import environment_table
    from brconsole.operations.infra import Infra

    _one_form(as_json, plain, as_toml)
    session = begin(ctx)
    chosen = session.environment(environment)
    folder = _folder(session, chosen)

    async def read() -> OutputsView:
        if initialise:
            await folder.initialise()
        return await Infra(chosen, folder).outputs()

    view = _answered(read())
    if not view.outputs:
        output.tell(
            f"{folder.folder} has no outputs: nothing was applied yet, or it is another state than the one meant."
        )
    if as_json:
        _write_all(infra_document.outputs(chosen.name, view, folder.folder))
    elif as_toml:
        table = environment_table(chosen, view.outputs)
        if table is None:
            raise CommandError("no output names the project (project_id), so there is no table to print.")
        output.write(table)
    elif view.outputs and plain:
        output.write("\n".join(infra_text.outputs_sentences(view)))
    elif view.outputs:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(infra_text.outputs(view, shown))
    if as_json or as_toml:
        for text in view.differences:
            output.tell(f"{text}.")
    return exit_codes.DONE


def _one_form(*forms: bool) -> None:
    if sum(forms) > 1:
        raise MisuseError("--json, --plain and --toml are forms of the same; use one of them.")


def _write_all(documents: Iterable[Document]) -> None:
    for document in documents:
        output.write_json(document)


def _look(
    ctx: click.Context, environment: str, plan_file: str | None, initialise: bool
) -> tuple[Session, Environment, InfraView, str]:
    """The plan and what it means, from a file or from Terraform; and where it came from."""
    from brconsole.operations.infra import Infra, judged

    session = begin(ctx)
    chosen = session.environment(environment)
    if plan_file is not None:
        if initialise:
            raise MisuseError("--plan runs no Terraform, so there is nothing to --init; use one of the two.")
        return session, chosen, judged(chosen, _read_plan(plan_file), None), _source(plan_file)
    folder = _folder(session, chosen)
    with session.connection() as connection:

        async def look() -> InfraView:
            if initialise:
                await folder.initialise()
            return await Infra(chosen, folder, _reading(chosen, connection)).look()

        view = _answered(look())
    return session, chosen, view, folder.folder


def _folder(session: Session, environment: Environment) -> TerraformFolder:
    from brconsole.wiring import open_terraform

    return open_terraform(environment, session.loaded.config.infra)


def _answered(work: Coroutine[object, object, T]) -> T:
    """What Terraform answers; a failure ends the command with its own exit status."""
    try:
        return asyncio.run(work)
    except SourceFailure as failure:
        raise CommandError(f"{failure}.", _STATUS.get(failure.kind, exit_codes.UNREACHABLE)) from None


def _source(plan_file: str) -> str:
    return "a plan on standard input" if plan_file == "-" else plan_file


def _read_plan(plan_file: str) -> TerraformPlan:
    from brconsole.domain.terraform_plan import UnreadablePlanError, loads

    try:
        if plan_file == "-":
            text = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(plan_file).open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise MisuseError(f"--plan {plan_file} cannot be read: {reason}.") from None
    if len(text) > LARGEST_FILE:
        raise MisuseError(f"--plan {plan_file} has more than {LARGEST_FILE // 2**20} MB, which is no plan.")
    try:
        return loads(text)
    except UnreadablePlanError as error:
        raise MisuseError(f"{_source(plan_file)} is no plan that can be judged: {error}.") from None


def _reading(environment: Environment, connection: Connection) -> ReadRollouts:
    """The way to the rollouts that are active; what cannot be read in time is not known."""
    from brconsole.operations.infra import active_rollouts
    from brconsole.operations.timing import RealTiming, within

    async def services() -> tuple[ActiveRollout, ...]:
        from brconsole.cli.snapshot import ready
        from brconsole.wiring import open_cloud

        options = await ready(connection)
        async with open_cloud(environment, options) as (cloud, _):
            return active_rollouts(await cloud.run.services())

    async def read() -> tuple[ActiveRollout, ...] | None:
        try:
            return await within(services(), ROLLOUTS_S, RealTiming())
        except Exception:  # noqa: BLE001 - without a cloud the drift is told all the same
            return None

    return read
