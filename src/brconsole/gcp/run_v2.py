"""Cloud Run Admin API v2: one service read, and updated under a mask that names traffic and annotations alone.

Facts: reference/google-cloud-facts.md §1.3. Without a mask an update replaces the whole object, template included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.gcp.apis import GET_SERVICE, UPDATE_SERVICE, Method
from brconsole.gcp.caller import Caller, parsed
from brconsole.gcp.quota import Lane
from brconsole.gcp.run import service_of
from brconsole.gcp.run_v1 import server_date

_MASK = ("traffic", "annotations")


@dataclass(frozen=True, slots=True)
class ServiceMessage:
    """A service as v2 showed it, the account it runs as, and when by the server's Date (None where it told none)."""

    service: Service
    runtime_account: str
    at: datetime | None


class RunV2:
    """The two calls, for one region."""

    def __init__(self, caller: Caller, project: str, region: str) -> None:
        self._caller = caller
        self._services = f"projects/{project}/locations/{region}/services/"

    def resource(self, service: str) -> str:
        """The name of a service."""
        return f"{self._services}{service}"

    async def get(self, service: str) -> ServiceMessage:
        """The live object."""
        from google.cloud import run_v2

        name = self.resource(service)
        message, at = await self._call(GET_SERVICE, "get_service", run_v2.GetServiceRequest(name=name), name)
        raw = run_v2.Service.pb(message)
        with self._caller.reading(GET_SERVICE, name):
            return ServiceMessage(service_of(raw), raw.template.service_account, at)

    async def update(
        self,
        service: str,
        traffic: Iterable[TrafficTarget],
        annotations: Mapping[str, str],
        etag: str,
        lane: Lane = Lane.WRITE,
        *,
        validate_only: bool = False,
    ) -> datetime | None:
        """Put the whole traffic list and all annotations in place of the live ones; sent once, "" is no etag.

        With `validate_only` the server checks it and changes nothing.
        Returns the server's Date of the acceptance.
        """
        from google.cloud import run_v2
        from google.protobuf.field_mask_pb2 import FieldMask

        name = self.resource(service)
        kinds = run_v2.TrafficTargetAllocationType
        request = run_v2.UpdateServiceRequest(
            service=run_v2.Service(
                name=name,
                etag=etag,
                annotations=dict(annotations),
                traffic=[
                    run_v2.TrafficTarget(
                        type_=kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
                        if target.revision is None
                        else kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION,
                        revision=target.revision or "",
                        percent=target.percent,
                        tag=target.tag or "",
                    )
                    for target in traffic
                ],
            ),
            update_mask=FieldMask(paths=_MASK),
            validate_only=validate_only,
        )
        _, at = await self._call(UPDATE_SERVICE, "update_service", request, name, lane)
        return at

    async def _call(
        self, method: Method, stub: str, request: Any, name: str, lane: Lane = Lane.READ
    ) -> tuple[Any, datetime | None]:
        """A message and the Date in the answer's headers, which the generated client does not hand out."""
        from google.api_core import grpc_helpers_async
        from google.api_core.gapic_v1 import routing_header
        from google.cloud.run_v2.services.services import ServicesAsyncClient

        field = "name" if method is GET_SERVICE else "service.name"
        async with self._caller.call(method, name, lane) as call:
            client = await call.client(ServicesAsyncClient)
            send: Any = grpc_helpers_async.wrap_errors(getattr(client.transport, stub))  # type: ignore[no-untyped-call]
            header = routing_header.to_grpc_metadata(((field, name),))  # type: ignore[no-untyped-call]
            if lane is Lane.READ:
                sent: list[Any] = []

                async def attempt() -> Any:
                    sent.append(send(request, metadata=(header,), timeout=call.left_s))
                    return await sent[-1]

                message = parsed(await call.retry(attempt)())
                under_way = sent[-1]
            else:
                under_way = send(request, metadata=(header,), timeout=call.left_s)
                message = parsed(await under_way)
            return message, server_date(dict(await under_way.initial_metadata()).get("date"))
