"""Cloud Logging v2: who changed the fleet, from the Admin Activity audit log.

Facts: reference/google-cloud-facts.md §7: 60 reads a minute and project for everybody, so one page and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from brconsole.domain.service import Change
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget, normalise
from brconsole.gcp.apis import LIST_LOG_ENTRIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.filters import all_of, equals, quoted

_MOST = 1000
"""Entries a page, the most there is."""
_SHOWN_ARMS = 3
_LATEST = "LATEST"

_WORDS: Mapping[str, str] = {
    "CreateService": "created",
    "DeleteService": "deleted",
    "UpdateService": "updated",
    "ReplaceService": "updated",
    "SetIamPolicy": "changed who may call it",
}
"""What a method did, where the entry does not tell which share moved."""


@dataclass(frozen=True, slots=True)
class _Write:
    """An audit entry understood. A split is percent by revision, None where the entry does not hold it."""

    at: datetime
    service: str
    who: str
    method: str
    before: Mapping[str, int] | None
    after: Mapping[str, int] | None


class AuditReader:
    """The `AuditLog` port."""

    def __init__(self, caller: Caller, project: str, region: str) -> None:
        self._caller = caller
        self._project = project
        self._region = region

    async def changes(self, since: datetime, limit: int) -> tuple[Change, ...]:
        """See AuditLog. What did not succeed changed nothing and is left out."""
        from google.cloud.audit.audit_log_pb2 import AuditLog  # type: ignore[import-untyped]
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient

        resource = f"projects/{self._project}"
        request = {
            "resource_names": [resource],
            "filter": self._filter(since),
            "order_by": "timestamp desc",
            # An operation is logged when it starts and when it ends.
            "page_size": min(_MOST, limit * 2),
        }
        async with self._caller.call(LIST_LOG_ENTRIES, f"{resource} audit log") as call:
            client = await call.client(LoggingServiceV2AsyncClient)
            pager = await client.list_log_entries(request, **call.options)
            writes: list[_Write] = []
            async for page in call.pages(pager):
                for entry in page.entries:
                    payload = AuditLog()
                    if entry.proto_payload.Unpack(payload) and not _is_end(entry) and payload.status.code == 0:
                        writes.append(_write(entry, payload))
                break
        return tuple(_changes(writes)[:limit])

    def _filter(self, since: datetime) -> str:
        moment = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return all_of(
            equals("logName", f"projects/{self._project}/logs/cloudaudit.googleapis.com%2Factivity"),
            equals("protoPayload.serviceName", "run.googleapis.com"),
            f"protoPayload.methodName : {quoted('.Services.')}",
            equals("resource.labels.location", self._region),
            f"timestamp >= {quoted(moment)}",
        )


def _is_end(entry: Any) -> bool:
    return bool(entry.operation.last and not entry.operation.first)


def _write(entry: Any, payload: Any) -> _Write:
    from google.protobuf.json_format import MessageToDict

    def document(field: str) -> Any:
        return MessageToDict(getattr(payload, field)) if payload.HasField(field) else {}

    named = entry.resource.labels.get("service_name") or payload.resource_name.rpartition("/")[2]
    request = document("request")
    return _Write(
        at=entry.timestamp.ToDatetime(tzinfo=UTC),
        service=clean(named, 200),
        who=clean(payload.authentication_info.principal_email, 200) or "unknown",
        method=payload.method_name.rpartition(".")[2],
        before=_split(document("resource_original_state")),
        after=_split(request.get("service", request)),
    )


def _split(service: Any) -> Mapping[str, int] | None:
    """The traffic of a service's JSON as percent by revision: v2 has `traffic`, v1 has `spec.traffic`."""
    if not isinstance(service, Mapping):
        return None
    spec = service.get("spec")
    targets = service.get("traffic") or (spec.get("traffic") if isinstance(spec, Mapping) else None)
    if not isinstance(targets, Sequence) or isinstance(targets, str):
        return None
    return normalise(
        (
            TrafficTarget(
                str(target.get("revision") or target.get("revisionName") or _LATEST).rpartition("/")[2],
                int(target.get("percent") or 0),
            )
            for target in targets
            if isinstance(target, Mapping)
        ),
        None,
    )


def _changes(writes: Sequence[_Write]) -> list[Change]:
    """Newest first, each against the state before it: as the entry tells, else as the service's previous write left
    it.
    """
    left: dict[str, Mapping[str, int]] = {}
    changes: list[Change] = []
    for write in sorted(writes, key=lambda one: one.at):
        before = write.before if write.before is not None else left.get(write.service)
        changes.append(Change(write.at, write.service, write.who, _what(write, before), write.after))
        if write.after is not None:
            left[write.service] = write.after
    return changes[::-1]


def _what(write: _Write, before: Mapping[str, int] | None) -> str:
    words = _WORDS.get(write.method) or clean(write.method, 80)
    after = write.after
    if after is None or write.method == "DeleteService":
        return words
    if before is None:
        return "traffic set to " + _listed(f"{_shown(write, name)} {share} %" for name, share in _largest(after))
    moved = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
    if not any(moved.values()):
        return words
    return _listed(
        f"{_shown(write, name)} {before.get(name, 0)} → {after.get(name, 0)} %"
        for name, change in _largest(moved)
        if change
    )


def _largest(shares: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))


def _listed(arms: Any) -> str:
    named = list(arms)
    more = f" and {len(named) - _SHOWN_ARMS} more" if len(named) > _SHOWN_ARMS else ""
    return ", ".join(named[:_SHOWN_ARMS]) + more


def _shown(write: _Write, revision: str) -> str:
    return clean(revision.removeprefix(f"{write.service}-"), 80)
