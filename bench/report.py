"""How a measurement is printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """A figure with the goal it should stay at or below, and what stands behind it."""

    name: str
    value: float
    goal: float | None
    note: str = ""
    unit: str = "×"

    def line(self) -> str:
        """One line of the table."""
        goal = "" if self.goal is None else f"goal ≤ {self.goal:g}{self.unit}"
        mark = " " if self.goal is None else ("✔" if self.value <= self.goal else "✖")
        return f"{mark} {self.name:<58} {self.value:>8.2f}{self.unit:<3} {goal:<16} {self.note}"
