"""Plain endpoints may stand on this machine only."""

from __future__ import annotations

import pytest

from brconsole.gcp.endpoint import Endpoint, EndpointError, http_side, parse


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:8085", "127.0.0.1", 8085, "127.0.0.1:8085"),
        ("127.8.9.10:1", "127.8.9.10", 1, "127.8.9.10:1"),
        ("[::1]:65535", "::1", 65535, "[::1]:65535"),
        ("LocalHost:8085", "LocalHost", 8085, "LocalHost:8085"),
    ],
)
def test_loopback_addresses_are_taken(text: str, host: str, port: int, shown: str) -> None:
    assert parse(text) == Endpoint(host, port)
    assert str(parse(text)) == shown


@pytest.mark.parametrize(
    "text", ["10.0.0.1:80", "0.0.0.0:80", "[::]:80", "run.googleapis.com:443", "127.0.0.1.nip.io:80"]
)
def test_any_other_address_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(EndpointError, match=r"--endpoint: found .* allowed are loopback addresses \(127\.0\.0\.0/8"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "8085", "127.0.0.1", "127.0.0.1:", "::1:8085", ":8085", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:٣"],
)
def test_what_is_no_address_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(EndpointError, match="--http-endpoint: found"):
        parse(text, "--http-endpoint")


def test_the_refusal_of_a_hostile_address_is_printable() -> None:
    with pytest.raises(EndpointError) as raised:
        parse("\x1b[31m" + "h" * 5000 + ":80")

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


def test_the_http_side_is_the_port_after_unless_it_is_named() -> None:
    assert http_side(Endpoint("::1", 8085), None) == Endpoint("::1", 8086)
    assert http_side(Endpoint("::1", 8085), "127.0.0.1:9") == Endpoint("127.0.0.1", 9)
    with pytest.raises(EndpointError, match="no port after 65535"):
        http_side(Endpoint("::1", 65535), None)
