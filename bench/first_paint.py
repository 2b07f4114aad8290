"""Time to first paint: frame, panel titles and status line (DESIGN §8.23), over that of a bare Textual application."""

from __future__ import annotations

import sys
from statistics import median

from bench.report import Result
from bench.terminal import Terminal

ROUNDS = 7
CONSOLE = [sys.executable, "-m", "brconsole", "prod", "--simulate"]
BARE = [sys.executable, "-m", "bench.bare_app"]


def painted_after(command: list[str], texts: tuple[str, ...]) -> float:
    """Seconds from the start of a command until all texts stand on its screen."""
    with Terminal(command) as terminal:
        moment = terminal.wait(lambda _: all(terminal.shows(text) for text in texts), 30)
        if moment is None:
            raise SystemExit(f"{' '.join(command)}: {texts} not painted within 30 s")
        return moment - terminal.started


def measure() -> list[Result]:
    """The two in turn, after one round that is not counted (caches)."""
    ratios, ours, bare = [], [], []
    for turn in range(ROUNDS + 1):
        one = painted_after(CONSOLE, ("Services", "Error budget", "prod", "--:--:--"))
        other = painted_after(BARE, ("bare-service",))
        if turn:
            ours.append(one)
            bare.append(other)
            ratios.append(one / other)
    return [
        Result(
            "first paint / bare Textual application",
            median(ratios),
            1.5,
            f"{median(ours):.3f} s / {median(bare):.3f} s, median of {ROUNDS}",
        )
    ]
