"""Small servers of Google's APIs over real sockets, which know nothing of the embedded Google Cloud.

They prove that the adapters use nothing that only our emulator offers, and they can be as wrong as a test needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest

from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.operations.ports import Clock, Cloud
from brconsole.wiring import ConnectionOptions, open_cloud

TABLE = "bytereview-billing.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819"
ENVIRONMENT = Environment(
    "prod", "bytereview-prod", "us-central1", budget=BudgetSettings(10_000, "USD", "01A2B3-C4D5E6-F70819", TABLE)
)

Answer = Callable[[Any, grpc.aio.ServicerContext], Any]
HttpAnswer = Callable[[str, str, bytes], "HttpReply | Awaitable[HttpReply]"]


@dataclass
class HttpReply:
    """What the HTTP side answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: object, status: int = 200, **headers: str) -> HttpReply:
        """A JSON document."""
        return cls(status, json.dumps(document).encode(), headers)


def not_found(_method: str, _path: str, _body: bytes) -> HttpReply:
    """What the HTTP side of a plain server answers to what it does not know."""
    return HttpReply.of({"error": {"code": 404, "message": "no such path", "status": "NOT_FOUND"}}, 404)


class PlainGoogle(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server of whatever RPCs a test gives it; everything else is UNIMPLEMENTED."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.http: HttpAnswer = not_found
        self.http_calls: list[tuple[str, str, bytes]] = []
        self.port = 0
        self.http_port = 0
        self._server: grpc.aio.Server | None = None
        self._answers: dict[str, tuple[type[Any], Answer]] = {}

    async def starts(self) -> None:
        """Listen on its port, at first a free one."""
        self._server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stops(self) -> None:
        """Close its port; calls under way are ended."""
        assert self._server is not None
        await self._server.stop(None)

    def on(self, path: str, request: type[Any], answer: Answer) -> None:
        """Answer an RPC: `answer(request, context)` gives a proto-plus message or raw bytes, or aborts."""
        self._answers[path] = (request, answer)

    def requests(self, method: str) -> list[Any]:
        """The requests received of a method."""
        return [request for path, request in self.calls if path.endswith(f"/{method}")]

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of one call."""
        path = handler_call_details.method
        if path not in self._answers:
            return None
        kind, answer = self._answers[path]

        async def handle(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
            request = kind.deserialize(data) if hasattr(kind, "deserialize") else kind.FromString(data)
            self.calls.append((path, request))
            reply = answer(request, context)
            if asyncio.iscoroutine(reply):
                reply = await reply
            if isinstance(reply, bytes):
                return reply
            serialised: bytes = (
                type(reply).serialize(reply) if hasattr(type(reply), "serialize") else reply.SerializeToString()
            )
            return serialised

        return grpc.unary_unary_rpc_method_handler(handle)

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One HTTP/1.1 request a connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            length = next(
                (int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0
            )
            body = await reader.readexactly(length)
            self.http_calls.append((method, path, body))
            answer = self.http(method, path, body)
            reply = answer if isinstance(answer, HttpReply) else await answer
            headers = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
            lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + reply.body)
            await writer.drain()
        writer.close()

    @property
    def options(self) -> ConnectionOptions:
        """How to reach it."""
        return ConnectionOptions(f"127.0.0.1:{self.port}", f"127.0.0.1:{self.http_port}")


@pytest.fixture
async def google() -> AsyncIterator[PlainGoogle]:
    """A plain server on free ports."""
    plain = PlainGoogle()
    await plain.starts()
    http = await asyncio.start_server(plain.serve_http, "127.0.0.1", 0)
    plain.http_port = http.sockets[0].getsockname()[1]
    yield plain
    http.close()
    await plain.stops()


Connect = Callable[..., Awaitable[tuple[Cloud, Clock]]]


@pytest.fixture
async def connect(google: PlainGoogle) -> AsyncIterator[Connect]:
    """Opens the ports of prod on the plain server: `cloud, clock = await connect(deadline_s=0.5)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_ports(
            deadline_s: float = 8.0, environment: Environment = ENVIRONMENT, synchronise: bool = True
        ) -> tuple[Cloud, Clock]:
            options = ConnectionOptions(google.options.endpoint, google.options.http_endpoint, deadline_s)
            cloud, clock = await stack.enter_async_context(open_cloud(environment, options))
            if synchronise:
                await clock.synchronise()
            return cloud, clock

        yield open_ports


@pytest.fixture
def end() -> datetime:
    """A closed minute."""
    return datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.fixture
def reply() -> Callable[..., HttpReply]:
    """Makes what the HTTP side answers: `reply(document, status=200, **headers)`."""
    return HttpReply.of


@pytest.fixture
def unused_tcp_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
