"""What the job says: one JSON object a line on standard output, as Cloud Logging reads them.

https://cloud.google.com/run/docs/logging: `severity` and `time` become the entry's own, the rest its payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from brconsole.domain.text import clean

MOST_BYTES = 200 * 1024
"""Of one line; an entry of the log may have 256 KB."""
_LONGEST_MESSAGE = 2000


class JobLog:
    """The lines. Texts from outside are cleaned; the URL of the database is in none of them (`redact`)."""

    def __init__(self, stream: TextIO, redact: Callable[[str], str] = str) -> None:
        self._stream = stream
        self._redact = redact

    def event(self, event: str, message: str, severity: str = "INFO", **fields: Any) -> None:
        """One event."""
        self._write(severity, message, {"brconsole": {"event": event, **fields}})

    def text(self, message: str, severity: str = "INFO") -> None:
        """One sentence that is no event."""
        self._write(severity, message, {})

    def safe(self, text: str) -> str:
        """A text from outside as it may be said."""
        return clean(self._redact(text), _LONGEST_MESSAGE)

    def fits(self, **fields: Any) -> bool:
        """Whether an event with these fields is one entry."""
        return len(json.dumps(fields, ensure_ascii=False).encode()) <= MOST_BYTES

    def _write(self, severity: str, message: str, more: dict[str, Any]) -> None:
        said = self.safe(message)
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = json.dumps({"severity": severity, "message": said, "time": time, **more}, ensure_ascii=True)
        # A container may be killed at any moment, so nothing waits in a buffer.
        self._stream.write(line + "\n")
        self._stream.flush()
