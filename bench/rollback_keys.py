"""From the first key of a rollback (`B a y`) to the accepted write, in the console on the embedded cloud.

The keys come at once, as no person types them, so that only our own time is measured: the key, the screens, the
journal's line on the disk, one fresh read and one conditional write over loopback. Monitoring, Logging and BigQuery are
down meanwhile. Before each rollback a second client puts the traffic back on two arms.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

import httpx

from bench.report import Result
from bench.simulated import Addresses, simulation
from bench.terminal import Terminal
from brconsole.config.load import load
from brconsole.domain.decision import Actor
from brconsole.operations.journal import Journal
from brconsole.operations.modes import Modes
from brconsole.operations.outcome import BY_DIALOG
from brconsole.operations.use_cases import compose
from brconsole.wiring import ConnectionOptions, open_cloud

ROLLBACKS = 12
GOAL_MS = 300


async def split(addresses: Addresses, folder: Path) -> None:
    """Put `api` on two arms: 95 % for what serves most, 5 % for the newest."""
    environment = load(None, {}, folder, {}, ()).environment("prod")
    async with open_cloud(environment, ConnectionOptions(addresses.endpoint, addresses.http_endpoint)) as ports:
        cloud, clock = ports
        await clock.synchronise()
        cases = compose(environment, cloud, clock, Modes(environment, False), Journal(folder), Actor("bench"))
        service = (await cases.gateway.read("api")).service
        stable = max(service.desired_split(), key=lambda name: service.desired_split()[name])
        newest = service.latest_ready or stable
        outcome = await cases.shifts.shift("api", {stable: 95, newest: 5}, BY_DIALOG, "two arms again")
        if not outcome.good:
            raise SystemExit(f"the traffic could not be put on two arms: {outcome.sentence}")


def roll_back(terminal: Terminal) -> float:
    """Milliseconds from the first key until the screen says that the write was accepted."""
    sent = terminal.send("Bay")
    seen = terminal.wait(lambda _: terminal.shows("✔ accepted"), 10)
    if seen is None:
        raise SystemExit("a rollback was not accepted within 10 s")
    if terminal.wait(lambda _: terminal.shows("✔ serving"), 60) is None:
        raise SystemExit("a rollback was not served within 60 s")
    terminal.send("\x1b")
    over = terminal.wait(lambda _: not terminal.shows("✔ serving") and not terminal.shows("orphan:"), 60)
    if over is None:
        raise SystemExit("the end of a rollback was not seen within 60 s")
    return (seen - sent) * 1000


def measure() -> list[Result]:
    """p95 and maximum."""
    taken = []
    with (
        simulation("--speed", "60", "--scenario", "release-ready") as addresses,
        tempfile.TemporaryDirectory() as folder,
    ):
        httpx.put(
            f"http://{addresses.http_endpoint}/control/faults",
            json=[{"api": api, "code": "UNAVAILABLE"} for api in ("monitoring", "logging", "bigquery")],
        ).raise_for_status()
        command = [sys.executable, "-m", "brconsole", "prod", "--endpoint", addresses.endpoint]
        with Terminal([*command, "--http-endpoint", addresses.http_endpoint]) as terminal:
            if terminal.wait(lambda _: terminal.shows("Services · 5"), 30) is None:
                raise SystemExit("the fleet did not appear within 30 s")
            terminal.send("v")
            for _ in range(ROLLBACKS):
                asyncio.run(split(addresses, Path(folder)))
                if terminal.wait(lambda _: terminal.shows("orphan:") and terminal.shows("rolls back"), 60) is None:
                    raise SystemExit("the split did not appear within 60 s")
                taken.append(roll_back(terminal))
    note = f"{len(taken)} rollbacks, median {median(taken):.0f} ms"
    return [
        Result("first key of a rollback to the accepted write, p95", quantiles(taken, n=20)[18], GOAL_MS, note, " ms"),
        Result("first key of a rollback to the accepted write, max", max(taken), None, "", " ms"),
    ]
