"""The migration job: `python -m brconsole.jobs.migrate status|plan|run`, what the Cloud Run job `migrate-db` runs.

The only part of the console that reaches a production database. `status` and `plan` change nothing in it: their
sessions are read-only. What it says are JSON lines (`job_log`); the console reads them back from Cloud Logging.

Exit status: 0 done · 1 failed · 2 called wrongly · 3 refused · 4 another run holds the lock.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from brconsole.domain.migration import RevisionReport
from brconsole.integrations.migration_database import MigrationDatabase, RunRecord, TableStatistics, redacted
from brconsole.integrations.migration_project import read_project
from brconsole.jobs.job_log import JobLog
from brconsole.jobs.job_settings import JobSettings, SettingError, settings
from brconsole.jobs.migration_line import MigrationLine, OffTheLineError
from brconsole.jobs.migration_run import CONTROL, DONE, FAILED, REFUSED, MigrationRun, Stop, session_options
from brconsole.operations.failure import SourceFailure

MODES = ("status", "plan", "run")
USAGE = 2
_RUN_NEEDS = {"RELEASE_ID": "release", "PLAN_HASH": "plan_hash", "EXPECTED_HEAD": "expected_head"}
_MOST_STATEMENT_BYTES = 64 * 1024


def main(arguments: Sequence[str], environ: Mapping[str, str], stream: TextIO) -> int:
    """Do what the arguments say; returns the exit status. Whatever goes wrong is said in a line."""
    url = environ.get("DATABASE_URL", "")
    log = JobLog(stream, lambda text: redacted(text, url) if url else text)
    if len(arguments) != 1 or arguments[0] not in MODES:
        found = " ".join(arguments) or "nothing"
        return _failed(log, f"the arguments: found {found}, allowed is one of {', '.join(MODES)}", USAGE)
    mode = arguments[0]
    try:
        told = settings(environ, Path.cwd())
        return _run(told, log) if mode == "run" else _look(told, log, whole_plan=mode == "plan")
    except SettingError as error:
        return _failed(log, str(error), USAGE)
    except (SourceFailure, OffTheLineError) as error:
        return _failed(log, str(error), FAILED)
    except Exception as error:  # noqa: BLE001 - a job's last word is a line in its log, not a traceback with its secrets
        return _failed(log, f"{type(error).__name__}: {error}", FAILED)


def _failed(log: JobLog, reason: str, status: int) -> int:
    reason = log.safe(reason)
    log.event("failed", f"failed: {reason}", "ERROR", reason=reason, revision=None)
    return status


def _run(told: JobSettings, log: JobLog) -> int:
    missing = [name for name, field in _RUN_NEEDS.items() if not getattr(told, field)]
    if missing:
        reason = f"{' and '.join(missing)} must be set: only a reviewed plan is run, for a release, to a known head"
        log.event("refused", f"refused: {reason}", "ERROR", reason=reason)
        return REFUSED
    stop = Stop()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.ask())
    line = _line(told)
    return MigrationRun(told, line, log, stop).execute(
        lambda: MigrationDatabase(told.database_url, session_options(told, None), CONTROL, told.version_table)
    )


def _look(told: JobSettings, log: JobLog, *, whole_plan: bool) -> int:
    """What the database stands at, and with `whole_plan` what a run would do."""
    line = _line(told)
    options = session_options(told, None, read_only=True)
    database = MigrationDatabase(told.database_url, options, CONTROL, told.version_table)
    try:
        stands_at = database.applied()
        tables = database.tables()
        record = database.last_record()
        version = database.server_version
    finally:
        database.close()
    applied, pending = line.standing(stands_at), line.pending(stands_at)
    fields = {
        "applied": applied,
        "heads": list(line.heads),
        "history": line.history(),
        "pending": [report.revision for report in pending],
        "tables": [_table(one) for one in tables],
        "server_version": version,
        "last_record": None if record is None else _record(record),
    }
    stands = f"the database stands at {applied or 'nothing yet'}, {len(pending)} pending"
    if not whole_plan:
        log.event("status", stands, **_fitting(log, fields))
        return DONE
    head = line.head
    sizes = {one.table: one for one in tables}
    for report in pending:
        log.event("plan_step", f"{report.revision} {report.source.title}", **_step(report, sizes))
    log.event("plan", stands, **_fitting(log, {**fields, "hash": line.hash(stands_at), "head": head}))
    return DONE


def _line(told: JobSettings) -> MigrationLine:
    reports, heads = asyncio.run(read_project(told.alembic, told.python or None))
    return MigrationLine(reports, heads)


def _step(report: RevisionReport, sizes: Mapping[str, TableStatistics]) -> dict[str, Any]:
    """One pending revision; statements that would not fit into one entry of the log are cut."""
    left = _MOST_STATEMENT_BYTES * 2
    sql = []
    for statement in report.upgrade_sql:
        kept = statement.encode()[: min(_MOST_STATEMENT_BYTES, left)].decode("utf-8", "ignore")
        sql.append(kept if kept == statement else f"{kept} …")
        left -= len(kept.encode())
        if left <= 0:
            break
    return {
        "revision": report.revision,
        "title": report.source.title,
        "class": report.migration_class.value,
        "sql": sql,
        "locks": [
            {
                "table": lock.table,
                "mode": lock.mode,
                "rewrites": lock.rewrites,
                "scans": lock.scans,
                "rows": sizes[lock.table].rows if lock.table in sizes else None,
                "bytes": sizes[lock.table].size_bytes if lock.table in sizes else None,
            }
            for lock in report.locks
        ],
    }


def _fitting(log: JobLog, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with as many tables, the largest first, as one entry of the log can hold."""
    while fields["tables"] and not log.fits(**fields):
        fields = {**fields, "tables": fields["tables"][: len(fields["tables"]) // 2]}
    return fields


def _table(found: TableStatistics) -> dict[str, Any]:
    return {"table": found.table, "rows": found.rows, "bytes": found.size_bytes}


def _record(found: RunRecord) -> dict[str, Any]:
    return {
        "release": found.release,
        "hash": found.plan_hash,
        "before": found.before,
        "applied": found.applied,
        "head": found.head,
        "image": found.image,
        "started": found.started.isoformat(),
        "finished": None if found.finished is None else found.finished.isoformat(),
        "outcome": found.outcome,
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ, sys.stdout))
