"""How a face acts while it goes on answering keys: orders are handed in and answered later, from another thread.

    desk.propose(Promote("api"), "looks well", answered)      # answered(Proposal | Outcome)
    desk.send(proposal, BY_DIALOG, told, ended)               # told(Stage, sentence), then ended(Outcome)

Migrations go the same way, with orders of their own:

    desk.watch_migrations(True)                          # look at the job, and at a run under way, again and again
    desk.migration_seen()                                # MigrationSeen: view, plan with its check, run with its log
    desk.send_migration(LookAtSchema("plan"), NOT_CONFIRMED, told, ended)   # only reports, so nothing is asked
    desk.propose_migration(ApproveMigration(hash), reason, answered)        # answered(JobProposal | Outcome)
    desk.propose_migration(RunMigration(), reason, answered)                # or CancelMigration()
    desk.send_migration(job_proposal, BY_DIALOG, told, ended)               # told(Stage, a line of its log), ended(…)

`job_proposal.plan.confirmation` says how to confirm it (TYPED: `by_name(…)`; NONE: the run exists, it is only watched).
A run goes on without a desk; the next one that watches sees it in `migration_seen().run`. The check of the configured
project takes seconds: it is made away from the loop, once for each plan (`checking` while it is).

A desk also looks again and again at the one service that is in front of a person: its rollout with the gates, and the
rollback's target with its checks, so that the card is there before anybody needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from brconsole.domain.environment import Environment
    from brconsole.domain.migration_view import MigrationView, RunView
    from brconsole.operations.gateway import Proposal
    from brconsole.operations.gateway_jobs import JobProposal
    from brconsole.operations.journal import Entry
    from brconsole.operations.migrations import PlanView
    from brconsole.operations.outcome import Confirmed, Outcome
    from brconsole.operations.rollback import GroupOutcome, GroupProposal, RollbackCard
    from brconsole.operations.rollouts import Order as RolloutOrder
    from brconsole.operations.rollouts import RolloutView


@dataclass(frozen=True, slots=True)
class Shift:
    """Any split by hand, in whole percents by revision."""

    service: str
    split: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UndoShift:
    """The split before the last one by hand."""

    service: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """All traffic back; `to` is a person's choice of the revision."""

    service: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class RollBackGroup:
    """The whole release group back, in one act."""


@dataclass(frozen=True, slots=True)
class RunMigration:
    """The run of the candidate's approved plan; `retry` starts one that failed once more."""

    service: str | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class ApproveMigration:
    """The approval of the current plan, named by its hash (or so much of it that it cannot be another)."""

    hash: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class CancelMigration:
    """The end of the run under way."""


@dataclass(frozen=True, slots=True)
class LookAtSchema:
    """An execution that reports where the database stands (`status`), or what the candidate's code would do (`plan`).

    It is sent as it is: it changes nothing, so nothing is asked.
    """

    mode: str = "status"
    service: str | None = None


if TYPE_CHECKING:
    MigrationOrder = RunMigration | ApproveMigration | CancelMigration
    Order = RolloutOrder | Shift | UndoShift | RollBack | RollBackGroup
    Made = Proposal | GroupProposal
    Ended = Outcome | GroupOutcome


class Stage(StrEnum):
    """How far a write is."""

    SENT = "sent"
    ACCEPTED = "accepted"
    SERVING = "serving"
    DRAINED = "drained"


Told = Callable[[Stage, str], None]


@dataclass(frozen=True, slots=True)
class Watching:
    """What the desk looks at: a service's rollback card, and with `rollout` its rollout and gates too."""

    service: str
    rollout: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last looks at a service found; None is "not looked yet"."""

    view: RolloutView | None = None
    problem: str | None = None
    """Why the newest look failed; `view` is then the last good one."""
    card: RollbackCard | None = None
    card_at: datetime | None = None
    """When the card was checked, in service time."""
    entries: tuple[Entry, ...] = ()
    """The newest of the journal of this service, oldest first."""


@dataclass(frozen=True, slots=True)
class MigrationSeen:
    """What the last looks at the migrations found; None is "not looked yet"."""

    configured: bool | None = None
    """False where the environment has no migrations configured."""
    view: MigrationView | None = None
    problem: str | None = None
    """Why the newest look failed; the rest is of the last good one."""
    plan: PlanView | None = None
    """The candidate's current plan with the check of it; its own `plan` is None where none is known."""
    plan_problem: str | None = None
    """Why there is no plan to show: no candidate, or it cannot be read."""
    checking: bool = False
    """Whether the check of the plan is being made."""
    run: RunView | None = None
    """The run under way, or the newest one, with its log."""


class Desk(Protocol):
    """Where one environment's orders are handed in. Every method returns at once and may be called from any thread;
    what is handed over is called from the desk's own.
    """

    environment: Environment

    def start(self) -> None:
        """Open the environment and begin to look; does nothing where that is done."""

    def stop(self) -> None:
        """Look no more; what was sent is still seen to its end."""

    def watch(self, watching: Watching | None) -> None:
        """What to look at from now on."""

    def seen(self, service: str) -> Seen:
        """The newest looks at a service."""

    def subscribe(self, looked: Callable[[str | None], None]) -> Callable[[], None]:
        """Call `looked` after each look (None), or with a sentence for the person; returns the way to end it."""

    def propose(self, order: Order, reason: str, answered: Callable[[Made | Outcome], None]) -> None:
        """What an order would write, for a person to see; or why it is not done."""

    def send(self, made: Made, confirmed: Confirmed, told: Told, ended: Callable[[Ended], None]) -> None:
        """Send it; `told` goes on after the end of a rollback until the others are drained."""

    def watch_migrations(self, wanted: bool) -> None:
        """Whether to look at the migrations from now on."""

    def migration_seen(self) -> MigrationSeen:
        """The newest looks at the migrations."""

    def propose_migration(
        self, order: MigrationOrder, reason: str, answered: Callable[[JobProposal | Outcome], None]
    ) -> None:
        """What an order would write to the migration job, for a person to see; or why it is not done."""

    def send_migration(
        self, made: JobProposal | LookAtSchema, confirmed: Confirmed, told: Told, ended: Callable[[Outcome], None]
    ) -> None:
        """Send it; told each line of the execution's log until that has ended."""

    def read_journal(self, service: str | None, answered: Callable[[tuple[Entry, ...] | str], None]) -> None:
        """The environment's entries, oldest first; a sentence where they cannot be read."""

    def drive(self, service: str, wanted: bool) -> None:
        """Do what the rollout's reducer decides from now on, under the standing order just given; or no more."""

    @property
    def driven(self) -> AbstractSet[str]:
        """The services whose wheel is held here."""
