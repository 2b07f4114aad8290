"""The embedded Google Cloud within the test's own process, on a thread and a loop of its own, faults at hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions
from brconsole.wiring import ConnectionOptions

WITHIN_S = 60.0


class EmbeddedCloud:
    """One that serves. What is set on it goes through its control endpoint, as in a drill."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._control = httpx.Client(
            base_url=f"http://127.0.0.1:{emulator.http_port}", trust_env=False, timeout=WITHIN_S
        )

    def options(self, deadline_s: float) -> ConnectionOptions:
        """How to reach it."""
        grpc, http = self._emulator.grpc_port, self._emulator.http_port
        return ConnectionOptions(f"127.0.0.1:{grpc}", f"127.0.0.1:{http}", deadline_s)

    def fault(self, api: str, **way: Any) -> None:
        """Let every call of an API fail in a way, until it is healed."""
        self._control.put("/control/faults", json=[{"api": api, **way}]).raise_for_status()

    def heal(self) -> None:
        """No fault any more."""
        self._control.delete("/control/faults").raise_for_status()

    def close(self) -> None:
        """Let go of the control endpoint."""
        self._control.close()


@contextmanager
def embedded_cloud(**options: Any) -> Iterator[EmbeddedCloud]:
    """Serve one for as long as the block lasts; any field of EmulatorOptions."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded-cloud", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(WITHIN_S)

    emulator = Emulator(EmulatorOptions(**options))
    run(emulator.start())
    cloud = EmbeddedCloud(emulator)
    try:
        yield cloud
    finally:
        cloud.close()
        run(emulator.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WITHIN_S)
        loop.close()
