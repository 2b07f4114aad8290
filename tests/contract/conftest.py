"""The embedded Google Cloud for contract tests: on real sockets, on free ports, each test its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
import pytest

from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions

StartEmulator = Callable[..., Awaitable[Emulator]]
OpenChannel = Callable[[Emulator], grpc.aio.Channel]


@pytest.fixture
async def emulator() -> AsyncIterator[StartEmulator]:
    """Starts embedded clouds: `cloud = await emulator(speed=60, seed=3, ...)`, any field of EmulatorOptions."""
    started: list[Emulator] = []

    async def start(**options: Any) -> Emulator:
        cloud = Emulator(EmulatorOptions(**options))
        await cloud.start()
        started.append(cloud)
        return cloud

    yield start
    for cloud in started:
        await cloud.stop()


@pytest.fixture
async def channel() -> AsyncIterator[OpenChannel]:
    """Opens plain channels to embedded clouds, closed when the test ends."""
    opened: list[grpc.aio.Channel] = []

    def open_channel(cloud: Emulator) -> grpc.aio.Channel:
        opened.append(grpc.aio.insecure_channel(f"127.0.0.1:{cloud.grpc_port}"))
        return opened[-1]

    yield open_channel
    for one in opened:
        await one.close()
