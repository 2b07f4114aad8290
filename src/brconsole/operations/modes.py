"""Whether an environment may be written to now, and for how long.

Three states: read-only because somebody asked for it, which nothing overrules; read-only because the environment is
protected, which `:write REASON` opens for half an hour and a rollback opens for its own plan (DESIGN §8.1); writable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from brconsole.domain.text import clean
from brconsole.operations.timing import RealTiming, Timing

if TYPE_CHECKING:  # a console opens with its modes; plans come with the first act
    from brconsole.domain.environment import Environment
    from brconsole.domain.plan import Plan

ARMED_S = 30 * 60.0
"""How long `:write REASON` lasts, in real seconds: it is a person's attention that expires."""
ONE_PLAN_S = 120.0
"""How long one armed rollback waits for its key, in real seconds."""
PINNED_READ_ONLY = "read-only was asked for"


class WriteMode(StrEnum):
    """The state of an environment's writes."""

    READ_ONLY = "read-only"
    """By its own configuration; it can be opened."""
    FORBIDDEN = "read-only, explicitly"
    """`--read-only` or its like; it cannot be opened in this session."""
    WRITE = "write"
    ARMED = "armed"
    """Opened for a while, with a reason."""


@dataclass(frozen=True, slots=True)
class ModeState:
    """The mode as a face shows it. `left_s` are real seconds until it closes, None where it does not."""

    mode: WriteMode
    why: str
    left_s: float | None = None

    @property
    def writable(self) -> bool:
        """Whether any confirmed plan may be sent."""
        return self.mode in (WriteMode.WRITE, WriteMode.ARMED)


class Modes:
    """The mode of one environment in one session.

    `read_only` is what was asked for (flag, environment variable, file): True forbids, False allows, None leaves it to
    the environment. `why` says whence, for the sentences.
    """

    def __init__(
        self, environment: Environment, read_only: bool | None, why: str = "", *, timing: Timing | None = None
    ) -> None:
        self._environment = environment
        self._read_only = read_only
        self._why = why
        self._timing = timing or RealTiming()
        self._reason = ""
        self._until = float("-inf")
        self._plans: tuple[Plan, ...] = ()
        self._plans_until = float("-inf")

    def state(self) -> ModeState:
        """The mode now."""
        if self._read_only is True:
            return ModeState(WriteMode.FORBIDDEN, self._why or PINNED_READ_ONLY)
        if self._read_only is False or not self._environment.protected:
            return ModeState(WriteMode.WRITE, self._why or f"{self._environment.name} is not protected")
        left_s = self._until - self._timing.monotonic()
        if left_s > 0:
            return ModeState(WriteMode.ARMED, self._reason, left_s)
        return ModeState(WriteMode.READ_ONLY, self._why or f"{self._environment.name} is protected")

    def open(self, reason: str) -> str | None:
        """Arm for half an hour (`:write REASON`); the refusal in words, None where it is armed."""
        if self._read_only is True:
            return f"{self._environment.name} stays read-only: {self.state().why}"
        said = clean(reason, 240)
        if not said:
            return "give a reason: it stands in the journal"
        self._reason, self._until = said, self._timing.monotonic() + ARMED_S
        return None

    def close(self) -> None:
        """Take back what was opened."""
        self._until = float("-inf")
        self._plans = ()

    def arm(self, plans: Sequence[Plan]) -> str | None:
        """Arm this one rollback (of one service or of a group) in an environment that is read-only by default.

        One act is armed at a time: another one takes its place. The refusal in words, None where it is armed.
        """
        if self._read_only is True:
            return f"{self._environment.name} stays read-only: {self.state().why}"
        if not plans or not all(plan.emergency for plan in plans):
            return "only a rollback can be armed by itself; :write REASON opens the environment"
        self._plans, self._plans_until = tuple(plans), self._timing.monotonic() + ONE_PLAN_S
        return None

    def armed(self, plan: Plan) -> bool:
        """Whether this very plan is armed."""
        return plan in self._plans and self._timing.monotonic() < self._plans_until

    def used(self, plan: Plan) -> None:
        """A plan was sent: its arming is spent."""
        self._plans = tuple(other for other in self._plans if other != plan)

    def refusal(self, *, emergency: bool = False) -> str | None:
        """Why nothing of the kind may even be prepared, None where it may. Asked before anything is read.

        A rollback is prepared in a default read-only environment too: its card is looked at before it is armed.
        """
        state = self.state()
        name = self._environment.name
        if state.mode is WriteMode.FORBIDDEN:
            return f"{name} is read-only ({state.why}): nothing was read and nothing written"
        if state.mode is WriteMode.READ_ONLY and not emergency:
            return f"{name} is read-only ({state.why}): --write or :write REASON allows writes"
        return None

    def refusal_to_send(self, plan: Plan) -> str | None:
        """Why this plan may not be sent, None where it may."""
        state = self.state()
        if state.writable or (state.mode is WriteMode.READ_ONLY and plan.emergency and self.armed(plan)):
            return None
        if state.mode is WriteMode.READ_ONLY and plan.emergency:
            return f"{self._environment.name} is read-only ({state.why}): arm this rollback first"
        return self.refusal()
