"""One caller at a time for the world: evaluations run in threads, and the world keeps books that two would tear."""

from __future__ import annotations

import functools
import threading
from typing import Any, cast

from brconsole.simulation.world import World


class _Guarded:
    """A world behind a lock. A call waits for the one under way, which takes milliseconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._world, name)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def locked(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return attribute(*args, **kwargs)

        return locked


def guarded(world: World) -> World:
    """The same world, safe to be asked from several threads."""
    return cast(World, _Guarded(world))
