"""The command line as a person and a pipeline run it: a real process, a real simulation, real signals.

One simulation serves all tests that only read; each test that ends one has its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jsonschema
import pytest

BRCONSOLE = [sys.executable, "-m", "brconsole"]
WITHIN_S = 60
SCHEMA = Path(__file__).parents[2] / "src" / "brconsole" / "cli" / "status.schema.json"


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
        import select

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


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for somebody else's process needs Linux")
def test_a_simulation_ends_also_when_its_command_is_killed(tmp_path: Path) -> None:
    # The command that starts the simulation tells its pid and then waits; nothing of it runs once it is killed.
    script = (
        "import sys, time; from brconsole.cli.simulated import *; "
        "connection = SimulatedConnection(SimulationOptions(), 8.0); connection.addresses(); "
        "print(connection.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment()
    ) as command:
        assert command.stdout is not None
        pid = int(command.stdout.readline())
        os.kill(pid, 0)  # it runs
        command.send_signal(signal.SIGKILL)
        command.wait(WITHIN_S)
        when(lambda: ended(pid), "the simulation outlived its command")
