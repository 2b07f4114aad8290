"""`brconsole release`: the rollout of one service, step by step or to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.options import Command, WholeNumber, global_options
from brconsole.cli.session import begin
from brconsole.cli.writing import Order, carry_out

if TYPE_CHECKING:
    from brconsole.operations.gateway import Proposal
    from brconsole.operations.outcome import Outcome
    from brconsole.operations.rollouts import Order as ReleaseOrder
    from brconsole.operations.use_cases import UseCases

Attach = Callable[[Callable[..., Any]], Callable[..., Any]]
"""What gives a function an option or an argument."""
_ENV: Attach = click.argument("environment", metavar="ENV")
_SERVICE: Attach = click.argument("service", metavar="SERVICE")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the plan and end; nothing is written.")
_REVISION = click.option(
    "--revision", metavar="NAME", help="The candidate; default: the latest ready one that does not serve."
)
_RETRY = click.option("--retry", is_flag=True, help="Also a candidate that was rolled back before.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")


@click.group()
def release() -> None:
    """A canary rollout of one service: prepared, stepped under gates, and undone by itself where it fails.

    Exit status: 0 done or already so, 1 failed or not verified, 3 refused, 4 the world changed meanwhile,
    5 unreachable, 10 a gate holds, 20 a gate fails or it was rolled back.
    """


def _on_a_service(*options: Attach) -> Callable[[Callable[..., int]], click.Command]:
    """Makes a subcommand of a function: on one service of an environment, with options of its own."""

    def made(function: Callable[..., int]) -> click.Command:
        carrying: Callable[..., Any] = click.pass_context(function)
        for attach in reversed((_ENV, _SERVICE, *options)):
            carrying = attach(carrying)
        return global_options(release.command(cls=Command)(carrying))

    return made


def _order_on(*options: Attach) -> Callable[[Callable[..., int]], click.Command]:
    """The same for what writes."""
    return _on_a_service(*options, _DRY_RUN, _JSON)


def _order(ctx: click.Context, environment: str, order: ReleaseOrder, dry_run: bool, as_json: bool) -> int:
    session = begin(ctx)

    async def propose(cases: UseCases) -> Proposal | Outcome:
        return await cases.releases.propose(order, session.options.reason or "")

    chosen = session.environment(environment)
    return carry_out(session, chosen, Order(order.action, order.service, propose, dry_run, as_json))


@_order_on(
    _REVISION,
    _RETRY,
    click.option("--manual", is_flag=True, help="Only a person steps it: no agent or pipeline goes on by itself."),
)
def start(
    ctx: click.Context,
    environment: str,
    service: str,
    revision: str | None,
    retry: bool,
    manual: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Prepare a rollout: the candidate gets a tag and 0 %, what serves is pinned and tagged as the way back."""
    from brconsole.operations.rollouts import Start

    return _order(ctx, environment, Start(service, revision, retry, manual), dry_run, as_json)


@_order_on(
    click.option("--to", "to_percent", type=WholeNumber(1, 100), metavar="PERCENT", help="The step that is meant."),
    click.option(
        "--without-evidence", is_flag=True, help="Although samples are missing, after all extensions; recorded."
    ),
    click.option("--takeover", is_flag=True, help="Although somebody else drives it."),
)
def promote(
    ctx: click.Context,
    environment: str,
    service: str,
    to_percent: int | None,
    without_evidence: bool,
    takeover: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """The next step, under the same gates as by itself. With --to a step that is reached already is done (status 0)."""
    from brconsole.operations.rollouts import Promote

    return _order(ctx, environment, Promote(service, to_percent, without_evidence, takeover), dry_run, as_json)


@_order_on()
def hold(ctx: click.Context, environment: str, service: str, dry_run: bool, as_json: bool) -> int:
    """Stop where it is until somebody goes on; the watch goes on."""
    from brconsole.operations.rollouts import Hold

    return _order(ctx, environment, Hold(service), dry_run, as_json)


@_order_on(
    click.option("--anew", is_flag=True, help="Start the step again, with dwell and evidence of its own."),
)
def resume(ctx: click.Context, environment: str, service: str, anew: bool, dry_run: bool, as_json: bool) -> int:
    """Go on where it was held."""
    from brconsole.operations.rollouts import Resume

    return _order(ctx, environment, Resume(service, anew), dry_run, as_json)


@_order_on()
def abort(ctx: click.Context, environment: str, service: str, dry_run: bool, as_json: bool) -> int:
    """Return to stable; the candidate counts as failed. Without a rollout under way, use rollback."""
    from brconsole.operations.rollouts import Abort

    return _order(ctx, environment, Abort(service), dry_run, as_json)


@_order_on()
def adopt(ctx: click.Context, environment: str, service: str, dry_run: bool, as_json: bool) -> int:
    """Take the present split for what is wanted and hold there: after a change by hand, or where the record is lost."""
    from brconsole.operations.rollouts import Adopt

    return _order(ctx, environment, Adopt(service), dry_run, as_json)


@_order_on()
def restore(ctx: click.Context, environment: str, service: str, dry_run: bool, as_json: bool) -> int:
    """Put back the split that the rollout wants, after somebody else's change; the step starts anew."""
    from brconsole.operations.rollouts import Restore

    return _order(ctx, environment, Restore(service), dry_run, as_json)


@_order_on()
def dismiss(ctx: click.Context, environment: str, service: str, dry_run: bool, as_json: bool) -> int:
    """Mark the newest revision as not wanted, where a service is pinned or was rolled back."""
    from brconsole.operations.rollouts import Dismiss

    return _order(ctx, environment, Dismiss(service), dry_run, as_json)


@_on_a_service(
    click.option("--json", "as_json", is_flag=True, help="One JSON object on one line (schema brconsole.rollout/1)."),
)
def status(ctx: click.Context, environment: str, service: str, as_json: bool) -> int:
    """Where the rollout stands: the split, the gates with their evidence, what comes next and what is in the way."""
    from brconsole.cli import looking, release_text

    session = begin(ctx)
    chosen = session.environment(environment)
    view = looking.at(session, chosen, service)
    if as_json:
        output.write_json(release_text.document(chosen, view))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(release_text.render(chosen, view, shown))
    return exit_codes.DONE


@_on_a_service(
    _REVISION,
    _RETRY,
    click.option(
        "--keep-watching",
        is_flag=True,
        help="Where a person is needed, go on watching up to the deadline instead of ending with status 10.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The rollout as it ended (schema brconsole.rollout/1)."),
)
def run(
    ctx: click.Context,
    environment: str,
    service: str,
    revision: str | None,
    retry: bool,
    keep_watching: bool,
    as_json: bool,
) -> int:
    """Start a rollout, or go on with the one under way, and drive it to its end; for pipelines.

    Exit status: 0 released, 3 refused, 4 somebody else replaced it, 5 unreachable, 10 a person is needed, 20 rolled
    back, 130 interrupted: it stays as it is, and the same command goes on with it.
    """
    from brconsole.cli.release_run import Drive, drive

    session = begin(ctx)
    chosen = session.environment(environment)
    return drive(session, chosen, Drive(service, revision, retry, keep_watching, as_json))
