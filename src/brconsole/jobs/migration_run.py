"""One run: under the lock, under the plan that was approved, one revision after another, its record beside it.

Whatever ends it, the database stands at a whole revision: each is applied on its own, and one that fails is rolled back
by the database. What it stands at afterwards is read back, never assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from brconsole.domain.migration import RevisionReport
from brconsole.integrations.migration_database import MigrationDatabase, RunRecord
from brconsole.integrations.migration_steps import MigrationSteps, StepResult
from brconsole.jobs.job_log import JobLog
from brconsole.jobs.job_settings import JobSettings
from brconsole.jobs.migration_line import MigrationLine, OffTheLineError
from brconsole.operations.failure import SourceFailure

DONE, FAILED, REFUSED, LOCKED = 0, 1, 3, 4
"""Exit statuses of a run."""

APPLICATION = "brconsole-migrate"
CONTROL = "brconsole-migrate-control"
"""Names of sessions, as `pg_stat_activity` shows them: of the project's env.py, and of the job itself."""

_LOCK_WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Between attempts at a revision that did not get a lock within the lock timeout."""
_LEFT_BEHIND_S = 20.0
"""How long the statements of a killed run may take to notice that nobody waits for them any more."""
_CANCEL_EVERY_S = 0.5
_TERMINATE_AFTER_S = 5.0
"""Cloud Run kills the container 10 s after it asked it to end."""
_LOOK_S = 0.2
_CONNECTION_CHECK_SINCE = 14


class _EndedError(Exception):
    """The run is over, and its last word is said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Stop:
    """Whether somebody asked for the end; set by a signal handler."""

    asked: bool = False
    at: float = 0.0

    def ask(self) -> None:
        """Ask for it, now."""
        if not self.asked:
            self.asked, self.at = True, time.monotonic()


def session_options(settings: JobSettings, server_major: int | None, *, read_only: bool = False) -> str:
    """libpq's options for every session of the job. A statement that nobody waits for any more is to end soon."""
    options = [f"lock_timeout={settings.lock_timeout_ms}", f"statement_timeout={settings.statement_timeout_ms}"]
    if server_major is not None and server_major >= _CONNECTION_CHECK_SINCE:
        options.append("client_connection_check_interval=1000")
    if read_only:
        options.append("default_transaction_read_only=on")
    return " ".join(f"-c {option}" for option in options)


