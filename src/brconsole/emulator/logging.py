"""Cloud Logging v2: who changed what (Admin Activity), what jobs said, and what callers wrote themselves."""

from __future__ import annotations

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from google.cloud.logging_v2.services.logging_service_v2.transports.grpc import LoggingServiceV2GrpcTransport
from google.cloud.logging_v2.types import (
    ListLogEntriesRequest,
    ListLogEntriesResponse,
    LogEntry,
    WriteLogEntriesRequest,
    WriteLogEntriesResponse,
)
from google.protobuf.json_format import MessageToDict

from brconsole.emulator import quota
from brconsole.emulator.audit_entries import audit_message
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import invalid_argument, permission_denied, unimplemented
from brconsole.emulator.log_store import MAX_ENTRY, MAX_STORED, Stored
from brconsole.emulator.logging_filter import LogFilter, parse_log_filter
from brconsole.emulator.messages import set_time
from brconsole.emulator.paging import page_size_of, position_of, token_of
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project

_RETENTION_S = 30 * 86_400.0
"""How far back entries are found. Admin Activity is kept for longer (400 days), which no caller here asks for."""
_FUTURE_S = 86_400.0
_PROJECT = re.compile(r"projects/([^/]+)")
_LOG_NAME = re.compile(r"projects/([^/]+)/logs/[A-Za-z0-9%._-]{1,511}")

_LIST_PB = ListLogEntriesResponse.pb()
_ENTRY_PB = LogEntry.pb()


