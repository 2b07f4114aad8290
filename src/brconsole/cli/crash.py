"""Keeps the traceback of an error that nobody foresaw, so that a person sees a sentence and a developer the rest."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from brconsole import __version__
from brconsole.config import locations

_KEPT = 20
"""Log files that stay; older ones go."""


def log_folder() -> Path:
    """Where the log files are; it need not exist."""
    return locations.state_folder() / "log"


def record(error: BaseException) -> str:
    """Write the traceback to a file of its own and return the sentence that names it."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    try:
        file = _write(error)
    except OSError as failure:
        return f"something went wrong that should not ({said}); its traceback could not be kept either: {failure}."
    return f"something went wrong that should not ({said}). The details are in {file}; please report them."


def _write(error: BaseException) -> Path:
    folder = log_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in sorted(folder.glob("crash-*.log"))[: -_KEPT + 1]:
        old.unlink(missing_ok=True)
    file = folder / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    trace = "".join(traceback.format_exception(error))
    head = f"brconsole {__version__}, Python {sys.version}\n\n"
    file.write_text(head + trace, encoding="utf-8", errors="backslashreplace")
    file.chmod(0o600)
    return file
