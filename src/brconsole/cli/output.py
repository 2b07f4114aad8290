"""Standard output is data, standard error is narration; both are written here only."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping

from brconsole.cli.failures import OutputError
from brconsole.domain.text import LONGEST, clean


def prepare() -> None:
    """Make the streams take every character: one that cannot be shown becomes a question mark, never an exception."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def write(text: str) -> None:
    """Write lines of data at once, so that a pipe sees them and a full disk is noticed.

    A reader that has gone away raises BrokenPipeError, which ends the command in silence; all else raises OutputError.
    """
    if sys.stdout is None:
        raise OutputError("it is closed")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        discard()
        raise
    except OSError as error:
        discard()
        raise OutputError(error.strerror or "unknown reason") from error


def write_json(document: Mapping[str, object]) -> None:
    """Write one object on one line, all beyond ASCII escaped, so that foreign text cannot steer a terminal; a megabyte
    of it is cut, or it would stand there once for every place that names it.
    """
    write(json.dumps(_cut(document), separators=(",", ":"), allow_nan=False))


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    if isinstance(value, Mapping):
        return {_cut(key): _cut(each) for key, each in value.items()}
    return [_cut(each) for each in value] if isinstance(value, list | tuple) else value


def tell(message: str) -> None:
    """Say something to the person, on standard error; silent where that is closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"brconsole: {_shown(clean(message))}\n")
        sys.stderr.flush()
    except OSError:
        return


def show(lines: Iterable[str]) -> None:
    """Show a person several lines on standard error, each cleaned but in its columns; silent where that is closed."""
    if sys.stderr is None:
        return
    try:
        for line in lines:
            words = re.sub(r"[^ ]+", lambda word: clean(word[0]), line)
            sys.stderr.write(f"{_shown(words)}\n")
        sys.stderr.flush()
    except OSError:
        return


def ask(question: str) -> str | None:
    """Put a question on standard error and read the answer; None where standard input has ended."""
    if sys.stdin is None or sys.stderr is None:
        return None
    sys.stderr.write(f"{_shown(clean(question))} ")
    sys.stderr.flush()
    # Within a running loop the first Ctrl+C only cancels a task, which a read in the foreground would not notice.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)
    return answer.strip() if answer else None


def _shown(message: str) -> str:
    if message.isascii():
        return message
    from brconsole.tui.glyphs import ascii_only, to_ascii

    return to_ascii(message) if ascii_only(os.environ, sys.stderr.encoding) else message


def discard() -> None:
    """Send what is still buffered for standard output nowhere, so that the interpreter's last flush cannot fail."""
    try:
        target = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)


def flush() -> None:
    """Write what is buffered, where a library wrote for us."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        discard()
        if error.errno != errno.EPIPE:
            raise OutputError(error.strerror or "unknown reason") from error
