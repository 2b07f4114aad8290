"""Long work that ends in peace when a person or a scheduler asks for it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

FINISH_WITHIN_S = 10.0
"""Real seconds that a write under way gets to be answered; its intent stands in the journal in any case."""
_LOOK_S = 0.05


async def until_asked(work: Coroutine[Any, Any, T], busy: Callable[[], bool]) -> T | None:
    """The outcome of the work, or None where SIGINT or SIGTERM asked it to end.

    A write that is under way then (`busy`) is waited for a moment, so that its outcome is known and journaled.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, asked.set)
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        ends = loop.time() + FINISH_WITHIN_S
        while busy() and not task.done() and loop.time() < ends:
            await asyncio.wait((task,), timeout=_LOOK_S)
        return task.result() if task.done() else None
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
        for pending in (task, waiting):
            pending.cancel()
        await asyncio.wait((task, waiting))
