"""The command group. Each subcommand stands in a file of its own, imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

from brconsole import __version__
from brconsole.cli.options import global_options, write_options


@dataclass(frozen=True, slots=True)
class Entry:
    """A subcommand that is not imported yet: `module:attribute` in this package, and its line in the help."""

    module: str
    attribute: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "status": Entry("status", "status", "One snapshot of an environment: a table, --plain or --json."),
    "watch": Entry("watch", "watch", "One line a refresh."),
    "gate": Entry("gate", "gate", "The gates of a service now."),
    "traffic": Entry("traffic", "traffic", "Any split of a service's traffic, and back to the split before."),
    "release": Entry("release", "release", "Start, step, hold, abort or drive a canary rollout."),
    "rollback": Entry("rollback", "rollback", "Send all traffic back to what served before."),
    "migrate": Entry("migrate", "migrate", "The database's migrations: check, plan, approve, run, status."),
    "agent": Entry("agent", "agent", "The headless driver and watcher."),
    "infra": Entry("infra", "infra", "Terraform, looked at: drift and who wins, the plan, the outputs."),
    "journal": Entry("journal", "journal", "What was done and what became of it; --verify checks it."),
    "simulate": Entry("simulate", "simulate", "The embedded Google Cloud in the foreground."),
    "doctor": Entry("doctor", "doctor", "Credentials, permissions, APIs, quota, clock; the write path."),
    "info": Entry("info", "info", "Versions, folders, credentials and terminal."),
    "config": Entry("config_commands", "config", "What is configured and where each value comes from."),
    "themes": Entry("themes", "themes", "The themes that can be chosen."),
    "keys": Entry("keys", "keys", "Every key with what it does."),
}
_CONSOLE = Entry("console", "console", "Open the console.")


def _load(entry: Entry) -> click.Command:
    command: click.Command = getattr(import_module(f"brconsole.cli.{entry.module}"), entry.attribute)
    return command


class Root(click.Group):
    """`brconsole COMMAND …`, or `brconsole [ENV]` which opens the console."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else _load(entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A first word that is no subcommand is the name of an environment."""
        if args[0] in COMMANDS:
            return super().resolve_command(ctx, args)
        return "", _load(_CONSOLE), args

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [ENV]")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] …", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands first: they are what a person looks for."""
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@global_options
@click.group(
    cls=Root,
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", message="brconsole %(version)s")
@click.pass_context
def root(ctx: click.Context) -> object:
    """One console for a Cloud Run fleet: what runs, how it is doing, what it costs, and one safe key to undo it.

    `brconsole prod` opens the console on an environment, `brconsole` on all of them.
    """
    return ctx.invoke(_load(_CONSOLE)) if ctx.invoked_subcommand is None else None
