"""An embedded Google Cloud as a process of its own, for the measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Addresses:
    """Where it listens."""

    endpoint: str
    http_endpoint: str


@contextmanager
def simulation(*options: str) -> Iterator[Addresses]:
    """`brconsole simulate` with options on free ports; ended with the block."""
    command = [sys.executable, "-m", "brconsole", "simulate", "--port", "0", "--http-port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--until-stdin-closes", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        addresses = json.loads(child.stdout.readline())
        try:
            yield Addresses(addresses["endpoint"], addresses["http_endpoint"])
        finally:
            child.terminate()
