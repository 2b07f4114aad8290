"""The yardstick of `status`: the same calls with Google's clients, one after the other, as a script would make them.

    python -m bench.one_after_the_other ENDPOINT HTTP_ENDPOINT CALLS.json

CALLS.json holds what `status` sent: {"grpc": [[method path, request in base64]…], "http": [[method, target, body]…]}.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import httpx

from bench.google_clients import call_name, client, request
from bench.recorder import LARGEST_MESSAGE


def main(endpoint: str, http_endpoint: str, calls_file: str) -> None:
    """Make the calls; print how many items came."""
    calls = json.loads(Path(calls_file).read_text())
    channel = grpc.insecure_channel(endpoint, options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)])
    clients: dict[str, Any] = {}
    items = 0
    for method, target, body in calls["http"]:
        items += len(httpx.request(method, f"http://{http_endpoint}{target}", content=body, timeout=60).json())
    for path, encoded in calls["grpc"]:
        _, service, name = path.split("/")
        if service not in clients:
            clients[service] = client(service, channel)
        message = request(path, base64.b64decode(encoded))
        if getattr(message, "page_token", ""):
            continue  # the pager of the first page follows
        answer = getattr(clients[service], call_name(name))(request=message)
        items += sum(1 for _ in answer) if hasattr(answer, "pages") else 1
    print(items)


if __name__ == "__main__":
    main(*sys.argv[1:])
