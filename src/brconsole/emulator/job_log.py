"""What an execution of a job prints, as Cloud Logging stores it.

A line that is a JSON object becomes `jsonPayload`, its `severity` and `time` become the entry's own, and one that holds
nothing but a message becomes `textPayload` (https://cloud.google.com/run/docs/logging). A line that is longer than an
entry may be is cut, and is then text.
"""

from __future__ import annotations

import json
from typing import Any

from google.cloud.logging_v2.types import LogEntry

from brconsole.emulator.log_store import MAX_ENTRY, LogStore
from brconsole.emulator.logging_filter import SEVERITIES
from brconsole.emulator.messages import set_time
from brconsole.simulation.model import Project

MAX_LINE = MAX_ENTRY - 8 * 1024
"""Bytes of a line; the rest is what an entry says of itself."""
ARRIVES_AFTER_S = 1.2
"""Simulated seconds from a line's being printed to its being found."""

_ENTRY = LogEntry.pb()
_TICK_S = 2e-6
"""Between two lines that are read at once, so that they stay in their order."""


class ExecutionLog:
    """The lines of one execution."""

    def __init__(self, log: LogStore, project: Project, job: str, execution: str) -> None:
        self._log = log
        self._project = project
        self._job = job
        self._execution = execution
        self._count = 0
        self._last = 0.0

    def line(self, at: float, stream: str, line: bytes, attempt: int) -> None:
        """A line of `stdout` or `stderr`, without its end."""
        message = self._entry(stream, attempt)
        document = _object(line)
        if document is None or not _as_json(message, document):
            message.text_payload = line[:MAX_LINE].decode("utf-8", "replace")
            message.severity = SEVERITIES["ERROR" if stream == "stderr" else "DEFAULT"]
        self._keep(message, at)

    def system(self, at: float, text: str, severity: str, attempt: int) -> None:
        """What Cloud Run itself says of the container."""
        message = self._entry("varlog%2Fsystem", attempt)
        message.text_payload = text
        message.severity = SEVERITIES[severity]
        self._keep(message, at)

    def _entry(self, stream: str, attempt: int) -> Any:
        self._count += 1
        message = _ENTRY(
            log_name=f"projects/{self._project.id}/logs/run.googleapis.com%2F{stream}",
            insert_id=f"{self._execution}-{self._count:06d}",
        )
        message.resource.type = "cloud_run_job"
        message.resource.labels.update(
            {"project_id": self._project.id, "location": self._project.region, "job_name": self._job}
        )
        message.labels.update(
            {
                "run.googleapis.com/execution_name": self._execution,
                "run.googleapis.com/task_index": "0",
                "run.googleapis.com/task_attempt": str(attempt),
            }
        )
        return message

    def _keep(self, message: Any, at: float) -> None:
        self._last = at = max(at, self._last + _TICK_S)
        set_time(message.timestamp, at)
        set_time(message.receive_timestamp, at + ARRIVES_AFTER_S)
        self._log.keep(self._project.id, message, at, at + ARRIVES_AFTER_S)


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{") or len(line) > MAX_LINE:
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _as_json(message: Any, document: dict[str, Any]) -> bool:
    """Write a JSON line into an entry; False where it cannot be one."""
    severity = document.pop("severity", "DEFAULT")
    document.pop("time", None)
    if set(document) == {"message"} and isinstance(document["message"], str):
        message.text_payload = document["message"]
    else:
        try:
            message.json_payload.update(document)
            message.json_payload.SerializeToString()
        except (ValueError, RecursionError):
            message.ClearField("json_payload")
            return False
    message.severity = SEVERITIES.get(severity, 0) if isinstance(severity, str) else 0
    return True
