"""The real gcloud on the embedded Cloud Run: what a colleague would type beside the console.

gcloud puts the region before the host name of its endpoint, which no resolver knows; as its HTTP proxy the embedded
cloud is found under any name. Skipped where gcloud is not installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from brconsole.emulator.composition import Emulator

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")

Gcloud = Callable[..., Awaitable[tuple[int, Any, str]]]


@pytest.fixture
def gcloud(tmp_path: Path) -> Gcloud:
    """Runs gcloud on an embedded cloud: `status, document, told = await gcloud(cloud, "services", "list")`."""

    async def run(cloud: Emulator, *words: str) -> tuple[int, Any, str]:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": "bytereview-prod",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": "http://run.localhost/",
            "CLOUDSDK_PROXY_TYPE": "http",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(cloud.http_port),
        }
        assert GCLOUD is not None
        process = await asyncio.create_subprocess_exec(
            GCLOUD,
            "run",
            *words,
            "--format=json",
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(120):
            out, err = await process.communicate()
        return process.returncode or 0, json.loads(out) if out.strip() else None, err.decode()

    return run


async def test_gcloud_lists_describes_and_moves_traffic(
    emulator: Callable[..., Awaitable[Emulator]], gcloud: Gcloud
) -> None:
    cloud = await emulator(speed=60.0, scenario="release-ready")
    region = "--region=us-central1"

    (_, services, _), (_, revisions, _), (_, api, _) = await asyncio.gather(
        gcloud(cloud, "services", "list"),
        gcloud(cloud, "revisions", "list", region, "--service=api", "--page-size=5"),
        gcloud(cloud, "services", "describe", "api", region),
    )
    names = [one["metadata"]["name"] for one in revisions]
    assert {one["metadata"]["name"] for one in services} >= {"api", "frontend", "worker-extract"}
    assert names[0] == api["status"]["latestReadyRevisionName"]
    assert len(names) > 5, "every page was read"

    status, moved, told = await gcloud(
        cloud, "services", "update-traffic", "api", region, f"--to-revisions={names[0]}=5"
    )
    assert status == 0, told
    assert {one["revisionName"]: one["statusPercent"] for one in moved if one["statusPercent"] != "0"} == {
        names[1]: "95",
        names[0]: "5",
    }
    service = cloud.cloud.world.service("bytereview-prod", "api", cloud.cloud.now())
    assert service is not None
    assert {(one.revision, one.percent) for one in service.serving if one.percent} == {(names[1], 95), (names[0], 5)}
    assert service.latest_created == names[0], "no revision was minted"
    assert [one.tag for one in service.serving if one.tag] == ["prev"]

    (refused, _, why), (elsewhere, _, missing) = await asyncio.gather(
        gcloud(cloud, "services", "update-traffic", "api", region, "--to-revisions=api-99999-zzz=100"),
        gcloud(cloud, "services", "describe", "api", "--region=europe-west1"),
    )
    assert refused == 1
    assert "Revision 'api-99999-zzz' does not exist or is deleted." in why
    assert elsewhere == 1
    assert "Cannot find service [api]" in missing
