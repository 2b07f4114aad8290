"""Channels and credentials: one plain channel to a loopback address, or Google's own endpoints with Application Default
Credentials.

Adapters ask for a client by its class and cannot tell which of the two they stand on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc.aio

from brconsole.gcp.apis import BIGQUERY, Method
from brconsole.gcp.endpoint import Endpoint
from brconsole.gcp.http import http_client

if TYPE_CHECKING:
    import httpx
    from google.auth.credentials import Credentials

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""The only scope that Cloud Run Admin v2 documents; what the account may do is a matter of IAM."""

_MEGABYTE = 1024 * 1024
_OPTIONS: tuple[tuple[str, int], ...] = (
    # gRPC's 4 MB are a thousand revisions; a list of the largest fleet on one page has room.
    ("grpc.max_receive_message_length", 128 * _MEGABYTE),
    ("grpc.max_metadata_size", 64 * 1024),
    # gRPC waits up to two minutes between attempts to connect: too long for a console after a network came back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # A laptop that slept holds dead connections; found out within a call's deadline.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5000),
)

ClientT = TypeVar("ClientT")


class Connection(Protocol):
    """Where calls go."""

    async def client(self, kind: type[ClientT]) -> ClientT:
        """The one client of a class (a generated `*AsyncClient`), made at first use."""

    async def http(self) -> httpx.AsyncClient:
        """A client for what Google serves by REST only; its base address is BigQuery's."""

    async def authorization(self) -> dict[str, str]:
        """The headers that say who asks over REST."""

    def rest(self, host: str) -> str:
        """What goes before the path of a REST API that Google serves on `host`."""

    def address(self, method: Method) -> str:
        """Where a method is asked, for a sentence about it."""

    def addresses(self) -> tuple[str, ...]:
        """Where the console asks, for a person."""

    async def identity(self) -> str:
        """Who asks."""

    async def close(self) -> None:
        """End all channels; calls under way are cancelled."""


class PlainConnection:
    """One plain channel to a loopback address for all gRPC APIs, and the HTTP side beside it."""

    def __init__(self, endpoint: Endpoint, http_endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http_endpoint = http_endpoint
        self._channel: grpc.aio.Channel | None = None
        self._clients: dict[type[Any], Any] = {}
        self._http: httpx.AsyncClient | None = None

    async def client(self, kind: type[ClientT]) -> ClientT:
        """See Connection."""
        if kind not in self._clients:
            if self._channel is None:
                options = (*_OPTIONS, ("grpc.enable_http_proxy", 0))
                self._channel = grpc.aio.insecure_channel(str(self._endpoint), options=options)
            self._clients[kind] = _client_on(kind, self._channel)
        made: ClientT = self._clients[kind]
        return made

    async def http(self) -> httpx.AsyncClient:
        """See Connection."""
        if self._http is None:
            self._http = http_client(f"http://{self._http_endpoint}", plain=True)
        return self._http

    async def authorization(self) -> dict[str, str]:
        """See Connection."""
        return {}

    def rest(self, host: str) -> str:
        """See Connection. One address stands for all hosts."""
        return ""

    def address(self, method: Method) -> str:
        """See Connection."""
        return str(self._http_endpoint if method.rest else self._endpoint)

    def addresses(self) -> tuple[str, ...]:
        """See Connection."""
        return str(self._endpoint), f"http://{self._http_endpoint}"

    async def identity(self) -> str:
        """See Connection."""
        return f"nobody (plain channel to {self._endpoint})"

    async def close(self) -> None:
        """See Connection."""
        if self._channel is not None:
            await self._channel.close(None)
        if self._http is not None:
            await self._http.aclose()


class GoogleConnection:
    """Each API's own endpoint, with Application Default Credentials that are looked for at the first call."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._credentials: asyncio.Task[Credentials] | None = None
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._clients: dict[type[Any], Any] = {}
        self._http: httpx.AsyncClient | None = None

    async def client(self, kind: type[ClientT]) -> ClientT:
        """See Connection."""
        if kind not in self._clients:
            host: str = kind.DEFAULT_ENDPOINT  # type: ignore[attr-defined]
            credentials = await self._found_credentials()
            if host not in self._channels:
                self._channels[host] = _secure_channel(host, credentials)
            self._clients.setdefault(kind, _client_on(kind, self._channels[host]))
        made: ClientT = self._clients[kind]
        return made

    async def http(self) -> httpx.AsyncClient:
        """See Connection."""
        if self._http is None:
            self._http = http_client(f"https://{BIGQUERY.host}", plain=False)
        return self._http

    async def authorization(self) -> dict[str, str]:
        """See Connection. google.auth refreshes a token by a blocking call, so it does so in a thread."""
        from google.auth.transport.requests import Request

        credentials = await self._found_credentials()
        if not credentials.valid:
            await asyncio.to_thread(credentials.refresh, Request())
        return {"authorization": f"Bearer {credentials.token}", **_quota_header(credentials)}

    def rest(self, host: str) -> str:
        """See Connection."""
        return f"https://{host}"

    def address(self, method: Method) -> str:
        """See Connection."""
        return method.api.host

    def addresses(self) -> tuple[str, ...]:
        """See Connection."""
        return ("*.googleapis.com",)

    async def identity(self) -> str:
        """See Connection."""
        credentials = await self._found_credentials()
        for name in ("service_account_email", "signer_email", "account"):
            account = getattr(credentials, name, None)
            if isinstance(account, str) and account and account != "default":
                return account
        return "a person (Application Default Credentials do not say who)"

    async def close(self) -> None:
        """See Connection."""
        if self._credentials is not None:
            self._credentials.cancel()
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))
        if self._http is not None:
            await self._http.aclose()

    async def _found_credentials(self) -> Credentials:
        # One search for all callers, since off Google Cloud it asks an absent metadata server and waits; a failed one
        # is not kept.
        if self._credentials is None or (
            self._credentials.done() and (self._credentials.cancelled() or self._credentials.exception() is not None)
        ):
            self._credentials = asyncio.create_task(asyncio.to_thread(_default_credentials, self._project))
        return await asyncio.shield(self._credentials)


def _default_credentials(project: str) -> Credentials:
    import google.auth
    from google.oauth2.credentials import Credentials as PersonCredentials

    found, _ = google.auth.default(scopes=SCOPES)
    # A person's login belongs to no project, and several APIs refuse calls that no project is charged for.
    if isinstance(found, PersonCredentials) and not found.quota_project_id:
        found = found.with_quota_project(project)
    credentials: Credentials = found
    return credentials


def _quota_header(credentials: Credentials) -> dict[str, str]:
    project = getattr(credentials, "quota_project_id", None)
    return {"x-goog-user-project": project} if isinstance(project, str) else {}


def _secure_channel(host: str, credentials: Credentials) -> grpc.aio.Channel:
    from google.api_core import grpc_helpers_async

    channel: grpc.aio.Channel = grpc_helpers_async.create_channel(
        f"{host}:443", credentials=credentials, options=_OPTIONS
    )
    return channel


def _client_on(kind: type[ClientT], channel: grpc.aio.Channel) -> ClientT:
    transport = kind.get_transport_class("grpc_asyncio")  # type: ignore[attr-defined]
    return kind(transport=transport(channel=channel))  # type: ignore[call-arg]
