"""The HTTP side: what Google serves by REST only, and the control endpoint. HTTP/1.1 with JSON on 127.0.0.1.

h11 does the protocol; a closed connection cancels the call under way, as a cancelled RPC does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import grpc
import h11

from brconsole.emulator.clock import http_date
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import ApiError, invalid_argument, not_found
from brconsole.emulator.options import HOST, EmulatorError

_log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Bytes of a request body; more is refused with 413."""
_IDLE_S = 120.0
_LOOPBACK = re.compile(r"(?:[a-z0-9-]+-)?(?:127\.0\.0\.1|localhost)|\[::1\]|(?:[a-z0-9-]+\.)+localhost")
"""Names that no DNS server can give away. gcloud puts the region before the host name of its endpoint."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: `params` are the path's, `query` the query string's (last value wins), `host` whom it is for."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    host: str = ""

    def json(self) -> Any:
        """The body as JSON; raises INVALID_ARGUMENT where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise invalid_argument(f"Invalid JSON payload received: {error}") from error


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply with a status of its own. A handler that returns a plain JSON value answers 200."""

    document: Any
    status: int = 200


@dataclass(frozen=True, slots=True)
class Route:
    """A verb and a path such as `/v1/projects/{project}/things`, the name of the handling method, and its rule."""

    verb: str
    path: str
    handler: str
    rule: Rule = field(default_factory=Rule)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path, None where it is another one. Each parameter is one segment."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


class HttpApi:
    """One of Google's REST APIs; see server.py for how a class is made and plugged in."""

    API: ClassVar[str | None]
    """Its name in faults; None is not subject to faults, latency or quotas (the control endpoint)."""
    ROUTES: ClassVar[Sequence[Route]]

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def resource_of(self, request: HttpRequest) -> str:
        """The resource name that a rule is checked on."""
        project = request.params.get("project")
        return f"projects/{project}" if project else ""

    def error(self, error: ApiError) -> tuple[int, Any]:
        """How this API writes an error."""
        return error.http()


class _LostReplyError(Exception):
    """The call was carried out and nobody is to hear of it: the connection breaks in place of the reply."""


class HttpServer:
    """Dispatches verb and path to APIs."""

    def __init__(self, cloud: Cloud, apis: Sequence[HttpApi]) -> None:
        self._cloud = cloud
        self._apis = tuple(apis)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def methods(self) -> dict[str, frozenset[str]]:
        """The methods implemented, by the API's name in faults."""
        found: dict[str, frozenset[str]] = {}
        for api in self._apis:
            if api.API is not None:
                found[api.API] = found.get(api.API, frozenset()) | {route.handler for route in api.ROUTES}
        return found

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; 0 takes a free port. Returns the port."""
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Connection(self._answer, self._connections, self._cloud.now), HOST, port
            )
        except OSError as error:
            cause = os.strerror(error.errno) if error.errno else str(error)
            text = f"port {port} on {HOST} cannot be used for HTTP ({cause}); choose another, or 0 for a free one"
            raise EmulatorError(text) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop at once; calls under way are cancelled."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._connections):
                connection.abort()
            await self._server.wait_closed()
            self._server = None

    async def _answer(self, head: h11.Request, body: bytes) -> tuple[int, bytes]:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        url = urlsplit(target)
        host = dict(head.headers).get(b"host", b"").decode("ascii", "replace")
        name = re.sub(r":\d*$", "", host).lower()
        if not _LOOPBACK.fullmatch(name):
            # A web page that points its own name at 127.0.0.1 must not reach the control endpoint.
            return _json(400, {"error": {"code": 400, "message": f"Host must be a loopback name, got {host!r}."}})
        verbs = []
        for api in self._apis:
            for route in api.ROUTES:
                params = route.match(url.path)
                if params is None:
                    continue
                if route.verb == method:
                    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                    return await self._run(api, route, HttpRequest(method, url.path, params, query, body, name))
                verbs.append(route.verb)
        if verbs:
            text = f"The method {method} is not allowed on {url.path}; allowed: {', '.join(sorted(verbs))}."
            return _json(405, {"error": {"code": 405, "message": text}})
        return _json(*not_found(f"The requested URL {url.path} was not found on this server.").http())

    async def _run(self, api: HttpApi, route: Route, request: HttpRequest) -> tuple[int, bytes]:
        resource = api.resource_of(request)
        try:
            fault = None
            if api.API is not None:
                fault = await self._cloud.admit(api.API, route.handler, route.rule, resource)
            if fault is not None and fault.garbage:
                return 200, b'{"kind": "\xff\xfe'
            reply = await getattr(api, route.handler)(request)
            if fault is not None and fault.lost:
                raise _LostReplyError
        except ApiError as error:
            return _json(*api.error(error))
        except _LostReplyError:
            raise
        except Exception:  # noqa: BLE001 - a bug in one API must not end the connection
            _log.exception("%s %s failed", request.method, request.path)
            return _json(*ApiError(grpc.StatusCode.INTERNAL, "Internal error encountered.").http())
        return _json(reply.status, reply.document) if isinstance(reply, HttpReply) else _json(200, reply)


def _json(status: int, document: Any) -> tuple[int, bytes]:
    return status, json.dumps(document).encode()


class _Connection(asyncio.Protocol):
    """One client: requests one after the other, kept alive between them."""

    def __init__(self, answer: Any, registry: set[_Connection], now: Callable[[], float]) -> None:
        self._answer = answer
        self._registry = registry
        self._now = now
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = typing.cast(asyncio.Transport, transport)
        self._registry.add(self)
        self._restart_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        if self._task is not None:
            self._task.cancel()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._restart_idle()
        self._http.receive_data(data)
        self._advance()

    def eof_received(self) -> bool | None:
        return None

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _restart_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._close_idle)

    def _close_idle(self) -> None:
        if self._task is None:
            self.abort()

    def _advance(self) -> None:
        """Read events until a whole request is there, or more data is needed."""
        try:
            while self._task is None:
                event = self._http.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return
                if isinstance(event, h11.Request):
                    self._head = event
                    self._body.clear()
                    self._expect()
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MAX_BODY:
                        self._refuse(413, f"The request is larger than {MAX_BODY} bytes.")
                        return
                elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                    self._task = asyncio.get_running_loop().create_task(self._handle(self._head, bytes(self._body)))
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, f"Bad request: {error}")

    def _expect(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _send(self, *events: h11.Event) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for event in events:
            data = self._http.send(event)
            if data:
                self._transport.write(data)

    def _reply(self, status: int, body: bytes, *, close: bool = False) -> None:
        headers = [
            ("content-type", "application/json; charset=UTF-8"),
            ("content-length", str(len(body))),
            ("date", http_date(self._now())),
        ]
        if close:
            headers.append(("connection", "close"))
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        self._send(
            h11.Response(status_code=status, headers=headers, reason=reason.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )

    def _refuse(self, status: int, text: str) -> None:
        with contextlib.suppress(h11.LocalProtocolError):
            self._reply(*_json(status, {"error": {"code": status, "message": text}}), close=True)
        if self._transport is not None:
            self._transport.close()

    async def _handle(self, head: h11.Request, body: bytes) -> None:
        try:
            status, reply = await self._answer(head, body)
        except _LostReplyError:
            self.abort()
            return
        self._reply(status, reply)
        self._task = None
        if self._transport is None:
            return
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._advance()
