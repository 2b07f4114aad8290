"""The migrations as a desk looks at them, on the feeds' thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from brconsole.operations.desk import (
    ApproveMigration,
    LookAtSchema,
    MigrationSeen,
    RunMigration,
    Stage,
)
from brconsole.operations.reading import sentence
from brconsole.operations.timing import Timing, pause

if TYPE_CHECKING:
    from brconsole.domain.job import Execution
    from brconsole.domain.migration_view import MigrationView, RunView
    from brconsole.operations.desk import MigrationOrder, Told
    from brconsole.operations.gateway_jobs import JobProposal
    from brconsole.operations.migrations import Migrations
    from brconsole.operations.outcome import Confirmed, Outcome
    from brconsole.operations.use_cases import UseCases

LOOK_S = 10.0
"""Between two looks at the job, in service time."""
BUSY_S = 5.0
"""The same while a run is under way."""
LEAST_LOOK_S = 1.0
"""The least pause at any speed, in real time."""
_log = logging.getLogger(__name__)


class MigrationLooks:
    """Looks while somebody wants it, and carries out what is ordered. All methods belong to the feeds' loop; `seen` may
    be read from anywhere.
    """

    def __init__(
        self, cases: Callable[[], Awaitable[UseCases]], say: Callable[[str | None], None], timing: Timing
    ) -> None:
        self.seen = MigrationSeen()
        self._cases = cases
        self._say = say
        self._timing = timing
        self._again = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._planned: object = None

    def want(self, wanted: bool) -> None:
        """Begin to look, or end it."""
        if not wanted:
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None
        elif self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        else:
            self._again.set()

    async def propose(
        self, order: MigrationOrder, reason: str, answered: Callable[[JobProposal | Outcome], None]
    ) -> None:
        """What an order would write, or why it is not done."""
        from brconsole.operations.outcome import failed

        made: JobProposal | Outcome
        try:
            migrations = await self._open()
            if migrations is None:
                made = _not_configured()
            elif isinstance(order, RunMigration):
                made = await migrations.propose_run(reason, order.service, retry=order.retry)
            elif isinstance(order, ApproveMigration):
                made = await migrations.propose_approval(order.hash, reason, order.service)
            else:
                made = await migrations.propose_cancel(reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
            made = failed("Google Cloud", error)
        answered(made)

    async def send(
        self, made: JobProposal | LookAtSchema, confirmed: Confirmed, told: Told, ended: Callable[[Outcome], None]
    ) -> None:
        """Send it; told each line that it logs."""
        from brconsole.operations.outcome import failed

        def tell(text: str) -> None:
            told(Stage.ACCEPTED, text)

        outcome: Outcome
        try:
            migrations = await self._open()
            if migrations is None:
                outcome = _not_configured()
            elif isinstance(made, LookAtSchema):
                told(Stage.SENT, f"looking at the schema ({made.mode})")
                outcome = await migrations.look(made.mode, made.service, tell)
            else:
                told(Stage.SENT, made.plan.what)
                outcome = await migrations.send(made, confirmed, tell, self._run_seen)
        except Exception as error:  # noqa: BLE001 - whatever it is, who sent is told
            _log.exception("an order to the migrations ended without an outcome")
            outcome = failed("brconsole", error)
        ended(outcome)
        self._again.set()

    async def _open(self) -> Migrations | None:
        migrations = (await self._cases()).migrations
        if self.seen.configured is not (migrations is not None):
            self._now(configured=migrations is not None)
        return migrations

    async def _look(self) -> None:
        while True:
            self._again.clear()
            wait_s, speed = LOOK_S, 1.0
            try:
                cases = await self._cases()
                speed = max(cases.clock.speed, 1e-3)
                migrations = await self._open()
                if migrations is None:
                    return
                view = await self._read(migrations)
                if view is not None and view.under_way is not None:
                    wait_s = BUSY_S
            except Exception as error:  # noqa: BLE001 - it is looked again
                self._now(problem=sentence("Google Cloud", error))
            await pause(max(LEAST_LOOK_S, wait_s / speed), self._again, self._timing)

    async def _read(self, migrations: Migrations) -> MigrationView | None:
        from brconsole.operations.outcome import Outcome

        view = await migrations.view()
        if isinstance(view, Outcome):
            self._now(problem=view.sentence)
            return None
        self._now(view=view, problem=view.error or None, run=self._run(migrations, view.last_run))
        await self._plan(migrations, view)
        return view

    def _run(self, migrations: Migrations, run: Execution | None) -> RunView | None:
        from brconsole.domain.migration_view import RunView

        if run is None:
            return None
        return RunView(migrations.reader.report(run), migrations.reader.lines(run))

    async def _plan(self, migrations: Migrations, view: MigrationView) -> None:
        """The plan with its check, made anew where something that it depends on changed."""
        from brconsole.operations.outcome import Outcome

        job = view.job
        depends = (
            None if job is None else (job.version, job.image),
            tuple((said.execution.name, said.plan.hash) for said in view.reports if said.plan is not None),
            None if view.schema is None else (view.schema.applied, view.schema.doubt),
        )
        if depends == self._planned and self.seen.plan_problem is None:
            return
        self._now(checking=True)
        try:
            found = await migrations.plan(look=False)
        finally:
            self._now(checking=False)
        self._planned = depends
        if isinstance(found, Outcome):
            self._now(plan=None, plan_problem=found.sentence)
        else:
            self._now(plan=found, plan_problem=None)

    def _run_seen(self, run: RunView) -> None:
        self._now(run=run)

    def _now(self, **found: Any) -> None:
        changed = replace(self.seen, **found)
        if changed != self.seen:
            self.seen = changed
            self._say(None)


def _not_configured() -> Outcome:
    from brconsole.operations.outcome import Outcome, OutcomeKind

    text = "no migrations are configured: set [migrations] alembic to the project's alembic.ini"
    return Outcome(OutcomeKind.REFUSED, text)
