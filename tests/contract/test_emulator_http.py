"""The HTTP server of the embedded cloud, seen through a small API of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from brconsole.emulator import quota
from brconsole.emulator.clock import Clock
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import not_found
from brconsole.emulator.faults import Faults
from brconsole.emulator.http import HttpApi, HttpReply, HttpRequest, HttpServer, Route
from brconsole.emulator.job_runs import JobRuns
from brconsole.emulator.log_store import LogStore
from brconsole.simulation.jobs import JobBook
from brconsole.simulation.world import DEFAULT_START, World


class Things(HttpApi):
    """A REST API as Google has them."""

    API = "bigquery"
    ROUTES = (
        Route("GET", "/v1/projects/{project}/things/{thing}", "get", Rule("things.get", quota.BIGQUERY)),
        Route("POST", "/v1/projects/{project}/things", "create"),
    )

    async def get(self, request: HttpRequest) -> Any:
        if request.params["thing"] == "broken":
            raise RuntimeError("a bug of the API")
        if request.params["thing"] == "none":
            raise not_found("Not found: Thing none")
        return {"params": dict(request.params), "query": dict(request.query)}

    async def create(self, request: HttpRequest) -> HttpReply:
        return HttpReply({"made": request.json()}, 201)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Cloud, int]]:
    clock, log = Clock(DEFAULT_START, 1.0), LogStore()
    cloud = Cloud(
        World(1, DEFAULT_START, "quiet"),
        clock,
        quota.Quotas({quota.BIGQUERY: 3}),
        Faults(),
        JobRuns(JobBook(1, DEFAULT_START, (), lambda project: ""), clock, log, {}),
        log,
        denied=frozenset(),
    )
    server = HttpServer(cloud, [Things(cloud)])
    port = await server.start(0)
    yield cloud, port
    await server.stop()


@pytest.fixture
async def http(served: tuple[Cloud, int]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served[1]}") as client:
        yield client


THING = "/v1/projects/bytereview-prod/things"


async def test_path_parameters_and_the_query_arrive_decoded(http):
    reply = await http.get(f"{THING}/a%2Fb%20c?x=1&x=2&y=%C3%A9")
    assert reply.json() == {
        "params": {"project": "bytereview-prod", "thing": "a/b c"},
        "query": {"x": "2", "y": "é"},
    }
    assert reply.headers["content-type"].startswith("application/json")


async def test_a_handler_may_choose_its_status(http):
    reply = await http.post(THING, json={"a": [1]})
    assert (reply.status_code, reply.json()) == (201, {"made": {"a": [1]}})


async def test_a_refusal_is_googles_error_json(http):
    reply = await http.get(f"{THING}/none")
    assert reply.status_code == 404
    assert reply.json() == {"error": {"code": 404, "message": "Not found: Thing none", "status": "NOT_FOUND"}}


async def test_a_bug_in_an_api_is_an_internal_error_and_the_connection_lives_on(http, caplog):
    reply = await http.get(f"{THING}/broken")
    assert (reply.status_code, reply.json()["error"]["status"]) == (500, "INTERNAL")
    assert "a bug of the API" in caplog.text
    assert (await http.get(f"{THING}/one")).status_code == 200


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("PERMISSION_DENIED", 403),
        ("UNAUTHENTICATED", 401),
        ("RESOURCE_EXHAUSTED", 429),
        ("INTERNAL", 500),
    ],
)
async def test_a_code_fault_has_googles_http_status(served, http, code, status):
    served[0].faults.replace({"api": "bigquery", "method": "get", "code": code, "count": 1}, {"bigquery": {"get"}})
    reply = await http.get(f"{THING}/one")
    assert (reply.status_code, reply.json()["error"]["status"]) == (status, code)
    assert (await http.get(f"{THING}/one")).status_code == 200


async def test_garbage_is_a_reply_that_is_no_json(served, http):
    served[0].faults.replace({"api": "bigquery", "garbage": True}, {})
    reply = await http.get(f"{THING}/one")
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        json.loads(reply.content)


async def test_the_quota_answers_429_with_googles_details(http):
    for _ in range(3):
        assert (await http.get(f"{THING}/one")).status_code == 200
    reply = await http.get(f"{THING}/one")
    assert reply.status_code == 429
    reasons = [detail.get("reason") for detail in reply.json()["error"]["details"]]
    assert "RATE_LIMIT_EXCEEDED" in reasons


async def test_an_unknown_project_may_not_be_seen(http):
    reply = await http.get("/v1/projects/elsewhere/things/one")
    assert reply.status_code == 403
    assert "things.get" in reply.json()["error"]["message"]


async def test_a_stalled_call_ends_when_its_client_goes(served, http):
    cloud, _ = served
    cloud.faults.replace({"api": "bigquery", "stall_s": 600, "count": 1}, {})
    with pytest.raises(httpx.ReadTimeout):
        await http.get(f"{THING}/one", timeout=0.2)

    async def call_is_gone() -> None:
        while any(task.get_coro().__qualname__.endswith("_handle") for task in asyncio.all_tasks()):
            assert (await http.get("/elsewhere")).status_code == 404

    await asyncio.wait_for(call_is_gone(), 30)
    assert (await http.get(f"{THING}/one")).status_code == 200


async def test_a_client_that_asks_whether_to_go_on_is_told_to(served):
    reader, writer = await asyncio.open_connection("127.0.0.1", served[1])
    head = f"POST {THING} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 100")
    writer.write(b"{}")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 201")
    writer.close()
