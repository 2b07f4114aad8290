"""Method path → message types, taken from Google's own clients.

A gRPC server needs to know which message a method takes. The client's transport knows: it is given a channel that
records instead of calling, every stub is made once, and the request type stands in the stub's annotation. So nothing is
typed in, and a method that appears in a new release of a client is known at once.
"""

from __future__ import annotations

import collections.abc
import contextlib
import typing
from dataclasses import dataclass
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its path `/service/name` and the message classes (proto-plus or protobuf) of both directions."""

    path: str
    request: type[Any]
    response: type[Any] | None
    """None where the client reads no message (WaitOperation of some transports)."""
    streaming: bool

    @property
    def service(self) -> str:
        """The full service name, such as `google.cloud.run.v2.Services`."""
        return self.path.split("/")[1]

    @property
    def name(self) -> str:
        """The RPC's name, such as `ListServices`."""
        return self.path.split("/")[2]


class _RecordedError(Exception):
    """Raised by a recorded stub in place of the call."""


class _Stub:
    """A stub that, called, tells its channel which method it stands for."""

    def __init__(self, record: collections.abc.Callable[[], None]) -> None:
        self._record = record

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        self._record()
        raise _RecordedError

    with_call = future = __call__


class _RecordingChannel(grpc.Channel):
    """A channel that remembers the method last called on it."""

    def __init__(self) -> None:
        self._seen: tuple[str, type[Any] | None, bool] | None = None

    def last(self) -> tuple[str, type[Any] | None, bool] | None:
        """The method last called: path, response type, whether it streams."""
        return self._seen

    def forget(self) -> None:
        """Nothing was called."""
        self._seen = None

    def _record(self, method: str, deserializer: Any, streaming: bool) -> Any:
        response = getattr(deserializer, "__self__", None)
        seen = (method, response if isinstance(response, type) else None, streaming)

        def remember() -> None:
            self._seen = seen

        return _Stub(remember)

    def unary_unary(self, method: str, *serializers: Any, **named: Any) -> Any:
        return self._record(method, _deserializer(serializers, named), streaming=False)

    def unary_stream(self, method: str, *serializers: Any, **named: Any) -> Any:
        return self._record(method, _deserializer(serializers, named), streaming=True)

    stream_unary = stream_stream = unary_stream

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        raise NotImplementedError

    def unsubscribe(self, callback: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        return None


def _deserializer(serializers: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return named.get("response_deserializer", serializers[1] if len(serializers) > 1 else None)


def recorded_methods(transport: type[Any]) -> dict[str, Method]:
    """Path → method for every stub of a `*GrpcTransport`, its mixins (operations, locations) included."""
    channel = _RecordingChannel()
    instance = transport(channel=channel)
    methods: dict[str, Method] = {}
    for name in dir(transport):
        attribute = getattr(transport, name)
        annotation = getattr(getattr(attribute, "fget", None), "__annotations__", {}).get("return")
        if typing.get_origin(annotation) is not collections.abc.Callable:
            continue
        channel.forget()
        stub = getattr(instance, name)
        # The transport wraps its channel in an interceptor that makes the real stub only when it is called.
        with contextlib.suppress(_RecordedError):
            stub(None)
        if (seen := channel.last()) is None:
            continue
        path, response, streaming = seen
        methods[path] = Method(path, typing.get_args(annotation)[0][0], response, streaming)
    return methods
