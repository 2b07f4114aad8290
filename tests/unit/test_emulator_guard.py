"""The world behind its lock."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from brconsole.emulator.guard import guarded
from brconsole.simulation.world import World


class MeetingPlace:
    """A world that notices two callers inside at once."""

    projects = ("p",)

    def __init__(self) -> None:
        self.met = False
        self._barrier = threading.Barrier(2)

    def services(self, project: str, at: float) -> str:
        try:
            self._barrier.wait(0.2)
            self.met = True
        except threading.BrokenBarrierError:
            pass  # nobody else came in
        return f"{project} at {at}"


def ask_twice(world: World) -> list[object]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda n: world.services("p", n), range(2)))


def test_callers_in_several_threads_enter_one_at_a_time():
    open_world, closed_world = MeetingPlace(), MeetingPlace()
    assert ask_twice(cast(World, open_world)) == ask_twice(guarded(cast(World, closed_world))) == ["p at 0", "p at 1"]
    assert open_world.met
    assert not closed_world.met


def test_what_is_no_method_is_passed_on():
    assert guarded(cast(World, MeetingPlace())).projects == ("p",)
