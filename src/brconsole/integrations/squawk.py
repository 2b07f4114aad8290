"""Squawk, the linter of migrations, on rendered SQL: what it says beside our own rules.

Our rules know the schema before a statement and which tables are new or empty; squawk sees one file. So what it says of
a thing that our rules judge is dropped, and the rest is said without refusing anything.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brconsole.domain.migration import Finding
from brconsole.domain.statement import Statement
from brconsole.domain.text import clean

_DEADLINE_S = 30.0
# The job sets both for every connection (PGOPTIONS), so their absence in the file is no fault.
_HEAD = "SET lock_timeout = '1s';\nSET statement_timeout = '900s';\n"
_OURS = frozenset(
    (
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-required-field",
        "adding-serial-primary-key-field",
        "ban-alter-domain-with-add-constraint",
        "ban-concurrent-index-creation-in-transaction",
        "ban-drop-column",
        "ban-drop-constraint",
        "ban-drop-database",
        "ban-drop-not-null",
        "ban-drop-table",
        "ban-truncate-cascade",
        "ban-uncommitted-transaction",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "prefer-text-field",  # its reason, that a varchar cannot grow without a rewrite, ended with PostgreSQL 9.2
        "prefer-robust-stmts",  # Alembic runs a revision in one transaction, so it cannot fail half way
        "renaming-column",
        "renaming-table",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-enum-value-ordering",
        "require-lock-timeout",
        "require-statement-timeout",
        "require-timeout-settings",
        "syntax-error",
        "transaction-nesting",
    )
)
"""Judged by `domain.migration_rules`, or of no account in what Alembic renders."""


def program() -> str | None:
    """Where squawk is: beside this interpreter, where pip puts it, or on PATH."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if beside.is_file() else shutil.which("squawk")


async def lint(revisions: Mapping[str, Sequence[Statement]]) -> Mapping[str, tuple[Finding, ...]]:
    """What squawk remarks on each revision's statements, all in one run; empty where it cannot be run."""
    command = program()
    if command is None or not revisions:
        return {}
    with tempfile.TemporaryDirectory(prefix="brconsole-squawk-") as folder:
        files = {f"{number}.sql": revision for number, revision in enumerate(revisions)}
        places = {}
        for name, revision in files.items():
            text, lines = _file(revisions[revision])
            (Path(folder) / name).write_text(text, "utf-8", "replace")
            places[name] = lines
        said = await _run(command, folder, list(files))
    found: dict[str, list[Finding]] = {revision: [] for revision in revisions}
    for remark in said:
        name = Path(str(remark.get("file", ""))).name
        if name in files and remark.get("rule_name") not in _OURS:
            revision = files[name]
            statement = _at(revisions[revision], places[name], int(remark.get("line", 0)))
            found[revision].append(_finding(remark, statement))
    return {revision: tuple(dict.fromkeys(findings)) for revision, findings in found.items()}


async def _run(command: str, folder: str, files: list[str]) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(command, "--reporter", "json", *files),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            output, _ = await process.communicate()
        said = json.loads(output or b"[]")
    except (TimeoutError, ValueError):
        return []
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return [entry for entry in said if isinstance(entry, dict)] if isinstance(said, list) else []


def _file(statements: Sequence[Statement]) -> tuple[str, list[int]]:
    """The text for squawk and the line, from 0, on which each statement begins."""
    text, lines = _HEAD, []
    for statement in statements:
        lines.append(text.count("\n"))
        text += statement.sql + "\n;\n"
    return text, lines


def _at(statements: Sequence[Statement], lines: Sequence[int], line: int) -> Statement | None:
    found = None
    for statement, begins in zip(statements, lines, strict=True):
        if begins <= line:
            found = statement
    return found


def _finding(remark: Mapping[str, Any], statement: Statement | None) -> Finding:
    return Finding(
        str(remark["rule_name"]),
        clean(str(remark.get("message", "")), 500),
        clean(str(remark.get("help") or ""), 500),
        None if statement is None else statement.line,
        "" if statement is None else statement.sql,
        refuses=False,
    )
