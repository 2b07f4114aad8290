"""Cloud Run Admin API v2: services and revisions of one region, one paged list each.

Facts: google/cloud/run/v2/*.proto and reference/google-cloud-facts.md §1. Fields are read from the raw protobuf: a
fleet of 200 services with 30 revisions each is 6,000 messages a refresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget
from brconsole.gcp.apis import LIST_REVISIONS, LIST_SERVICES
from brconsole.gcp.caller import Caller

_PAGE = 1000
"""Asked for; Google lowers it to its own maximum."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# google.cloud.run.v2.Condition.State
_FAILED, _SUCCEEDED = 3, 4
# google.cloud.run.v2.TrafficTargetAllocationType: everything but REVISION goes to the latest ready revision.
_TO_REVISION = 2


class CloudRunReader:
    """The `CloudRun` port."""

    def __init__(self, caller: Caller, project: str, region: str) -> None:
        self._caller = caller
        self._parent = f"projects/{project}/locations/{region}"
        self._seen: dict[str, Service] = {}

    async def services(self) -> tuple[Service, ...]:
        """See CloudRun."""
        from google.cloud.run_v2.services.services import ServicesAsyncClient

        async with self._caller.call(LIST_SERVICES, self._parent) as call:
            client = await call.client(ServicesAsyncClient)
            pager = await client.list_services({"parent": self._parent, "page_size": _PAGE}, **call.options)
            services = [service_of(message) async for page in call.pages(pager) for message in page.services]
        self._seen = {service.name: service for service in services}
        return tuple(sorted(services, key=lambda service: service.name))

    def last_seen(self, service: str) -> Service | None:
        """A service as the newest list had it; asks nothing."""
        return self._seen.get(service)

    async def revisions(self) -> Mapping[str, tuple[Revision, ...]]:
        """See CloudRun."""
        from google.cloud.run_v2.services.revisions import RevisionsAsyncClient

        parent = f"{self._parent}/services/-"
        by_service: dict[str, list[Revision]] = {}
        async with self._caller.call(LIST_REVISIONS, parent) as call:
            client = await call.client(RevisionsAsyncClient)
            pager = await client.list_revisions({"parent": parent, "page_size": _PAGE}, **call.options)
            async for page in call.pages(pager):
                for message in page.revisions:
                    revision = _revision(message)
                    by_service.setdefault(revision.service, []).append(revision)
        return {name: tuple(sorted(rows, key=_age_order)) for name, rows in by_service.items()}


def _age_order(revision: Revision) -> tuple[float, str]:
    return (-revision.created.timestamp() if revision.created else 0.0, revision.name)


def service_of(message: Any) -> Service:
    """A service from its raw v2 message."""
    terminal = message.terminal_condition
    ready = None if message.reconciling else _verdict(terminal.state)
    return Service(
        name=_short(message.name),
        uri=clean(message.uri) or None,
        ready=ready,
        reason=_why(terminal) if ready is not True else None,
        reconciling=message.reconciling,
        generation=message.generation,
        observed_generation=message.observed_generation,
        etag=message.etag,
        created=_moment(message.create_time),
        updated=_moment(message.update_time),
        last_modifier=clean(message.last_modifier) or None,
        latest_ready=_short(message.latest_ready_revision) or None,
        latest_created=_short(message.latest_created_revision) or None,
        desired=_targets(message.traffic),
        serving=_targets(message.traffic_statuses),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        session_affinity=message.template.session_affinity,
    )


def _revision(message: Any) -> Revision:
    state, reason, words = 0, None, None
    for condition in message.conditions:
        if condition.type_ == "Ready":
            state = condition.state
            if state != _SUCCEEDED:
                reason, words = _reason(condition), clean(condition.message) or None
            break
    image = _image(message.containers)
    _, at, digest = image.partition("@")
    return Revision(
        name=_short(message.name),
        # `service` holds the short name; the resource name tells it where a server leaves that out.
        service=_short(message.service) or message.name.split("/")[-3],
        image=image,
        digest=digest if at else None,
        created=_moment(message.create_time),
        ready=_verdict(state),
        reason=reason,
        message=words,
        service_account=message.service_account or None,
        min_instances=message.scaling.min_instance_count,
    )


def _targets(messages: Iterable[Any]) -> tuple[TrafficTarget, ...]:
    return tuple(
        TrafficTarget(
            _short(message.revision) or None if message.type_ == _TO_REVISION else None,
            message.percent,
            message.tag or None,
        )
        for message in messages
    )


def _image(containers: Any) -> str:
    """The image that answers requests: of several containers the one with a port."""
    if not containers:
        return ""
    if len(containers) > 1:
        for container in containers:
            if container.ports:
                return str(container.image)
    return str(containers[0].image)


def _verdict(state: int) -> bool | None:
    return True if state == _SUCCEEDED else False if state == _FAILED else None


def _why(condition: Any) -> str | None:
    reason, words = _reason(condition), clean(condition.message)
    return f"{reason}: {words}" if reason and words else reason or words or None


def _reason(condition: Any) -> str | None:
    """The enumeration's name of a condition's reason, such as HEALTH_CHECK_CONTAINER_ERROR."""
    which = condition.WhichOneof("reasons")
    if which is None:
        return None
    number = getattr(condition, which)
    value = condition.DESCRIPTOR.fields_by_name[which].enum_type.values_by_number.get(number)
    return value.name if value is not None else f"reason {number}"


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _moment(timestamp: Any) -> datetime | None:
    seconds: int = timestamp.seconds
    return _EPOCH + timedelta(seconds=seconds, microseconds=timestamp.nanos // 1000) if seconds else None
