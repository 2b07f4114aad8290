"""The `TrafficWriter` port in two ways: v1 under a `resourceVersion`, v2 behind a fence.

Facts: reference/google-cloud-facts.md §1.3, §2; DESIGN §8.2 and §8.9. A write is sent once. Where its answer does not
come it may have been applied all the same, and the failure says so.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NoReturn

from brconsole.domain import intent
from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget, normalise, tags_by_revision
from brconsole.gcp.apis import ACT_AS, RUN, role_for
from brconsole.gcp.errors import NotSentError
from brconsole.gcp.quota import Lane
from brconsole.gcp.run_v1 import RunV1, ServiceDocument
from brconsole.gcp.run_v2 import RunV2
from brconsole.gcp.service_accounts import ServiceAccounts
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import LiveService

_KEPT = 64
"""Documents kept for writes on their base; one of a service is a few kilobytes."""
_READ_BACK_S = 2.0
_UNKNOWN = frozenset({FailureKind.TIMEOUT, FailureKind.UNAVAILABLE, FailureKind.UNREADABLE})

LastSeen = Callable[[str], Service | None]
"""A service as the poller saw it last."""


class ConditionalWriter:
    """v1 `replaceService`: the server refuses a write whose base is not the live version any more."""

    conditional = True

    def __init__(
        self,
        v1: RunV1,
        unread: UnreadWriter,
        accounts: ServiceAccounts,
        now: Callable[[], datetime | None],
    ) -> None:
        self._v1 = v1
        self._unread = unread
        self._accounts = accounts
        self._now = now
        self._bases: OrderedDict[tuple[str, str], ServiceDocument] = OrderedDict()
        self._last: dict[str, ServiceDocument] = {}

    async def read(self, service: str) -> LiveService:
        """See TrafficWriter."""
        document = await self._v1.get(service, self._unread.resource(service))
        self._keep(service, document)
        return LiveService(document.service(), document.version, told(document.at, self._now, service))

    async def write(
        self,
        base: LiveService,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        *,
        urgent: bool = False,
    ) -> datetime:
        """See TrafficWriter."""
        service = base.service.name
        document = self._bases.get((service, base.version))
        if document is None:
            # A base that somebody else read: it still is one if nothing changed since.
            document = await self._v1.get(service, self._unread.resource(service))
            if document.version != base.version:
                _refuse(self._unread.resource(service), "it was changed since it was read")
        return await self._replace(service, document, traffic, annotations, _lane(urgent))

    async def write_unread(
        self, service: str, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> datetime:
        """See TrafficWriter. v2 also stands in where v1 cannot be reached at all."""
        document = self._last.get(service)
        if document is not None:
            try:
                return await self._replace(service, document, traffic, annotations, Lane.ROLLBACK)
            except SourceFailure as failure:
                if failure.kind is not FailureKind.CONFLICT and not isinstance(failure.__cause__, NotSentError):
                    raise
        known = None if document is None else document.service()
        account = "" if document is None else document.runtime_account
        return await self._unread.write(service, traffic, annotations, known, account)

    async def may_act_as(self, service_account: str) -> bool | None:
        """See TrafficWriter."""
        return await self._accounts.may_act_as(service_account)

    async def _replace(
        self,
        service: str,
        document: ServiceDocument,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        lane: Lane,
    ) -> datetime:
        resource = self._unread.resource(service)
        check_text(annotations, resource)
        content = document.replaced(separated(traffic), annotations)
        with writing(resource, document.runtime_account):
            written = await self._v1.replace(service, content, resource, lane)
        self._keep(service, written)
        return told(written.at, self._now, service)

    def _keep(self, service: str, document: ServiceDocument) -> None:
        self._last[service] = document
        self._bases[(service, document.version)] = document
        while len(self._bases) > _KEPT:
            self._bases.popitem(last=False)


class FencedWriter:
    """v2 with etag, sequence fence and read-back.

    Before the write the service is read again and refused where it is not as the base says; after it, it is read once
    more to see whose write stands. Between the two another writer can slip through unless the server checks the etag
    (`conditional`), and then its write stands and this one says so.
    """

    def __init__(
        self,
        v2: RunV2,
        unread: UnreadWriter,
        accounts: ServiceAccounts,
        now: Callable[[], datetime | None],
        *,
        conditional: bool,
    ) -> None:
        self.conditional = conditional
        self._v2 = v2
        self._unread = unread
        self._accounts = accounts
        self._now = now
        self._last: dict[str, tuple[Service, str]] = {}

    async def read(self, service: str) -> LiveService:
        """See TrafficWriter."""
        found = await self._v2.get(service)
        self._last[service] = found.service, found.runtime_account
        return LiveService(found.service, found.service.etag, told(found.at, self._now, service))

    async def write(
        self,
        base: LiveService,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        *,
        urgent: bool = False,
    ) -> datetime:
        """See TrafficWriter."""
        service = base.service.name
        resource = self._v2.resource(service)
        check_text(annotations, resource)
        live = await self.read(service)
        if not _same(base.service, live.service):
            _refuse(resource, f"it was changed since it was read: {_sequences(base.service, live.service)}")
        wanted = separated(traffic)
        with writing(resource, self._last[service][1]):
            kept = merged(live.service.annotations, annotations)
            at = await self._v2.update(service, wanted, kept, live.version, _lane(urgent))
        accepted = told(at, self._now, service)
        await self._read_back(live.service, wanted, annotations)
        return accepted

    async def write_unread(
        self, service: str, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> datetime:
        """See TrafficWriter. Without an etag: the rollback is to stand."""
        known, account = self._last.get(service, (None, ""))
        return await self._unread.write(service, traffic, annotations, known, account)

    async def may_act_as(self, service_account: str) -> bool | None:
        """See TrafficWriter."""
        return await self._accounts.may_act_as(service_account)

    async def _read_back(
        self, before: Service, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str | None]
    ) -> None:
        """Refuse to call a write done that another has overtaken. Where nothing can be read, the acceptance stands."""
        try:
            async with asyncio.timeout(_READ_BACK_S):
                live = (await self.read(before.name)).service
        except (SourceFailure, TimeoutError):
            return
        latest = live.latest_ready
        stands = (
            live.desired_split() == normalise(traffic, latest)
            and tags_by_revision(live.desired, latest) == tags_by_revision(traffic, latest)
            and all(live.annotations.get(key) == value for key, value in annotations.items())
        )
        if not stands:
            _refuse(
                self._v2.resource(before.name),
                f"the write was accepted and then overwritten by somebody else: {_sequences(before, live)}",
            )


class UnreadWriter:
    """v2 with the mask `traffic,annotations` and no etag, for a rollback that nothing may hold up.

    Annotations can only be written as a whole, so those of others come from the newest reading there is. Where the
    service was never read by this process there is none, and only ours remain.
    """

    def __init__(self, v2: RunV2, last_seen: LastSeen, now: Callable[[], datetime | None]) -> None:
        self._v2 = v2
        self._last_seen = last_seen
        self._now = now

    def resource(self, service: str) -> str:
        """The name of a service."""
        return self._v2.resource(service)

    async def write(
        self,
        service: str,
        traffic: Sequence[TrafficTarget],
        annotations: Mapping[str, str | None],
        known: Service | None,
        account: str,
    ) -> datetime:
        """Send it; `known` is the service and `account` its runtime account as the writer knew them last."""
        resource = self.resource(service)
        check_text(annotations, resource)
        readings = [reading for reading in (known, self._last_seen(service)) if reading is not None]
        newest = max(readings, key=lambda reading: reading.generation, default=None)
        kept = {} if newest is None else newest.annotations
        with writing(resource, account):
            at = await self._v2.update(service, separated(traffic), merged(kept, annotations), "", Lane.ROLLBACK)
        return told(at, self._now, service)


def separated(traffic: Sequence[TrafficTarget]) -> tuple[TrafficTarget, ...]:
    """The same list with every tag as an entry of 0 % of its own, as gcloud writes them (facts §3)."""
    entries: list[TrafficTarget] = []
    for target in traffic:
        if target.tag and target.percent:
            entries += [TrafficTarget(target.revision, target.percent), TrafficTarget(target.revision, 0, target.tag)]
        else:
            entries.append(target)
    return tuple(entries)


def merged(present: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """All annotations after some changes; None removes one."""
    return {key: value for key, value in {**present, **changes}.items() if value is not None}


def check_text(annotations: Mapping[str, str | None], resource: str) -> None:
    """Refuse what no request can carry, before anything is sent."""
    for key, value in annotations.items():
        try:
            f"{key}{value}".encode()
        except UnicodeEncodeError:
            raise SourceFailure(
                FailureKind.INVALID,
                RUN.title,
                resource,
                f"the annotation {key!a} holds characters that are no Unicode text",
                remedy="nothing was sent",
            ) from None


@contextmanager
def writing(
    resource: str,
    account: str,
    what: str = "traffic",
    remedy: str = "read the service before anything is written again",
) -> Iterator[None]:
    """The scope of one write (of `what`): a failure in it says whether the write may have been applied all the same
    and what to do then (`remedy`), and whose permission is missing.
    """
    try:
        yield
    except SourceFailure as failure:
        if failure.kind in _UNKNOWN:
            if isinstance(failure.__cause__, NotSentError):
                raise
            kind = FailureKind.UNAVAILABLE if failure.kind is FailureKind.UNREADABLE else failure.kind
            raise SourceFailure(
                kind,
                failure.api,
                resource,
                f"{failure.reason}; whether the write was applied is not known",
                remedy=remedy,
            ) from failure.__cause__
        if failure.permission.casefold() == ACT_AS.casefold():
            role = role_for(ACT_AS)
            # Google names the account in the resource of its error; what was read is as good.
            runs_as = failure.resource.rpartition("/")[2] if "@" in failure.resource else account
            raise SourceFailure(
                failure.kind,
                failure.api,
                runs_as or resource,
                f"permission {ACT_AS} on the runtime service account {runs_as or '(unknown)'} is missing,"
                f" which every write of {what} needs",
                remedy=f"ask for {role} on that account",
                permission=ACT_AS,
                role=role,
            ) from failure.__cause__
        raise


def _lane(urgent: bool) -> Lane:
    return Lane.ROLLBACK if urgent else Lane.WRITE


def _refuse(resource: str, reason: str) -> NoReturn:
    raise SourceFailure(FailureKind.CONFLICT, RUN.title, resource, reason, remedy="read it again")


def _same(base: Service, live: Service) -> bool:
    """Whether a service is as it was read: every write raises the generation, and ours the sequence."""
    return base.generation == live.generation and base.annotations.get(intent.ANNOTATION) == live.annotations.get(
        intent.ANNOTATION
    )


def _sequences(before: Service, live: Service) -> str:
    return f"sequence {_sequence(before)} was read, {_sequence(live)} is live"


def _sequence(service: Service) -> str:
    record = intent.intent_of(service)
    return str(record.seq) if isinstance(record, intent.Rollout) else "none"


def told(at: datetime | None, now: Callable[[], datetime | None], service: str) -> datetime:
    """The server's time, or where its answer had no Date, service time."""
    found = at or now()
    if found is None:
        raise SourceFailure(
            FailureKind.UNAVAILABLE,
            RUN.title,
            service,
            "the time is not known: the answer has no Date",
            remedy="try again",
        )
    return found
