"""The control endpoint and the HTTP server under it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from brconsole.emulator.composition import Emulator
from brconsole.emulator.http import MAX_BODY


@pytest.fixture
async def cloud(emulator) -> Emulator:
    return await emulator(speed=60.0, seed=11, scenario="release-ready", start=1_795_442_400.0)


@pytest.fixture
async def http(cloud: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}") as client:
        yield client


async def test_the_clock_tells_simulated_time_and_what_was_started(http):
    first = (await http.get("/control/clock")).json()
    assert {key: value for key, value in first.items() if key != "now"} == {
        "speed": 60.0,
        "start": "2026-11-23T14:00:00.000000Z",
        "seed": 11,
        "scenario": "release-ready",
        "simulated": True,
    }
    second = (await http.get("/control/clock")).json()
    start = datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert start <= datetime.fromisoformat(first["now"]) <= datetime.fromisoformat(second["now"])


@pytest.mark.parametrize(
    "document",
    [
        [{"api": "run", "code": "UNAVAILABLE"}],
        {"api": "run", "code": "UNAVAILABLE"},
        {"faults": [{"api": "run", "code": "UNAVAILABLE"}]},
    ],
)
async def test_faults_are_taken_as_array_object_or_document(http, document):
    reply = await http.put("/control/faults", json=document)
    assert reply.status_code == 200
    assert reply.json() == [{"api": "run", "method": "*", "code": "UNAVAILABLE"}]


async def test_put_replaces_the_faults_and_delete_clears_them(http):
    await http.put("/control/faults", json=[{"api": "run", "stall_s": 3}, {"api": "*", "garbage": True, "count": 2}])
    await http.put(
        "/control/faults", json=[{"api": "logging", "method": "ListLogEntries", "code": "INTERNAL", "count": 4}]
    )
    left = (await http.get("/control/faults")).json()
    assert left == [{"api": "logging", "method": "ListLogEntries", "code": "INTERNAL", "count": 4}]
    assert (await http.delete("/control/faults")).json() == []
    assert (await http.get("/control/faults")).json() == []


async def test_a_list_of_faults_shows_how_many_calls_are_left(cloud, http):
    await http.put("/control/faults", json={"api": "run", "code": "ABORTED", "count": 2})
    assert cloud.cloud.faults.take("run", "GetService") is not None
    assert (await http.get("/control/faults")).json()[0]["count"] == 1
    assert cloud.cloud.faults.take("run", "GetService") is not None
    assert cloud.cloud.faults.take("run", "GetService") is None
    assert (await http.get("/control/faults")).json() == []


def test_a_fault_of_iam_meets_every_test_of_permissions_and_nothing_else():
    from brconsole.emulator.faults import Faults

    faults = Faults()
    faults.replace({"api": "iam", "code": "UNAVAILABLE"}, {"run": frozenset({"GetService", "TestIamPermissions"})})
    assert faults.take("run", "TestIamPermissions") is not None
    assert faults.take("cloudresourcemanager", "TestIamPermissions") is not None
    assert faults.take("run", "GetService") is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"api": "rnu", "code": "UNAVAILABLE"}, ["faults[0].api", "'rnu'", "run, monitoring", "did you mean run?"]),
        ({"code": "UNAVAILABLE"}, ["faults[0].api", "missing"]),
        ({"api": "run", "code": "unavailable"}, ["faults[0].code", "did you mean UNAVAILABLE?"]),
        ({"api": "run", "code": "OK"}, ["faults[0].code", "'OK'"]),
        ({"api": "run"}, ["found none of code, stall_s, garbage", "exactly one"]),
        ({"api": "run", "code": "INTERNAL", "garbage": True}, ["found code and garbage", "exactly one"]),
        ({"api": "run", "stall_s": 0}, ["faults[0].stall_s", "above 0"]),
        ({"api": "run", "stall_s": True}, ["faults[0].stall_s", "True"]),
        ({"api": "run", "stall_s": "3"}, ["faults[0].stall_s", "'3'"]),
        ({"api": "run", "garbage": False}, ["faults[0].garbage", "allowed is true"]),
        ({"api": "run", "code": "INTERNAL", "count": 0}, ["faults[0].count", "from 1"]),
        ({"api": "run", "code": "INTERNAL", "count": True}, ["faults[0].count", "True"]),
        (
            {"api": "run", "method": "ListService", "code": "INTERNAL"},
            ["faults[0].method", "did you mean ListServices?"],
        ),
        ({"api": "run", "kode": "INTERNAL"}, ["unknown key 'kode'", "did you mean code?"]),
        ([{"api": "run", "garbage": True}, 3], ["faults[1]", "found 3"]),
        ("run", ["the document", "'run'"]),
        ({"faults": [], "more": 1}, ["unknown key 'more'"]),
    ],
)
async def test_a_bad_fault_is_refused_by_name_and_changes_nothing(http, document, says):
    await http.put("/control/faults", json={"api": "run", "garbage": True})
    reply = await http.put("/control/faults", json=document)
    assert reply.status_code == 400
    message = reply.json()["error"]["message"]
    for words in says:
        assert words in message
    assert (await http.get("/control/faults")).json() == [{"api": "run", "method": "*", "garbage": True}]


async def test_a_body_that_is_no_json_is_a_bad_request(http):
    reply = await http.put("/control/faults", content=b"{")
    assert reply.status_code == 400
    assert "Invalid JSON" in reply.json()["error"]["message"]


async def test_a_fault_of_the_world_is_set_from_now_on(cloud, http):
    fault = {"kind": "error-rate", "target": "bytereview-prod/api", "magnitude": 0.5, "until": "2026-11-23T20:00:00Z"}
    reply = await http.put("/control/world", json=fault)
    assert reply.status_code == 200
    assert reply.json()["kind"] == "error-rate"
    assert datetime.fromisoformat(reply.json()["at"]).timestamp() >= cloud.cloud.clock.start


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "the document"),
        ({"target": "bytereview-prod/api", "magnitude": 1}, "kind"),
        ({"kind": "error-rate", "target": "", "magnitude": 1}, "target"),
        ({"kind": "error-rate", "target": "bytereview-prod/api", "magnitude": "1"}, "magnitude"),
        ({"kind": "error-rate", "target": "bytereview-prod/api", "magnitude": 1, "until": "later"}, "until"),
        ({"kind": "error-rate", "target": "bytereview-prod/api", "magnitude": 1, "untill": 1}, "untill"),
        ({"kind": "meteor", "target": "bytereview-prod/api", "magnitude": 1}, "meteor"),
        ({"kind": "error-rate", "target": "elsewhere/api", "magnitude": 1}, "elsewhere"),
    ],
)
async def test_a_bad_fault_of_the_world_is_refused_by_name(http, document, says):
    reply = await http.put("/control/world", json=document)
    assert reply.status_code == 400
    assert says in reply.json()["error"]["message"]


async def test_unknown_paths_and_verbs_are_told_apart(http):
    assert (await http.get("/control/nothing")).status_code == 404
    wrong = await http.post("/control/clock")
    assert wrong.status_code == 405
    assert "GET" in wrong.json()["error"]["message"]


async def test_a_name_that_is_not_loopback_is_refused(http):
    reply = await http.get("/control/clock", headers={"host": "attacker.example"})
    assert reply.status_code == 400
    assert "loopback" in reply.json()["error"]["message"]


async def test_a_body_larger_than_the_limit_is_refused(http):
    reply = await http.put("/control/faults", content=b" " * (MAX_BODY + 1))
    assert reply.status_code == 413


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


async def test_what_is_no_http_is_a_bad_request_and_closes(cloud):
    assert (await exchange(cloud.http_port, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_requests_in_one_go_are_answered_in_order_on_one_connection(cloud):
    one = b"GET /control/clock HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    last = b"GET /control/faults HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
    answer = await exchange(cloud.http_port, one + one + last)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.endswith(b"[]")


async def test_a_chunked_body_split_over_packets_is_put_together(cloud):
    body = json.dumps({"api": "run", "garbage": True}).encode()
    head = b"PUT /control/faults HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    answer = await exchange(cloud.http_port, head + chunks)
    assert answer.startswith(b"HTTP/1.1 200")
    assert cloud.cloud.faults.to_json() == [{"api": "run", "method": "*", "garbage": True}]
