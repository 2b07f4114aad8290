"""Google's own endpoints: what happens before a first byte leaves, with and without a login."""

from __future__ import annotations

import subprocess
import sys

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.run_v2.services.services import ServicesAsyncClient
from google.oauth2.credentials import Credentials

from brconsole.domain.environment import Environment
from brconsole.gcp.connection import GoogleConnection
from brconsole.gcp.endpoint import EndpointError
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.wiring import ConnectionOptions, open_cloud

PROD = Environment("prod", "bytereview-prod", "us-central1")


@pytest.fixture
def no_metadata_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """google.auth is not to look for one: these tests stay on this machine."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.usefixtures("no_metadata_server")
async def test_without_credentials_the_login_command_is_told_by_every_call() -> None:
    async with open_cloud(PROD, ConnectionOptions()) as (cloud, clock):
        assert clock.now() is not None
        for read in (cloud.run.services, cloud.metrics.policies, cloud.access.identity):
            with pytest.raises(SourceFailure) as raised:
                await read()
            assert raised.value.kind is FailureKind.UNAUTHENTICATED
            assert "no Application Default Credentials were found" in str(raised.value)
            assert "run `gcloud auth application-default login`, or try the console with --simulate" in str(
                raised.value
            )


async def test_a_persons_login_is_charged_to_the_environments_project(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Credentials(token="t", refresh_token="r")  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda **_: (person, None))
    google_cloud = GoogleConnection("bytereview-prod")

    headers = await google_cloud.authorization()

    assert headers == {"authorization": "Bearer t", "x-goog-user-project": "bytereview-prod"}
    await google_cloud.close()


async def test_a_client_of_an_api_is_made_once_on_its_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def default(**_: object) -> tuple[AnonymousCredentials, None]:
        nonlocal asked
        asked += 1
        return AnonymousCredentials(), None

    monkeypatch.setattr(google.auth, "default", default)
    google_cloud = GoogleConnection("bytereview-prod")

    first = await google_cloud.client(ServicesAsyncClient)
    again = await google_cloud.client(ServicesAsyncClient)

    assert first is again
    assert asked == 1
    assert first.api_endpoint == "run.googleapis.com:443"
    await google_cloud.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ConnectionOptions("10.0.0.1:8085"), "--endpoint: found '10.0.0.1', allowed are loopback addresses"),
        (ConnectionOptions("127.0.0.1:8085", "example.com:80"), "--http-endpoint: found 'example.com'"),
        (ConnectionOptions(None, "127.0.0.1:80"), "--http-endpoint: it goes with --endpoint"),
    ],
)
async def test_a_plain_channel_never_leaves_this_machine(options: ConnectionOptions, says: str) -> None:
    with pytest.raises(EndpointError, match=says):
        async with open_cloud(PROD, options):
            pytest.fail("it must not open")


def test_a_proxy_in_the_environment_does_not_reroute_a_plain_channel() -> None:
    code = """
import asyncio, sys
from brconsole.domain.environment import Environment
from brconsole.wiring import ConnectionOptions, open_cloud
async def main():
    options = ConnectionOptions("127.0.0.1:1", "127.0.0.1:2", 20.0)
    async with open_cloud(Environment("prod", "p", "r"), options) as (cloud, clock):
        await clock.synchronise()
        try:
            await cloud.run.services()
        except Exception as error:
            print(error)
asyncio.run(main())
"""
    proxy = "http://127.0.0.1:3"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"http_proxy": proxy, "https_proxy": proxy, "grpc_proxy": proxy, "HTTP_PROXY": proxy},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "127.0.0.1:1 is unavailable: connection refused" in done.stdout
    assert done.stderr == "", "the libraries keep quiet: the screen is not theirs"
