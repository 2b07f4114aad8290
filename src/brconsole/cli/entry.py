"""Runs a command line and turns every way it can end into an exit status and, at most, a few sentences."""

from __future__ import annotations

from collections.abc import Sequence

import click

from brconsole.cli import exit_codes, output
from brconsole.cli.failures import CommandError


def run(arguments: Sequence[str]) -> int:
    """Run `brconsole ARGUMENTS…` and return its exit status. No exception leaves it."""
    output.prepare()
    try:
        status = _command(arguments)
        output.flush()
    except (KeyboardInterrupt, click.Abort):
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        return exit_codes.FAILED
    except CommandError as failure:
        output.tell(failure.message)
        return failure.exit_code
    except click.UsageError as error:
        output.tell(_usage(error))
        return exit_codes.USAGE
    except click.ClickException as error:
        output.tell(error.format_message())
        return exit_codes.USAGE
    except Exception as error:  # noqa: BLE001  # the last line of defence: a person never sees a traceback
        return _explain(error)
    return status


def _command(arguments: Sequence[str]) -> int:
    from brconsole.cli.root import root

    try:
        status = root.main(list(arguments), prog_name="brconsole", standalone_mode=False)
    except SystemExit as end:  # click ends so where the reader of a help text has gone
        status = end.code
    return status if isinstance(status, int) else exit_codes.DONE


def _usage(error: click.UsageError) -> str:
    message = error.format_message()
    path = error.ctx.command_path.strip() if error.ctx is not None else "brconsole"
    return f"{message[:1].lower()}{message[1:]} Try “{path} --help”."


def _explain(error: Exception) -> int:
    """The sentence for an error of a lower layer; one that nobody foresaw goes to a log file."""
    from brconsole.config.errors import ConfigError
    from brconsole.operations.failure import FailureKind, SourceFailure

    if isinstance(error, ConfigError):
        output.tell(str(error))
        return exit_codes.USAGE
    if isinstance(error, SourceFailure):
        output.tell(str(error))
        return exit_codes.USAGE if error.kind is FailureKind.NOT_CONFIGURED else exit_codes.UNREACHABLE
    if isinstance(error, OSError) and error.filename is None and error.errno is not None:
        output.discard()
        output.tell(f"the operating system refused: {error.strerror}.")
        return exit_codes.FAILED
    from brconsole.cli.crash import record

    output.tell(record(error))
    return exit_codes.FAILED
