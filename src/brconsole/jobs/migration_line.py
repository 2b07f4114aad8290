"""The revisions of the project as the job knows them, along their line, and what a run of them would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brconsole.domain.migration import RevisionReport, plan_hash


class OffTheLineError(Exception):
    """A revision or several heads that no plan can be made for, in a sentence."""


@dataclass(frozen=True, slots=True)
class MigrationLine:
    """Every revision, each after the one it builds on, rendered and classified without a database."""

    reports: tuple[RevisionReport, ...]
    heads: tuple[str, ...]

    @property
    def head(self) -> str:
        """The one revision that the code wants; raises OffTheLineError where there is not one."""
        if len(self.heads) != 1:
            found = f"{len(self.heads)} heads ({', '.join(self.heads)})" if self.heads else "no revision"
            raise OffTheLineError(f"the code has {found} where one head is wanted")
        return self.heads[0]

    def pending(self, applied: str | None) -> tuple[RevisionReport, ...]:
        """What comes after a revision (None: everything); raises OffTheLineError for one that is not in it."""
        if applied is None:
            return self.reports
        for index, report in enumerate(self.reports):
            if report.revision == applied:
                return self.reports[index + 1 :]
        raise OffTheLineError(f"the database stands at {applied}, which this code does not have")

    def hash(self, applied: str | None) -> str:
        """The hash of the plan from a revision to the head."""
        return plan_hash(applied, [(report.source, report.upgrade_sql) for report in self.pending(applied)])

    def history(self) -> list[list[Any]]:
        """The whole line as it is logged: revision, index from 1, class, and the first of two releases."""
        return [
            [report.revision, index, report.migration_class.value, report.source.contract_after]
            for index, report in enumerate(self.reports, 1)
        ]


def one_revision(applied: Sequence[str]) -> str | None:
    """The revision that a database stands at; raises OffTheLineError where there are several."""
    if len(applied) > 1:
        raise OffTheLineError(f"the database stands at several revisions at once: {', '.join(applied)}")
    return applied[0] if applied else None
