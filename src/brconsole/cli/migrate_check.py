"""`brconsole migrate check`: whether the pending migrations may run, for a person, a program and a pull request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brconsole.cli import exit_codes, output, terminal
from brconsole.cli.failures import CommandError, MisuseError
from brconsole.cli.options import Command, global_options
from brconsole.cli.session import Session, begin

if TYPE_CHECKING:
    from brconsole.cli.json_values import Document
    from brconsole.cli.migrate_acts import Facts
    from brconsole.cli.terminal import Terminal
    from brconsole.domain.environment import Environment
    from brconsole.domain.migration import Finding, RevisionReport

_LONGEST_STATEMENT = 240
_LONGEST_PROPERTY = 1000
_YES_NO = {True: "yes", False: "no", None: "not tried"}


@global_options
@click.command(cls=Command)
@click.argument("environment", metavar="[ENV]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, one for each revision.")
@click.option("--github", is_flag=True, help="Annotations for a GitHub workflow.")
@click.option("--from", "start", metavar="REVISION", help="Check what comes after it: the database stands there.")
@click.option("--all", "everything", is_flag=True, help="Check every revision; the default where nothing is known.")
@click.option("--no-postgres", is_flag=True, help="Do not try them on a throwaway PostgreSQL.")
@click.pass_context
def check(
    ctx: click.Context,
    environment: str | None,
    as_json: bool,
    github: bool,
    start: str | None,
    everything: bool,
    no_postgres: bool,
) -> int:
    """Render, classify, lint and try the pending migrations; each one is accepted or refused.

    With ENV, what is pending there, by what is known of its database, and with what runs beside it. An environment that
    cannot be reached stops no check.

    Exit status: 0 all accepted, 1 one refused, 2 the project cannot be read.
    """
    session = begin(ctx)
    chosen = None if environment is None else session.environment(environment)
    if as_json and github:
        raise MisuseError("--json and --github are two formats of one output; use one of them.")
    if start is not None and everything:
        raise MisuseError("--from and --all contradict each other; use one of the two.")
    facts = None if chosen is None else _facts(session, chosen)
    reports = checked(
        session, None if everything else start, trial=not no_postgres, facts=None if everything else facts
    )
    if as_json:
        for report in reports:
            output.write_json(document(report))
    elif github:
        for line in github_lines(reports, _from_here(session)):
            output.write(line)
    else:
        output.write(page(reports, terminal.standard_output(os.environ, session.options.no_color)))
    refused = any(not accepted(report) for report in reports)
    return exit_codes.FAILED if refused else exit_codes.DONE


def _facts(session: Session, environment: Environment) -> Facts | None:
    """What is known of an environment, None where it does not tell; that is said, and no reason not to check."""
    from brconsole.cli import migrate_acts

    try:
        return migrate_acts.facts(session, environment)
    except CommandError as error:
        output.tell(f"{environment.name} does not tell where its database stands, so every revision counts: {error}")
        return None


def checked(
    session: Session, applied: str | None, *, trial: bool, facts: Facts | None = None
) -> tuple[RevisionReport, ...]:
    """The reports on what is pending after `applied`, None being all; CommandError where the project cannot be read."""
    from brconsole.operations.failure import FailureKind, SourceFailure
    from brconsole.wiring import open_migrations

    settings = session.loaded.config.migrations
    if settings.alembic is None:
        raise MisuseError(
            "no Alembic project is configured; name its alembic.ini in brconsole.toml: [migrations] alembic = "
            '"backend/alembic.ini".'
        )
    project = open_migrations(settings.alembic, settings.python, settings.postgres_bin, trial=trial, tell=output.tell)
    try:
        if facts is None or applied is not None:
            return asyncio.run(project.check(applied))
        return asyncio.run(project.check(facts.applied, facts.rows, facts.running, facts.approved))
    except SourceFailure as failure:
        wrong = failure.kind in (FailureKind.NOT_CONFIGURED, FailureKind.INVALID)
        raise CommandError(f"{failure}.", exit_codes.USAGE if wrong else exit_codes.FAILED) from None


def accepted(report: RevisionReport) -> bool:
    """Whether it may run."""
    from brconsole.domain.migration import Ruling

    return report.ruling is Ruling.ACCEPTED


def document(report: RevisionReport) -> Document:
    """A revision as `--json` prints it; of the findings those that refuse it."""
    return {
        "revision": report.revision,
        "file": report.source.file,
        "class": report.migration_class.value,
        "reversible": report.reversible,
        "verdict": report.ruling.value,
        "findings": [
            {
                "rule": finding.rule,
                "line": finding.line,
                "statement": finding.statement,
                "message": finding.message,
                "cure": finding.cure,
            }
            for finding in report.findings
            if finding.refuses
        ],
    }


def github_lines(reports: Sequence[RevisionReport], folder: str) -> list[str]:
    """GitHub's workflow commands: an error for each finding that refuses, a notice for the others.

    `folder` is that of the Alembic configuration, relative to the repository that the workflow checks.
    """
    from brconsole.domain.text import clean

    lines = []
    for report in reports:
        for finding in report.findings:
            command = "error" if finding.refuses else "notice"
            properties = {"file": os.path.normpath(f"{folder}/{report.source.file}" if folder else report.source.file)}
            if finding.line is not None:
                properties["line"] = str(finding.line)
            properties["title"] = finding.rule
            listed = ",".join(
                f"{key}={_property(clean(value, _LONGEST_PROPERTY))}" for key, value in properties.items()
            )
            words = [clean(finding.message)]
            if finding.cure:
                words.append(clean(finding.cure))
            lines.append(f"::{command} {listed}::{_escaped(chr(10).join(words))}")
    return lines


def _escaped(text: str) -> str:
    """The data of a workflow command (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _from_here(session: Session) -> str:
    """The folder of the Alembic configuration from the working directory, where GitHub resolves paths."""
    alembic = session.loaded.config.migrations.alembic
    if alembic is None:
        return ""
    folder = os.path.relpath(Path(alembic).parent)
    return "" if folder == "." else folder


def page(reports: Sequence[RevisionReport], shown: Terminal) -> str:
    """The table, and below it every finding of every revision."""
    from rich.table import Column
    from rich.text import Text

    from brconsole.cli.status_table import render_rows
    from brconsole.domain.text import clean

    if not reports:
        return "Nothing is pending."
    columns = (
        Column("REVISION", no_wrap=True),
        Column("CLASS", no_wrap=True),
        Column("REVERSIBLE", no_wrap=True),
        Column("VERDICT", no_wrap=True),
        Column("LOCKS", overflow="fold"),
        Column("TITLE", overflow="fold"),
    )
    rows = [
        (
            Text(clean(report.revision, 40)),
            Text(report.migration_class.value),
            Text(_YES_NO[report.reversible]),
            Text(report.ruling.value, "green" if accepted(report) else "bold red"),
            Text(clean(_locks(report), 200)),
            Text(clean(report.source.title, 80)),
        )
        for report in reports
    ]
    parts = [render_rows(columns, rows, shown), ""]
    parts += [_told(report, finding) for report in reports for finding in report.findings]
    refused = sum(not accepted(report) for report in reports)
    parts.append(f"{len(reports)} checked, {len(reports) - refused} accepted, {refused} refused.")
    return "\n".join(parts)


def _locks(report: RevisionReport) -> str:
    listed = []
    for lock in report.locks:
        extra = " rewrite" if lock.rewrites else " scan" if lock.scans else ""
        listed.append(f"{lock.table} {lock.mode}{extra}")
    return ", ".join(listed)


def _told(report: RevisionReport, finding: Finding) -> str:
    from brconsole.domain.text import clean

    place = report.source.file if finding.line is None else f"{report.source.file}:{finding.line}"
    if not finding.refuses:
        return f"{clean(place, 300)}: note: {finding.rule}: {clean(finding.message)}"
    lines = [f"{clean(place, 300)}: refused: {finding.rule}", f"  {clean(finding.message)}"]
    if finding.statement:
        lines.append(f"  SQL   {clean(finding.statement, _LONGEST_STATEMENT)}")
    if finding.cure:
        lines.append(f"  cure  {clean(finding.cure)}")
    return "\n".join(lines)
