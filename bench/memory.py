"""Resident memory after 2,000 refreshes over that after 100, on the real adapters and the wire."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from pathlib import Path

from bench.report import Result
from bench.simulated import Addresses, simulation
from brconsole.config.load import load
from brconsole.operations.observe import Observer
from brconsole.wiring import ConnectionOptions, open_cloud

FIRST, LAST = 100, 2000


def resident_mib() -> float:
    """Resident memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def grown(addresses: Addresses) -> tuple[float, float]:
    """Resident memory after FIRST and after LAST refreshes of every source."""
    environment = load(None, {}, Path("/"), {}).environment("prod")
    options = ConnectionOptions(endpoint=addresses.endpoint, http_endpoint=addresses.http_endpoint)
    early = 0.0
    async with open_cloud(environment, options) as (cloud, clock):
        observer = Observer(environment, cloud, clock, jitter=random.Random(7))
        for count in range(1, LAST + 1):
            await observer.once()
            if count == FIRST:
                early = resident_mib()
    return early, resident_mib()


def measure() -> list[Result]:
    """A console that stays open for a day must not grow."""
    with simulation("--speed", "600", "--scenario", "demo") as addresses:
        early, late = asyncio.run(grown(addresses))
    return [Result("memory, 2,000 refreshes / 100", late / early, 1.05, f"{late:.0f} MiB / {early:.0f} MiB")]
