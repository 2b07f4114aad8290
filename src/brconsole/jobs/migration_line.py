"""The revisions of the project as the job knows them, along their line, and what a run of them would do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    def done(self, stands_at: Iterable[str]) -> frozenset[str]:
        """The revisions that a database has which stands at these (between two branches and their merge it stands at
        several); raises OffTheLineError for one that the code does not have.
        """
        below = {report.revision: report.source.down_revisions for report in self.reports}
        found: set[str] = set()
        waiting = list(stands_at)
        while waiting:
            revision = waiting.pop()
            if revision not in below:
                raise OffTheLineError(f"the database stands at {revision}, which this code does not have")
            if revision not in found:
                found.add(revision)
                waiting += below[revision]
        return frozenset(found)

    def pending(self, stands_at: Sequence[str]) -> tuple[RevisionReport, ...]:
        """What such a database does not have, in the order in which it is applied."""
        done = self.done(stands_at)
        return tuple(report for report in self.reports if report.revision not in done)

    def standing(self, stands_at: Sequence[str]) -> str | None:
        """The one revision that is told of it: of several the last along the line; None where it is empty."""
        along = {report.revision: index for index, report in enumerate(self.reports)}
        return max(stands_at, key=lambda revision: (along.get(revision, -1), revision), default=None)

    def hash(self, stands_at: Sequence[str]) -> str:
        """The hash of the plan from there to the head."""
        pending = [(report.source, report.upgrade_sql) for report in self.pending(stands_at)]
        return plan_hash(self.standing(stands_at), pending)

    def history(self) -> list[list[Any]]:
        """The whole line as it is logged: revision, index from 1, class, and the first of two releases."""
        return [
            [report.revision, index, report.migration_class.value, report.source.contract_after]
            for index, report in enumerate(self.reports, 1)
        ]
