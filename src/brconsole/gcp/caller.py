"""One call: within the console's share of the quota, under a deadline that covers retries and pages, counted, its
errors explained.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core import exceptions
from google.api_core.retry_async import AsyncRetry

from brconsole.gcp import errors
from brconsole.gcp.apis import Method
from brconsole.gcp.connection import Connection
from brconsole.gcp.quota import Lane, Quota

if TYPE_CHECKING:
    import httpx

DEADLINE_S = 8.0
"""For a call with its retries and pages (DESIGN §8.15), in real seconds."""
_RETRY_SHARE = 0.5
_LONGEST_RETRY_S = 2.0
"""Retries are for a hiccup. They end early enough for the cause, not the deadline, to be what is reported, and the
poller asks again anyway."""

_OK = 200
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_HTTP_UNAVAILABLE = (502, 503)

T = TypeVar("T")


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, errors.ApiRefusalError):
        return error.status in _HTTP_UNAVAILABLE
    return isinstance(error, exceptions.ServiceUnavailable | ConnectionError)


class Call:
    """A call under way. `options` are the keyword arguments of a generated client's method that reads."""

    def __init__(self, caller: Caller, method: Method, ends: float) -> None:
        self._caller = caller
        self._method = method
        self._ends = ends

    async def client(self, kind: type[T]) -> T:
        """The client of a class."""
        return await self._caller.connection.client(kind)

    @property
    def options(self) -> dict[str, Any]:
        """The deadline and the retry."""
        return {"timeout": self.left_s, "retry": self.retry}

    @property
    def retry(self) -> AsyncRetry:
        """Google's own retry, on UNAVAILABLE only: every method called here reads and can be repeated."""
        return AsyncRetry(
            predicate=_is_unavailable,
            initial=0.2,
            maximum=1.0,
            multiplier=2.0,
            timeout=min(_LONGEST_RETRY_S, self.left_s * _RETRY_SHARE),
        )

    @property
    def left_s(self) -> float:
        """Real seconds until the deadline, a little more than none at least."""
        return max(0.001, self._ends - asyncio.get_running_loop().time())

    async def pages(self, pager: Any) -> AsyncIterator[Any]:
        """The raw protobuf pages of a list, each further one within the quota."""
        async for page in pager.pages:
            raw = type(parsed(page)).pb(page)
            yield raw
            if raw.next_page_token:
                await self.next_page()

    async def next_page(self) -> None:
        """Wait until the quota allows a further page. Pages are counted apart from calls."""
        await self._caller.quota.acquire(self._method.api, self.left_s)
        self._caller.quota.paged()

    async def rest(
        self, verb: str, host: str, path: str, *, headers: Mapping[str, str] = _NO_HEADERS, **content: Any
    ) -> httpx.Response:
        """One REST request, sent once, to a path of what Google serves on `host`; `content` is httpx's.

        Raises ApiRefusalError for an answer that is no success, NotSentError where nothing can have arrived and
        ConnectionError where that is not known.
        """
        import httpx

        client = await self._caller.connection.http()
        who = await self._caller.connection.authorization()
        try:
            url = self._caller.connection.rest(host) + path
            response = await client.request(verb, url, headers={**headers, **who}, **content)
        except (httpx.DecodingError, httpx.TooManyRedirects) as error:
            raise errors.UnreadableReplyError("it is no HTTP answer") from error
        except httpx.ConnectError as error:
            raise errors.NotSentError(str(error) or type(error).__name__) from error
        except httpx.HTTPError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        if response.status_code != _OK:
            raise errors.refusal(response.status_code, response.content, response.headers.get("retry-after"))
        return response


class Caller:
    """Makes the calls of one environment."""

    def __init__(self, connection: Connection, quota: Quota, project: str, deadline_s: float = DEADLINE_S) -> None:
        self.connection = connection
        self.quota = quota
        self._project = project
        self.deadline_s = deadline_s

    @asynccontextmanager
    async def call(self, method: Method, resource: str, lane: Lane = Lane.READ) -> AsyncIterator[Call]:
        """The scope of one call. Whatever goes wrong in it, reading the reply included, leaves it as SourceFailure.

        `lane` says whose share of the quota it takes from; no lane waits for another.
        """
        ends = asyncio.get_running_loop().time() + self.deadline_s
        try:
            async with asyncio.timeout_at(ends):
                await self.quota.acquire(method.api, self.deadline_s, lane)
                self.quota.called(method.api)
                yield Call(self, method, ends)
        except errors.CAUGHT as error:
            raise self._failure(error, method, resource) from error

    @contextmanager
    def reading(self, method: Method, resource: str) -> Iterator[None]:
        """The scope of reading a reply after its call; an answer that is not as documented leaves it as
        SourceFailure.
        """
        try:
            yield
        except errors.CAUGHT as error:
            raise self._failure(error, method, resource) from error

    def _failure(self, error: Exception, method: Method, resource: str) -> Exception:
        situation = errors.Situation(method, resource, self.connection.address(method), self.deadline_s, self._project)
        return errors.failure(error, situation)


def parsed(reply: T | None) -> T:
    """A reply that grpc could read: its asyncio client answers None for bytes that are no such message."""
    if reply is None:
        raise errors.UnreadableReplyError("it is no such message")
    return reply
