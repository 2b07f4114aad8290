"""Where a plain (unencrypted) Google API endpoint may stand: on this machine only. Standard library only, so the
command line can check it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_HIGHEST_PORT = 65_535


class EndpointError(ValueError):
    """An address that cannot be used, in a sentence that names the flag, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A loopback address: host (a name, IPv4 or bare IPv6 address) and port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written on the command line and in a channel's target."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def next_port(self) -> Endpoint:
        """The default place of the HTTP side: the port after."""
        return Endpoint(self.host, self.port + 1)


def parse(text: str, flag: str = "--endpoint") -> Endpoint:
    """Read `HOST:PORT`; raises EndpointError for what is no address and for anything but loopback.

    A plain channel sends everything in the clear and checks nobody's identity, so it may not leave the machine.
    """
    host, colon, port_text = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not host or (":" in host and not bracketed):
        raise EndpointError(f"{flag}: found {_shown(text)}, allowed is HOST:PORT such as 127.0.0.1:8085 or [::1]:8085")
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text) <= _HIGHEST_PORT):
        raise EndpointError(f"{flag}: found port {_shown(port_text)}, allowed is a number from 1 to {_HIGHEST_PORT}")
    if not _is_loopback(host):
        raise EndpointError(
            f"{flag}: found {_shown(host)}, allowed are loopback addresses (127.0.0.0/8, [::1], localhost):"
            " the channel is plain and may not leave this machine"
        )
    return Endpoint(host, int(port_text))


def http_side(endpoint: Endpoint, text: str | None, flag: str = "--http-endpoint") -> Endpoint:
    """The HTTP side that goes with an endpoint: as given, else the port after."""
    if text is not None:
        return parse(text, flag)
    if endpoint.port == _HIGHEST_PORT:
        raise EndpointError(f"{flag}: there is no port after {endpoint.port}; name the HTTP side")
    return endpoint.next_port()


def _is_loopback(host: str) -> bool:
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(text: str) -> str:
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:79] + "…"
