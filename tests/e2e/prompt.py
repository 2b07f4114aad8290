"""The command line in the test's own process, pointed at an embedded cloud, and what is seen of it from beside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

# Found by conftest.py.
from embedded import EmbeddedCloud

from brconsole.cli import entry
from brconsole.config import locations
from brconsole.operations.journal import Journal

STABLE, CANARY = "api-00041-zq8", "api-00042-qv9"
"""The revisions of prod's api in the scenarios with a candidate."""


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one line of JSON."""
        (line,) = self.out.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


@dataclass
class Prompt:
    """The command line, pointed at one embedded cloud."""

    cloud: EmbeddedCloud
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Ended:
        self.capsys.readouterr()
        status = entry.run([*words, *endpoint(self.cloud)])
        told = self.capsys.readouterr()
        return Ended(status, told.out, told.err)

    def split(self, environment: str, service: str) -> dict[str, int]:
        """What is served."""
        serving: dict[str, int] = self("release", "status", environment, service, "--json").document["serving"]
        return serving


def endpoint(cloud: EmbeddedCloud) -> tuple[str, ...]:
    """The options that lead a command to a cloud."""
    options = cloud.options(8.0)
    assert options.endpoint is not None
    assert options.http_endpoint is not None
    return "--endpoint", options.endpoint, "--http-endpoint", options.http_endpoint


def put_world(cloud: EmbeddedCloud, **fault: Any) -> None:
    """Something goes wrong in the simulated world."""
    answer = httpx.put(f"http://{cloud.options(8.0).http_endpoint}/control/world", json=fault, trust_env=False)
    answer.raise_for_status()


def put_faults(cloud: EmbeddedCloud, *faults: dict[str, Any]) -> None:
    """Put faults of the APIs in place of those in force."""
    answer = httpx.put(f"http://{cloud.options(8.0).http_endpoint}/control/faults", json=faults, trust_env=False)
    answer.raise_for_status()


def generation(cloud: EmbeddedCloud) -> int:
    """Grows by one with each write of the service that is accepted."""
    found = httpx.get(_api_of_prod(cloud), trust_env=False)
    found.raise_for_status()
    counted: int = found.json()["metadata"]["generation"]
    return counted


def move_by_hand(cloud: EmbeddedCloud, split: dict[str, int]) -> None:
    """Somebody without a console moves the traffic of prod's api."""
    found = httpx.get(_api_of_prod(cloud), trust_env=False).json()
    found["spec"]["traffic"] = [{"revisionName": name, "percent": share} for name, share in split.items()]
    httpx.put(_api_of_prod(cloud), json=found, trust_env=False).raise_for_status()


def _api_of_prod(cloud: EmbeddedCloud) -> str:
    path = "apis/serving.knative.dev/v1/namespaces/bytereview-prod/services/api"
    return f"http://{cloud.options(8.0).http_endpoint}/{path}"


def kept(cloud: EmbeddedCloud) -> Journal:
    """This machine's journal of a cloud."""
    address = str(cloud.options(8.0).endpoint).replace(":", "_")
    return Journal(locations.state_folder() / "endpoints" / address)