class Logs(GrpcApi):
    """google.logging.v2.LoggingServiceV2: ListLogEntries and WriteLogEntries."""

    SERVICE = "google.logging.v2.LoggingServiceV2"
    API = "logging"
    TRANSPORT = LoggingServiceV2GrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListLogEntries": Rule("logging.logEntries.list", quota.LOGGING_READ),
        "WriteLogEntries": Rule("logging.logEntries.create", quota.LOGGING_WRITE),
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._audit: OrderedDict[tuple[str, str], Stored] = OrderedDict()

    def resource_of(self, request: Any) -> str:
        """A write names its log in the request or in each entry."""
        if isinstance(request, WriteLogEntriesRequest):
            name = request.log_name or next((entry.log_name for entry in request.entries if entry.log_name), "")
            return name.partition("/logs/")[0]
        return super().resource_of(request)

    async def ListLogEntries(self, request: ListLogEntriesRequest, call: Call) -> Any:  # noqa: N802
        """The entries of projects that a filter wants, by time (oldest first, or `timestamp desc`)."""
        projects = self._projects(request.resource_names)
        if request.page_size < 0 or request.page_size > 1000:
            raise invalid_argument(f"page_size must be between 0 and 1000, got {request.page_size}.", "page_size")
        if request.order_by not in ("", "timestamp", "timestamp asc", "timestamp desc"):
            raise invalid_argument(
                f"Invalid order_by {request.order_by!r}: allowed are 'timestamp asc' and 'timestamp desc'.", "order_by"
            )
        newest_first = request.order_by == "timestamp desc"
        wanted = parse_log_filter(request.filter)
        bound_to = f"{sorted(request.resource_names)} {request.filter} {newest_first}"
        found = sorted(self._search(projects, wanted, call.now), key=lambda entry: entry.key, reverse=newest_first)
        if request.page_token:
            # Entries written meanwhile must not move a page, so a token holds the last key given out.
            last = _key(position_of(request.page_token, bound_to))
            found = [entry for entry in found if (entry.key < last if newest_first else entry.key > last)]
        size = page_size_of(request.page_size, default=50, maximum=1000)
        some = found[:size]
        token = token_of(list(some[-1].key), bound_to) if len(found) > size else ""
        return _LIST_PB(entries=[entry.message for entry in some], next_page_token=token)

    async def WriteLogEntries(self, request: WriteLogEntriesRequest, call: Call) -> Any:  # noqa: N802
        """Stores entries, to be found by ListLogEntries; the oldest of more than 10,000 a project are dropped."""
        raw = WriteLogEntriesRequest.pb(request)
        if not raw.entries:
            raise invalid_argument("Missing required field: entries.", "entries")
        ready = [self._prepared(raw, index, entry, call.now) for index, entry in enumerate(raw.entries)]
        if request.dry_run:
            return WriteLogEntriesResponse()
        for project, entry in ready:
            self.cloud.log.add(project.id, entry)
        return WriteLogEntriesResponse()

    def _projects(self, names: Any) -> list[Project]:
        if not names:
            raise invalid_argument("Missing required field: resource_names.", "resource_names")
        projects = []
        for name in names:
            if re.match(r"projects/[^/]+/locations/", name):
                raise unimplemented(f"Log views such as {name!r} are not part of the embedded Google Cloud.")
            if not re.fullmatch(r"(?:projects|folders|organizations|billingAccounts)/[^/]+", name):
                raise invalid_argument(f"Invalid resource name {name!r}: want projects/PROJECT.", "resource_names")
            match = _PROJECT.fullmatch(name)
            project = self.cloud.project(match[1]) if match else None
            if project is None:
                raise permission_denied("logging.logEntries.list", name)
            projects.append(project)
        return list(dict.fromkeys(projects))

    def _search(self, projects: list[Project], wanted: LogFilter, now: float) -> Iterator[Stored]:
        start, end = max(wanted.after, now - _RETENTION_S), min(wanted.before, now)
        for project in projects:
            if start <= end:
                # The world gives (start, end]; an entry exactly at the start belongs too.
                for entry in self.cloud.world.audit(project.id, math.nextafter(start, -math.inf), end):
                    stored = self._audit_entry(project, entry)
                    if wanted.matches(stored.json):
                        yield stored
            yield from (stored for stored in self.cloud.log.entries(project.id, now) if wanted.matches(stored.json))

    def _audit_entry(self, project: Project, entry: Any) -> Stored:
        key = (project.id, entry.insert_id)
        stored = self._audit.get(key)
        if stored is None:
            service = self.cloud.world.service(project.id, entry.service, entry.at)
            message = audit_message(project, entry, service)
            stored = Stored(entry.at, entry.insert_id, message, MessageToDict(message))
            self._audit[key] = stored
            while len(self._audit) > MAX_STORED:
                self._audit.popitem(last=False)
        return stored

    def _prepared(self, request: Any, index: int, entry: Any, now: float) -> tuple[Project, Stored]:
        message = _ENTRY_PB()
        message.CopyFrom(entry)
        where = f"entries[{index}]"
        message.log_name = message.log_name or request.log_name
        match = _LOG_NAME.fullmatch(message.log_name)
        if match is None:
            raise invalid_argument(
                f"Invalid log name {message.log_name!r}: want projects/PROJECT/logs/LOG_ID.", f"{where}.log_name"
            )
        project = self.cloud.project(match[1])
        if project is None:
            raise permission_denied("logging.logEntries.create", message.log_name)
        if not message.HasField("resource"):
            message.resource.CopyFrom(request.resource)
        if not message.resource.type:
            raise invalid_argument("Log entry must specify a monitored resource.", f"{where}.resource")
        for name, value in request.labels.items():
            if name not in message.labels:
                message.labels[name] = value
        if message.ByteSize() > MAX_ENTRY:
            raise invalid_argument(
                f"Log entry with size {message.ByteSize()} exceeds maximum size of {MAX_ENTRY}.", where
            )
        if not message.HasField("timestamp"):
            set_time(message.timestamp, now)
        at = message.timestamp.seconds + message.timestamp.nanos / 1e9
        if not now - _RETENTION_S <= at <= now + _FUTURE_S:
            raise invalid_argument("Log entry timestamp is out of the range that can be stored.", f"{where}.timestamp")
        set_time(message.receive_timestamp, now)
        if not message.insert_id:
            digest = hashlib.sha256(message.SerializeToString(deterministic=True) + bytes([index % 256]))
            message.insert_id = digest.hexdigest()[:16]
        try:
            document = MessageToDict(message)
        except TypeError as error:
            raise invalid_argument("The type of proto_payload is not known.", f"{where}.proto_payload") from error
        return project, Stored(at, message.insert_id, message, document)


def _key(position: object) -> tuple[float, str]:
    match position:
        case [float() | int() as at, str() as insert_id]:
            return float(at), insert_id
        case _:
            raise invalid_argument("The page token is invalid or has expired.", "page_token")
