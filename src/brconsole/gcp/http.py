"""HTTP clients, for what Google serves by REST only and for the simulation's clock."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


BACKSTOP_S = 120.0
"""Real seconds after which a connection is given up whatever happens; a call's own deadline ends it long before."""


def http_client(base: str, *, plain: bool) -> httpx.AsyncClient:
    """A client for one host. Every call stands under its caller's own deadline.

    A plain one (http on loopback) goes through no proxy and trusts no certificate, which also spares the reading of
    all those that the machine trusts.
    """
    import httpx

    if plain:
        nothing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncClient(base_url=base, timeout=BACKSTOP_S, trust_env=False, verify=nothing)
    return httpx.AsyncClient(base_url=base, timeout=BACKSTOP_S)
