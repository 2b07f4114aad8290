"""Cloud Logging v2: the journal's entries, sent to the log `brconsole-audit`.

Entries of one log with the same insertId and timestamp are one entry (google/logging/v2/log_entry.proto), so sending
them again does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from brconsole.gcp.apis import WRITE_LOG_ENTRIES
from brconsole.gcp.caller import Caller, parsed
from brconsole.gcp.quota import Lane

LOG = "brconsole-audit"
_MOST = 100
"""Entries a request: of 64 KB each they are well below the 10 MB that one may have."""


class AuditLogWriter:
    """The `AuditWriter` port."""

    def __init__(self, caller: Caller, project: str) -> None:
        self._caller = caller
        self._project = project

    async def write(self, entries: Sequence[Mapping[str, object]]) -> None:
        """See AuditWriter. `id` is the insertId and `at` (RFC 3339) the timestamp; the whole entry is the payload."""
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient

        name = f"projects/{self._project}/logs/{LOG}"
        for start in range(0, len(entries), _MOST):
            async with self._caller.call(WRITE_LOG_ENTRIES, name, Lane.WRITE) as call:
                request = {
                    "log_name": name,
                    "resource": {"type": "global", "labels": {"project_id": self._project}},
                    "entries": [_entry(entry) for entry in entries[start : start + _MOST]],
                }
                client = await call.client(LoggingServiceV2AsyncClient)
                parsed(await client.write_log_entries(request, **call.options))


def _entry(entry: Mapping[str, object]) -> dict[str, Any]:
    # What JSON or UTF-8 cannot carry is replaced: an odd character must not keep an entry out of the log.
    payload = json.loads(json.dumps(entry, ensure_ascii=False, default=str).encode(errors="replace"))
    message: dict[str, Any] = {
        "insert_id": str(entry.get("id") or ""),
        "severity": "NOTICE",
        "json_payload": payload,
    }
    at = _moment(entry.get("at"))
    return message if at is None else {**message, "timestamp": at}


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
