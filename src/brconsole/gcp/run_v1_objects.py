"""What every kind of object has in the Cloud Run Admin API v1: it is read whole, and replaced under its
`resourceVersion` (reference/google-cloud-facts.md §2). Google serves it on a host of the region.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from brconsole.gcp.apis import RUN, Method
from brconsole.gcp.caller import Caller
from brconsole.gcp.quota import Lane

if TYPE_CHECKING:
    import httpx

Document = TypeVar("Document")


class V1Objects(Generic[Document]):
    """The two calls for one kind of object, for one region.

    `folder` is the path that a name is put behind; `read` makes the document of an answer, and what it raises counts as
    a reply that cannot be read.
    """

    def __init__(
        self,
        caller: Caller,
        region: str,
        folder: str,
        getting: Method,
        replacing: Method,
        read: Callable[[httpx.Response], Document],
    ) -> None:
        self._caller = caller
        self._host = f"{region}-{RUN.host}"
        self._folder = folder
        self._getting = getting
        self._replacing = replacing
        self._read = read

    async def get(self, name: str, resource: str) -> Document:
        """The live object; `resource` names it in an error."""
        async with self._caller.call(self._getting, resource) as call:

            async def attempt() -> httpx.Response:
                return await call.rest("GET", self._host, self._path(name))

            return self._read(await call.retry(attempt)())

    async def replace(self, name: str, content: Mapping[str, Any], resource: str, lane: Lane = Lane.WRITE) -> Document:
        """Put an object in place of the live one, if its version still is the live one. Sent once."""
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        async with self._caller.call(self._replacing, resource, lane) as call:
            headers = {"content-type": "application/json"}
            return self._read(await call.rest("PUT", self._host, self._path(name), content=body, headers=headers))

    def _path(self, name: str) -> str:
        return self._folder + quote(name, safe="")
