"""A pass-through between the console and the embedded Google Cloud that notes every call."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
import h11
import httpx

LARGEST_MESSAGE = 64 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
]


@dataclass(frozen=True)
class HttpCall:
    """One HTTP request as sent."""

    method: str
    target: str
    body: bytes


@dataclass
class Calls:
    """What went through: gRPC calls as (method path, request bytes), and HTTP requests."""

    grpc: list[tuple[str, bytes]] = field(default_factory=list)
    http: list[HttpCall] = field(default_factory=list)

    def by_method(self) -> Counter[str]:
        """How often each gRPC method was called."""
        return Counter(path for path, _ in self.grpc)

    def clear(self) -> None:
        """Forget everything."""
        self.grpc.clear()
        self.http.clear()


def _as_it_is(data: bytes) -> bytes:
    return data


class _Forward(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.aio.Channel, calls: Calls) -> None:
        self._channel = channel
        self._calls = calls

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        path: str = details.method
        metadata = details.invocation_metadata

        async def forward(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            self._calls.grpc.append((path, request))
            call = self._channel.unary_unary(path, _as_it_is, _as_it_is)(
                request, metadata=[(key, value) for key, value in metadata if not key.startswith("grpc-")]
            )
            try:
                reply: bytes = await call
            except grpc.aio.AioRpcError as error:
                context.set_trailing_metadata([(key, value) for key, value in error.trailing_metadata() or ()])
                await context.abort(error.code(), error.details() or "")
                raise
            return reply

        return grpc.unary_unary_rpc_method_handler(forward)


class Recorder:
    """Listens on two free loopback ports and forwards to `endpoint` and `http_endpoint` (HOST:PORT)."""

    def __init__(self, endpoint: str, http_endpoint: str) -> None:
        self.calls = Calls()
        self._upstream = endpoint
        self._http_upstream = http_endpoint

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._upstream, options=_OPTIONS)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Forward(self._channel, self.calls),))
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        self._http = await asyncio.start_server(self._serve_http, "127.0.0.1", 0)
        self.http_endpoint = f"127.0.0.1:{self._http.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        await self._server.stop(grace=0)
        await self._channel.close(grace=None)

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        async with httpx.AsyncClient(base_url=f"http://{self._http_upstream}", timeout=60) as client:
            try:
                while (call := await self._read_call(connection, reader)) is not None:
                    self.calls.http.append(call)
                    reply = await client.request(
                        call.method, call.target, content=call.body, headers={"content-type": "application/json"}
                    )
                    kept = [(name, reply.headers[name]) for name in ("content-type", "date") if name in reply.headers]
                    head = h11.Response(
                        status_code=reply.status_code, headers=[*kept, ("content-length", str(len(reply.content)))]
                    )
                    for event in (head, h11.Data(reply.content), h11.EndOfMessage()):
                        writer.write(connection.send(event) or b"")
                    await writer.drain()
                    connection.start_next_cycle()
            except (h11.ProtocolError, ConnectionError):
                pass
            finally:
                writer.close()

    async def _read_call(self, connection: h11.Connection, reader: asyncio.StreamReader) -> HttpCall | None:
        """The next request of a connection, None at its end."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body.extend(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return HttpCall(head.method.decode(), head.target.decode(), bytes(body))
            else:
                return None
