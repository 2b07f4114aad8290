"""`brconsole gate`: the gates of a service now."""

from __future__ import annotations

import os

import click

from brconsole.cli import exit_codes, looking, output, release_text, terminal
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import begin
from brconsole.domain.judge import Verdict

_STATUS = {Verdict.PASS: exit_codes.DONE, Verdict.HOLD: exit_codes.HOLD, Verdict.FAIL: exit_codes.ROLL_BACK}


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="ENV")
@click.argument("service", metavar="SERVICE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line (schema brconsole.gate/1).")
@click.pass_context
def gate(ctx: click.Context, environment: str, service: str, as_json: bool) -> int:
    """Evaluate the gates of the present step, or those that a start would meet. It reads only.

    Exit status: 0 all pass, 10 one holds, 20 one fails, 5 unreachable.
    """
    session = begin(ctx)
    chosen = session.environment(environment)
    view = looking.at(session, chosen, service)
    if as_json:
        output.write_json(release_text.gate_document(chosen, view))
    else:
        shown = terminal.standard_output(os.environ, session.options.no_color)
        output.write(release_text.render_gates(view.gates.gates, view.now, shown))
    return _STATUS[view.gates.verdict]
