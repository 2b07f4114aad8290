"""Log entries that are kept: what callers wrote, what jobs said, who changed a job."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict

MAX_ENTRY = 256 * 1024
"""Bytes of one entry (Cloud Logging quotas)."""
MAX_STORED = 10_000
"""Entries of a project; the oldest of more are dropped."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as message and as the JSON that filters are tested on. Nobody finds it before `visible`."""

    at: float
    insert_id: str
    message: Any
    json: Mapping[str, Any]
    visible: float = -math.inf

    @property
    def key(self) -> tuple[float, str]:
        """Its place in a list."""
        return self.at, self.insert_id


class LogStore:
    """Entries by project. One of the same log, time and insert id takes the place of the one before, as Google's."""

    def __init__(self) -> None:
        self._entries: dict[str, OrderedDict[tuple[str, float, str], Stored]] = {}

    def add(self, project: str, entry: Stored) -> None:
        """Keep an entry."""
        kept = self._entries.setdefault(project, OrderedDict())
        kept[(entry.message.log_name, entry.at, entry.insert_id)] = entry
        while len(kept) > MAX_STORED:
            kept.popitem(last=False)

    def keep(self, project: str, message: Any, at: float, visible: float) -> None:
        """Keep a message as an entry that is found from a moment on."""
        self.add(project, Stored(at, message.insert_id, message, MessageToDict(message), visible))

    def entries(self, project: str, now: float) -> Iterator[Stored]:
        """What is to be found at a moment."""
        return (entry for entry in self._entries.get(project, {}).values() if entry.visible <= now)
