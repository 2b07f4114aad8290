"""The gRPC side: Google's services on one port of 127.0.0.1.

An API is a class with a method for each RPC it implements, named as the RPC is:

    from google.cloud.run_v2.services.revisions.transports.grpc import RevisionsGrpcTransport

    class RunRevisions(GrpcApi):
        SERVICE = "google.cloud.run.v2.Revisions"     # the service of the method paths
        API = "run"                                   # its name in `PUT /control/faults`, one of faults.APIS
        TRANSPORT = RevisionsGrpcTransport            # gives method path -> message types
        RULES = {"ListRevisions": Rule("run.revisions.list", quota.RUN_READ)}

        async def ListRevisions(self, request, call):
            if not well_formed(request.parent):
                raise invalid_argument("...", "parent")
            return run_v2.ListRevisionsResponse(...)  # or the raw protobuf message, which is faster for thousands

    - `request` is the client's message class (proto-plus where the client is); `call` is a `Call` (its `now`, method,
      principal).
    - `self.cloud` is the shared `Cloud`: `world`, `clock`, `quotas`, `require(permission, resource)`.
    - A refusal is an `ApiError` (errors.py): `raise invalid_argument(...)`, `not_found(...)`, `unimplemented(...)`.
    - The server does latency, faults, the rule's permission (which also refuses unknown projects) and the rule's quota
      before the method is called. The resource a rule is checked on is the request's `parent`, `name`, `resource` or
      first of `resource_names`; a class overrides `resource_of(request)` where that is not so.
    - What a service of Google's has and the class has not answers UNIMPLEMENTED, and so does every unknown service.

To plug a class in, add it to `GRPC_APIS` in composition.py. An API that Google serves by REST is an `HttpApi`
(http.py), added to `HTTP_APIS`:

    class BigQuery(HttpApi):
        API = "bigquery"
        ROUTES = (
            Route("POST", "/bigquery/v2/projects/{project}/queries", "query", Rule("bigquery.jobs.create", BIGQUERY)),
            Route("GET", "/bigquery/v2/projects/{project}/queries/{job}", "getQueryResults", Rule("bigquery.jobs.get")),
        )

        async def query(self, request):               # request.params["project"], request.json(), request.query
            return {"kind": "bigquery#queryResponse", ...}

        async def getQueryResults(self, request): ...
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from brconsole.emulator.clock import http_date
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import ApiError, invalid_argument
from brconsole.emulator.methods import Method, recorded_methods
from brconsole.emulator.options import HOST, EmulatorError

MAX_REQUEST = 16 * 1024 * 1024
"""Bytes of a request message."""

GARBAGE = b"\xff" * 24
"""Bytes that are no protobuf message of any type: a tag that never ends."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its method sees it."""

    method: Method
    now: float
    """The simulated time at which the call was let in, in seconds since the epoch."""
    principal: str
    """Who calls, as the audit log names them."""


class GrpcApi:
    """One of Google's gRPC services; see the module for how a class is made and plugged in."""

    SERVICE: ClassVar[str]
    API: ClassVar[str]
    TRANSPORT: ClassVar[type[Any]]
    RULES: ClassVar[Mapping[str, Rule]] = {}

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def resource_of(self, request: Any) -> str:
        """The resource name that a rule is checked on, "" where there is none."""
        for field in ("parent", "name", "resource"):
            value = getattr(request, field, "")
            if value and isinstance(value, str):
                return value
        names = getattr(request, "resource_names", ())
        return str(names[0]) if names else ""


Unary = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


class GrpcServer(grpc.GenericRpcHandler):  # not generic at run time
    """Dispatches method paths to APIs; bytes in, bytes out, so that a fault can answer bytes that do not parse."""

    def __init__(self, cloud: Cloud, apis: Sequence[type[GrpcApi]]) -> None:
        self._cloud = cloud
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        self._known: set[str] = set()
        self._methods: dict[str, set[str]] = {}
        for api in apis:
            self._register(api(cloud))
        self._server: grpc.aio.Server | None = None

    def _register(self, api: GrpcApi) -> None:
        recorded = recorded_methods(api.TRANSPORT)
        known = {path: method for path, method in recorded.items() if method.service == api.SERVICE}
        if not known:
            raise EmulatorError(f"{type(api).__name__}: {api.TRANSPORT.__name__} has no service {api.SERVICE}")
        self._known |= known.keys()
        for path, method in known.items():
            implementation = getattr(api, method.name, None)
            if implementation is not None:
                self._handlers[path] = grpc.unary_unary_rpc_method_handler(self._unary(api, method, implementation))
                self._methods.setdefault(api.API, set()).add(method.name)

    @property
    def methods(self) -> dict[str, frozenset[str]]:
        """The methods implemented, by the API's name in faults."""
        return {api: frozenset(names) for api, names in self._methods.items()}

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; 0 takes a free port. Returns the port."""
        # Without this Linux lets two servers share a port, and each would get half of the calls.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_REQUEST)]
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((self,))
        try:
            # Asked of the system first: gRPC's core also writes its failure to standard error, past every logger.
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
            bound = server.add_insecure_port(f"{HOST}:{port}")
        except (OSError, RuntimeError) as error:
            cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            text = f"port {port} on {HOST} cannot be used for gRPC ({cause}); choose another, or 0 for a free one"
            raise EmulatorError(text) from error
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """Stop at once; calls under way are cancelled."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a path (called by gRPC for every call)."""
        path = str(handler_call_details.method)
        return self._handlers.get(path) or self._unimplemented(path)

    def _unary(self, api: GrpcApi, method: Method, implementation: Callable[[Any, Call], Awaitable[Any]]) -> Unary:
        rule = api.RULES.get(method.name, Rule())
        parse = getattr(method.request, "deserialize", None) or method.request.FromString

        async def handle(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            try:
                try:
                    request = parse(data)
                except DecodeError as error:
                    raise invalid_argument("The request message does not parse.") from error
                fault = await self._cloud.admit(api.API, method.name, rule, api.resource_of(request))
                if fault is not None and fault.garbage:
                    return GARBAGE
                call = Call(method, self._cloud.now(), self._cloud.principal)
                reply = _serialized(await implementation(request, call))
                if fault is not None and fault.lost:
                    # What a client is told when its connection breaks under way.
                    raise ApiError(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                await context.send_initial_metadata((("date", http_date(self._cloud.now())),))
                return reply
            except ApiError as error:
                trailing = (("grpc-status-details-bin", error.status().SerializeToString()),)
                await context.abort(error.code, error.message, trailing)
            raise AssertionError("abort raises")

        return handle

    def _unimplemented(self, path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        if path in self._known:
            text = f"Method {path} is not part of the embedded Google Cloud."
        else:
            text = f"Unknown method {path}: the embedded Google Cloud has no such service or method."

        async def refuse(_requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

        # Streaming both ways fits a call of any shape, and refuses it before the request is read.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _serialized(response: Any) -> bytes:
    to_bytes = getattr(type(response), "serialize", None)
    return bytes(to_bytes(response) if to_bytes is not None else response.SerializeToString())
