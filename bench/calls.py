"""Calls of one refresh at 5 and at 200 services; the pages of a list count once (DESIGN §8.13)."""

from __future__ import annotations

import asyncio
import subprocess

from bench.google_clients import request
from bench.recorder import Calls, Recorder
from bench.report import Result
from bench.simulated import Addresses, simulation
from bench.status_latency import status


def pages_counted_apart(calls: Calls) -> tuple[int, int]:
    """(calls, further pages): a request with a page token follows a list that is counted already, and asking after a
    BigQuery job follows its query.
    """
    further = sum(bool(getattr(request(path, data), "page_token", "")) for path, data in calls.grpc)
    further += sum(call.method == "GET" and "/queries/" in call.target for call in calls.http)
    return len(calls.grpc) + len(calls.http) - further, further


async def counted(services: int, addresses: Addresses) -> tuple[int, int]:
    """Calls of one `status`."""
    async with Recorder(addresses.endpoint, addresses.http_endpoint) as recorder:
        through = Addresses(recorder.endpoint, recorder.http_endpoint)
        process = await asyncio.create_subprocess_exec(*status(through), stdout=subprocess.DEVNULL)
        await process.wait()
        return pages_counted_apart(recorder.calls)


def measure() -> list[Result]:
    """Equal is 1."""
    found = {}
    for services in (5, 200):
        with simulation("--services", str(services)) as addresses:
            found[services] = asyncio.run(counted(services, addresses))
    few, many = found[5], found[200]
    note = f"{few[0]} calls at 5 services, {many[0]} at 200 (and {few[1]} and {many[1]} further pages)"
    return [Result("calls per refresh, 200 services / 5 services", many[0] / few[0], 1.0, note)]
