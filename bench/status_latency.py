"""`status --json` over a script that makes the same calls one after the other, at 80 ms a round trip and at none."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.recorder import Calls, Recorder
from bench.report import Result
from bench.simulated import Addresses, simulation

ROUNDS = 5


def status(addresses: Addresses) -> list[str]:
    """The command under measurement."""
    command = [sys.executable, "-m", "brconsole", "status", "prod", "--json"]
    return [*command, "--endpoint", addresses.endpoint, "--http-endpoint", addresses.http_endpoint]


async def recorded(addresses: Addresses) -> Calls:
    """What `status` sends."""
    async with Recorder(addresses.endpoint, addresses.http_endpoint) as recorder:
        through = Addresses(recorder.endpoint, recorder.http_endpoint)
        process = await asyncio.create_subprocess_exec(*status(through), stdout=subprocess.DEVNULL)
        await process.wait()
        return recorder.calls


def seconds(command: list[str]) -> float:
    """Wall time of a command whose exit status may speak of the fleet's health."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def compared(latency_ms: int, goal: float, calls_file: Path, name: str) -> Result:
    """The ratio, pair by pair."""
    with simulation("--latency", str(latency_ms), "--scenario", "demo") as addresses:
        script = [sys.executable, "-m", "bench.one_after_the_other", addresses.endpoint, addresses.http_endpoint]
        ratios, ours, theirs = [], [], []
        for turn in range(ROUNDS + 1):
            one, other = seconds(status(addresses)), seconds([*script, str(calls_file)])
            if turn:
                ours.append(one)
                theirs.append(other)
                ratios.append(one / other)
    note = f"{median(ours):.2f} s / {median(theirs):.2f} s, median of {ROUNDS}"
    return Result(name, median(ratios), goal, note)


def measure() -> list[Result]:
    """Record the calls once, then compare."""
    with tempfile.TemporaryDirectory() as folder:
        calls_file = Path(folder) / "calls.json"
        with simulation("--scenario", "demo") as addresses:
            calls = asyncio.run(recorded(addresses))
        document = {
            "grpc": [[path, base64.b64encode(request).decode()] for path, request in calls.grpc],
            "http": [[call.method, call.target, call.body.decode()] for call in calls.http],
        }
        calls_file.write_text(json.dumps(document))
        return [
            compared(80, 0.6, calls_file, "status --json / one call after the other, 80 ms round trip"),
            compared(0, 1.15, calls_file, "status --json / one call after the other, no latency"),
        ]
