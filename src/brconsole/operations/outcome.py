"""What became of something that was asked for: one value for the screen, the command line and the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from brconsole.domain.plan import Confirmation
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.reading import sentence


class OutcomeKind(StrEnum):
    """How it ended."""

    DONE = "done"
    """Written, read back and served; or there was nothing to do and that is what was wanted."""
    ALREADY_DONE = "already done"
    """The target was reached without this write: a lost race, or asked twice."""
    ACCEPTED = "accepted, not verified"
    """Cloud Run took the write; what it serves could not be read, or is not yet what was asked for."""
    UNKNOWN = "unknown"
    """Sent, and neither the answer nor the service tells whether it was taken."""
    REFUSED = "refused"
    """Not sent: read-only, not confirmed, not permitted, or against the rules of a rollout."""
    CONFLICT = "conflict"
    """Not sent or not taken: the world changed since the question."""
    GATE_HOLD = "gate holds"
    GATE_FAIL = "gate fails"
    ROLLED_BACK = "rolled back"
    """A rollout that was driven ended at stable."""
    FAILED = "failed"
    UNREACHABLE = "unreachable"


EXIT_STATUS: Mapping[OutcomeKind, int] = {
    OutcomeKind.DONE: 0,
    OutcomeKind.ALREADY_DONE: 0,
    OutcomeKind.ACCEPTED: 1,
    OutcomeKind.UNKNOWN: 1,
    OutcomeKind.REFUSED: 3,
    OutcomeKind.CONFLICT: 4,
    OutcomeKind.GATE_HOLD: 10,
    OutcomeKind.GATE_FAIL: 20,
    OutcomeKind.ROLLED_BACK: 20,
    OutcomeKind.FAILED: 1,
    OutcomeKind.UNREACHABLE: 5,
}
"""DESIGN §4. Accepted without being verified is no 0: a pipeline that reads 0 believes that it is served."""
_BAD_FIRST = (
    OutcomeKind.FAILED,
    OutcomeKind.UNKNOWN,
    OutcomeKind.UNREACHABLE,
    OutcomeKind.CONFLICT,
    OutcomeKind.REFUSED,
    OutcomeKind.GATE_FAIL,
    OutcomeKind.ROLLED_BACK,
    OutcomeKind.GATE_HOLD,
    OutcomeKind.ACCEPTED,
    OutcomeKind.DONE,
    OutcomeKind.ALREADY_DONE,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one order ended, with the sentence that may be printed."""

    kind: OutcomeKind
    sentence: str
    service: str = ""
    before: Mapping[str, int] | None = field(default=None, hash=False)
    """Percent by revision that was asked for before, None where it is not known."""
    after: Mapping[str, int] | None = field(default=None, hash=False)
    """Percent by revision that this order asked for, None where none was decided."""
    blocked_by: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What else must be said: the next deploy, a journal that could not be written."""
    entry: str | None = None
    """The id of the journal's intent."""
    page: bool = False
    """Whether a person must look now."""

    @property
    def exit_status(self) -> int:
        """The command's exit status."""
        return EXIT_STATUS[self.kind]

    @property
    def good(self) -> bool:
        """Whether what was wanted is so."""
        return self.exit_status == 0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How somebody said yes. `typed` is what was typed where the environment's name is asked for.

    `standing` is the order under which an agent or a pipeline drives: it covers what the reducer decides by itself, and
    nothing that needs the name typed.
    """

    level: Confirmation = Confirmation.NONE
    typed: str = ""
    standing: bool = False

    def covers(self, needed: Confirmation, environment: str) -> bool:
        """Whether this is enough for what is needed."""
        if needed is Confirmation.TYPED:
            return self.level is Confirmation.TYPED and self.typed == environment
        return self.standing or _RANK[self.level] >= _RANK[needed]


_RANK = {level: rank for rank, level in enumerate(Confirmation)}

NOT_CONFIRMED = Confirmed()
BY_KEY = Confirmed(Confirmation.YES_NO)
"""y at a question."""
BY_DIALOG = Confirmed(Confirmation.DIALOG)
"""Confirmed with before → after in view, or by --yes."""
STANDING = Confirmed(standing=True)


def by_name(typed: str) -> Confirmed:
    """The environment's name, typed."""
    return Confirmed(Confirmation.TYPED, typed)


def failed(api: str, error: BaseException, service: str = "") -> Outcome:
    """The outcome of a call that failed before anything was written."""
    kind = OutcomeKind.FAILED
    if isinstance(error, SourceFailure):
        kind = _KINDS.get(error.kind, OutcomeKind.FAILED)
    return Outcome(kind, sentence(api, error), service)


_KINDS = {
    FailureKind.PERMISSION: OutcomeKind.REFUSED,
    FailureKind.CONFLICT: OutcomeKind.CONFLICT,
    FailureKind.UNAUTHENTICATED: OutcomeKind.UNREACHABLE,
    FailureKind.UNAVAILABLE: OutcomeKind.UNREACHABLE,
    FailureKind.TIMEOUT: OutcomeKind.UNREACHABLE,
}


def worst(outcomes: Iterable[Outcome]) -> OutcomeKind:
    """The kind that stands for several services together."""
    kinds = {outcome.kind for outcome in outcomes}
    return next((kind for kind in _BAD_FIRST if kind in kinds), OutcomeKind.DONE)