class MigrationRun:
    """A run of the approved plan."""

    def __init__(self, settings: JobSettings, line: MigrationLine, log: JobLog, stop: Stop) -> None:
        self._settings = settings
        self._line = line
        self._log = log
        self._stop = stop
        self._began = time.monotonic()
        self._record: int | None = None
        self._cancelled = 0.0

    def execute(self, connect: Callable[[], MigrationDatabase]) -> int:
        """Do it; returns the exit status. `connect` opens a session of the job's own."""
        database = connect()
        try:
            return self._under_lock(database, connect)
        except _EndedError as ended:
            return ended.status
        finally:
            database.close()

    def _under_lock(self, database: MigrationDatabase, connect: Callable[[], MigrationDatabase]) -> int:
        settings, line = self._settings, self._line
        if not database.try_lock():
            self._refuse("another run holds the lock of this database", LOCKED)
        try:
            head = line.head
            stands_at = database.applied()
            pending = line.pending(stands_at)
        except OffTheLineError as error:
            self._refuse(str(error))
        if head != settings.expected_head:
            self._refuse(f"the code's head is {head}, and EXPECTED_HEAD is {settings.expected_head}")
        record = database.last_record(settings.release)
        if record is not None and record.outcome == "done" and stands_at == (head,):
            self._sentinel(record.before, head, record.plan_hash, already=True)
            return DONE
        before = self._approved_from(database, stands_at)
        applied = line.standing(stands_at)
        self._wait_for_left_behind(database)
        self._log.event(
            "started",
            f"migrating from {applied or 'an empty database'} to {head}: {_counted(len(pending))}",
            release=settings.release,
            applied=applied,
            head=head,
            hash=settings.plan_hash,
        )
        self._record = database.begin_record(settings.release, settings.plan_hash, before, head, settings.image)
        self._apply(database, connect, pending)
        self._finish(database, connect, before, head)
        return DONE

    def _approved_from(self, database: MigrationDatabase, stands_at: tuple[str, ...]) -> str | None:
        """The revision from which the approved plan begins: what the database stands at, or what it stood at when an
        earlier run of the same plan began that did not come to its end.
        """
        approved, now = self._settings.plan_hash, self._line.hash(stands_at)
        applied = self._line.standing(stands_at)
        if now == approved:
            return applied
        earlier = database.last_unfinished(approved)
        if earlier is None or not self._goes_on(earlier, stands_at):
            self._refuse(
                f"the plan is {now[:12]} now, and {approved[:12]} was approved: the database stands at"
                f" {applied or 'nothing'}, or the migrations are not the reviewed ones"
            )
        self._log.text(f"run {earlier.id} of this plan began at {earlier.before or 'an empty database'}; going on")
        return earlier.before

    def _goes_on(self, record: RunRecord, stands_at: tuple[str, ...]) -> bool:
        """Whether the database stands on the way of a recorded run, and the rest of the way is the approved one."""
        began_at = () if record.before is None else (record.before,)
        with suppress(OffTheLineError):
            on_the_way = self._line.done(began_at) <= self._line.done(stands_at)
            return on_the_way and self._line.hash(began_at) == record.plan_hash
        return False

    def _wait_for_left_behind(self, database: MigrationDatabase) -> None:
        """Let the statements of a run that was killed come to their end: nobody knows yet whether they commit."""
        until = time.monotonic() + _LEFT_BEHIND_S
        while database.left_behind(APPLICATION):
            if self._stop.asked or time.monotonic() > until:
                self._refuse("sessions of an earlier run are still at work in the database; wait, or end them", LOCKED)
            time.sleep(_LOOK_S)

    # --------------------------------------------------------------------------------------------------------- applying

    def _apply(
        self, database: MigrationDatabase, connect: Callable[[], MigrationDatabase], pending: tuple[RevisionReport, ...]
    ) -> None:
        if not pending:
            return
        settings = self._settings
        options = session_options(settings, database.server_major)
        with MigrationSteps(settings.alembic, settings.database_url, options, APPLICATION, settings.python) as steps:
            steps.open(lambda: None, self._log.text)
            for report in pending:
                if self._stop.asked:
                    self._fail(database, connect, "it was asked to end", report.revision)
                if not database.holds_lock():
                    self._fail(database, connect, "the lock of the run was lost", report.revision)
                self._step(database, connect, steps, report)

    def _step(
        self,
        database: MigrationDatabase,
        connect: Callable[[], MigrationDatabase],
        steps: MigrationSteps,
        report: RevisionReport,
    ) -> None:
        revision, began = report.revision, time.monotonic()
        self._log.event("step", f"{revision} {report.source.title}", revision=revision, state="started", seconds=0)
        before = database.applied()
        error = ""
        try:
            result = self._attempts(database, steps, report, before)
            error = result.error
        except SourceFailure as failure:
            error = str(failure)
        took = round(time.monotonic() - began, 3)
        if not error and revision not in database.applied():
            error = "it ran, and the database does not stand at it: env.py keeps its version elsewhere"
        if error:
            if self._stop.asked:
                error = f"it was asked to end: {error}"
            self._log.event(
                "step",
                f"{revision} failed: {error}",
                "ERROR",
                revision=revision,
                state="failed",
                seconds=took,
                error=error,
            )
            self._fail(database, connect, error, revision)
        self._log.event("step", f"{revision} done in {took} s", revision=revision, state="done", seconds=took)

    def _attempts(
        self, database: MigrationDatabase, steps: MigrationSteps, report: RevisionReport, before: tuple[str, ...]
    ) -> StepResult:
        """Apply a revision, again where it only did not get a lock and has left nothing behind."""
        for wait_s in (*_LOCK_WAITS_S, None):
            result = steps.apply(report.revision, lambda: self._cancel(database), self._log.text)
            if wait_s is None or self._stop.asked or not result.waited_in_vain:
                return result
            if result.commits or database.applied() != before:
                return result
            self._log.text(
                f"{report.revision}: a lock was not to be had within {self._settings.lock_timeout_ms} ms;"
                f" rolled back, and tried again in {wait_s:g} s",
                "WARNING",
            )
            until = time.monotonic() + wait_s
            while time.monotonic() < until and not self._stop.asked:
                time.sleep(_LOOK_S)
        raise AssertionError("the last attempt returns")

    def _cancel(self, database: MigrationDatabase) -> None:
        """Once the end was asked for: cancel what the project's sessions do, and end them where that does not help."""
        now = time.monotonic()
        if not self._stop.asked or now - self._cancelled < _CANCEL_EVERY_S:
            return
        self._cancelled = now
        database.cancel(APPLICATION, end=now - self._stop.at > _TERMINATE_AFTER_S)

    # ------------------------------------------------------------------------------------------------------ last words

    def _finish(
        self, database: MigrationDatabase, connect: Callable[[], MigrationDatabase], before: str | None, head: str
    ) -> None:
        stands = database.applied()
        if stands != (head,):
            self._fail(database, connect, f"it ran to its end, and the database does not stand at {head}", None)
        assert self._record is not None
        database.end_record(self._record, head, "done")
        self._sentinel(before, head, self._settings.plan_hash, already=False)

    def _sentinel(self, before: str | None, head: str, plan: str, *, already: bool) -> None:
        self._log.event(
            "sentinel",
            f"the database stands at {head}" + (", as this release's run left it" if already else ""),
            release=self._settings.release,
            before=before,
            applied=head,
            head=head,
            hash=plan,
            image=self._settings.image,
            history=self._line.history(),
            already=already,
            seconds=round(time.monotonic() - self._began, 3),
        )

    def _refuse(self, reason: str, status: int = REFUSED) -> NoReturn:
        self._log.event("refused", f"refused: {reason}", "ERROR", reason=reason)
        raise _EndedError(status)

    def _fail(
        self,
        database: MigrationDatabase,
        connect: Callable[[], MigrationDatabase],
        reason: str,
        revision: str | None,
    ) -> NoReturn:
        """Say and record that it failed, with what the database stands at, which may need a new connection."""
        found = self._read_back(database)
        if found is None:
            with suppress(SourceFailure):
                fresh = connect()
                try:
                    found = self._read_back(fresh)
                finally:
                    fresh.close()
        # Without a word of it nobody takes the database to stand anywhere.
        fields, stands = {}, "what it stands at is not known"
        if found is not None:
            applied, invalid = found
            fields, stands = {"applied": applied}, f"it stands at {applied or 'an empty database'}"
            if invalid:
                reason = f"{reason}; a concurrent build left behind {', '.join(invalid)}: drop it before the next run"
        self._log.event(
            "failed",
            f"failed: {reason}; {stands}",
            "ERROR",
            reason=reason,
            revision=revision,
            **fields,
        )
        raise _EndedError(FAILED)

    def _read_back(self, database: MigrationDatabase) -> tuple[str | None, tuple[str, ...]] | None:
        """What the database stands at and its unusable indexes, once that is recorded; None where it does not say."""
        try:
            applied, invalid = self._line.standing(database.applied()), database.invalid_indexes()
        except SourceFailure:
            return None
        if self._record is not None:
            with suppress(SourceFailure):
                database.end_record(self._record, applied, "failed")
        return applied, invalid


def _counted(number: int) -> str:
    return f"{number} {'revision' if number == 1 else 'revisions'}"
