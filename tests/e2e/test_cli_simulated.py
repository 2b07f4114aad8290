"""The command line as a person and a pipeline run it: a real process, a real simulation, real signals.

One simulation serves all tests that only read; each test that ends one has its own.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jsonschema
import pexpect
import pytest

BRCONSOLE = [sys.executable, "-m", "brconsole"]
WITHIN_S = 60
SCHEMA = Path(__file__).parents[2] / "src" / "brconsole" / "cli" / "status.schema.json"


on_linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for another's process needs Linux")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("BRCONSOLE_", "GOOGLE_"))}


def brconsole(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BRCONSOLE, *arguments],
        check=False,
        timeout=WITHIN_S,
        **{"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "env": clean_environment(), **settings},
    )


def when(happens: Callable[[], object], say: str) -> None:
    """Wait until something that blocks has happened, but not for ever."""
    done = Event()

    def wait() -> None:
        happens()
        done.set()

    Thread(target=wait, daemon=True).start()
    assert done.wait(WITHIN_S), say


def ended(pid: int) -> None:
    """Block until a process that is no child of ours is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


@pytest.fixture(scope="module")
def simulation() -> Iterator[dict[str, Any]]:
    """One that runs in the foreground of its own process."""
    command = [*BRCONSOLE, "simulate", "--port", "0", "--http-port", "0", "--json", "--scenario", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0


@pytest.fixture(scope="module")
def endpoint(simulation: dict[str, Any]) -> list[str]:
    return ["--endpoint", simulation["endpoint"], "--http-endpoint", simulation["http_endpoint"]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What `status --simulate --json` says of production."""
    done = brconsole("status", "prod", "--simulate", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_status_of_a_simulation_conforms_to_the_published_schema(document: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)


def test_status_of_a_simulation_knows_every_part(document: dict[str, Any]) -> None:
    assert {source["state"] for source in document["sources"]} == {"live"}
    api = next(service for service in document["services"] if service["name"] == "api")
    assert sum(row["serving_percent"] for row in api["traffic"]) == 100
    assert len([row for row in api["traffic"] if row["serving_percent"]]) == 2, "the demo has a canary"
    assert api["requests_per_s"] > 0
    assert {queue["name"] for queue in document["queues"]} == {"extract", "import", "cron"}
    assert document["spend"]["budget"] == 10_000
    assert document["slos"]
    assert document["alerts"]


def test_watch_writes_an_object_a_line_and_ends_after_the_count(endpoint: list[str]) -> None:
    done = brconsole("watch", "dev", "--json", "--count", "2", "--interval", "1", *endpoint)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["environment"] for line in lines] == ["dev", "dev"]
    assert done.returncode in (0, 1)


def test_a_reader_that_leaves_ends_watch_in_silence(endpoint: list[str]) -> None:
    with subprocess.Popen(
        [*BRCONSOLE, "watch", "prod", "--json", "--interval", "1", *endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.wait(WITHIN_S) == 1
        assert process.stderr.read() == b""


def test_ctrl_c_ends_watch_with_130_and_in_silence(endpoint: list[str]) -> None:
    with subprocess.Popen(
        [*BRCONSOLE, "watch", "prod", *endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 130
        assert process.stderr.read().strip() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_is_told_and_ends_with_1(endpoint: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = brconsole("status", "dev", *endpoint, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "brconsole: standard output could not be written: No space left on device.\n"


def test_doctor_finds_a_simulation_in_order(endpoint: list[str]) -> None:
    done = brconsole("doctor", "prod", "--json", *endpoint)
    checks = json.loads(done.stdout)["checks"]
    assert [check for check in checks if check["state"] in ("failed", "unknown")] == []
    assert done.returncode == 0


def test_a_taken_port_is_told_and_ends_with_1(simulation: dict[str, Any]) -> None:
    port = simulation["endpoint"].rpartition(":")[2]
    done = brconsole("simulate", "--port", port)
    assert done.returncode == 1
    assert port in done.stderr
    assert done.stdout == ""


def test_simulate_prints_the_variables_that_lead_to_it_and_ends_cleanly_on_sigterm() -> None:
    with subprocess.Popen(
        [*BRCONSOLE, "simulate", "--port", "0", "--http-port", "0"], stdout=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(4)]
        process.terminate()
        assert process.wait(WITHIN_S) == 0
    exported = dict(line.removeprefix("export ").strip().split("=") for line in lines if line.startswith("export "))
    assert set(exported) == {"BRCONSOLE_ENDPOINT", "BRCONSOLE_HTTP_ENDPOINT"}


@pytest.fixture
def console() -> Iterator[pexpect.spawn[bytes]]:
    """The console on a simulation, in a terminal, with its first live data on the screen."""
    terminal = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    spawned = pexpect.spawn(
        sys.executable,
        ["-m", "brconsole", "prod", "--simulate"],
        dimensions=(24, 80),
        env=clean_environment() | terminal,
        timeout=WITHIN_S,
    )
    spawned.expect("worker-extract")
    yield spawned
    spawned.close(force=True)


def children_of(pid: int) -> list[int]:
    """Those of every thread: the simulation is started off the main one."""
    listed = (file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for children in listed for child in children]


@on_linux
def test_the_simulation_ends_when_the_console_is_killed(console: pexpect.spawn[bytes]) -> None:
    (simulation,) = children_of(console.pid)
    os.kill(console.pid, signal.SIGKILL)
    when(lambda: ended(simulation), "the simulation outlived the console")


@on_linux
def test_quitting_the_console_ends_the_simulation_and_says_nothing_more(console: pexpect.spawn[bytes]) -> None:
    (simulation,) = children_of(console.pid)
    console.send("q")
    when(lambda: ended(simulation), "the simulation outlived the console")
    console.expect(pexpect.EOF)
    assert b"brconsole:" not in console.before
    console.close()
    assert console.exitstatus == 0
