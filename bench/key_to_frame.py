"""From a key press to the painted frame, while a fleet of 200 services with 30 revisions each refreshes.

At `--speed 60` every cadence is a second of real time, so sources are read and panels change all the time.
"""

from __future__ import annotations

import random
import sys
from statistics import median, quantiles

import pyte

from bench.report import Result
from bench.simulated import simulation
from bench.terminal import Terminal

PRESSES = 300
NAMES = range(3, 17)
"""The columns of the services' names: the highlighted row is told by its background, a scrolled table by its names."""


def highlighted(screen: pyte.Screen) -> tuple[tuple[str, str], ...]:
    """Background and name down the table; they change when the selection moves or the table scrolls."""
    rows = (screen.buffer[row] for row in range(screen.lines))
    return tuple((row[NAMES[0]].bg, "".join(row[column].data for column in NAMES)) for row in rows)


def presses(terminal: Terminal) -> list[float]:
    """Milliseconds of each press of j or k, at the pace of a person who is in a hurry."""
    pace = random.Random(7)
    taken = []
    for count in range(PRESSES):
        terminal.drain(pace.uniform(0.03, 0.12))
        before = highlighted(terminal.screen)
        sent = terminal.send("j" if count % 20 < 10 else "k")
        seen = terminal.wait(lambda screen, before=before: highlighted(screen) != before, 5)  # type: ignore[misc]
        if seen is None:
            raise SystemExit("a key was not answered within 5 s")
        taken.append((seen - sent) * 1000)
    return taken


def measure() -> list[Result]:
    """p95 and maximum."""
    with simulation("--services", "200", "--speed", "60", "--scenario", "demo") as addresses:
        command = [sys.executable, "-m", "brconsole", "prod", "--endpoint", addresses.endpoint]
        with Terminal([*command, "--http-endpoint", addresses.http_endpoint]) as terminal:
            if terminal.wait(lambda _: terminal.shows("svc-"), 30) is None:
                raise SystemExit("the fleet did not appear within 30 s")
            terminal.drain(3)
            taken = presses(terminal)
    note = f"{PRESSES} presses, median {median(taken):.0f} ms"
    return [
        Result("key to painted frame while 200 x 30 refresh, p95", quantiles(taken, n=20)[18], 50, note, " ms"),
        Result("key to painted frame while 200 x 30 refresh, max", max(taken), 150, "", " ms"),
    ]
