"""A migration project away from the loop: its check parses, judges and waits for processes, and keys must not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from brconsole.domain.migration import RevisionReport, RunningCode, SchemaRevision
from brconsole.operations.migration_ports import MigrationProject


class OffLoop:
    """The port `MigrationProject`, each call on a thread with a loop of its own; the project is opened there too."""

    def __init__(self, opened: Callable[[], MigrationProject]) -> None:
        self._opened = opened

    async def revisions(self) -> tuple[SchemaRevision, ...]:
        """Every revision, each after the ones it builds on."""
        return await asyncio.to_thread(lambda: asyncio.run(self._revisions()))

    async def check(
        self,
        applied: str | None,
        rows: Mapping[str, int] | None = None,
        running: RunningCode | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> tuple[RevisionReport, ...]:
        """What is pending, checked. See MigrationProject."""
        return await asyncio.to_thread(lambda: asyncio.run(self._check(applied, rows, running, approved)))

    async def _revisions(self) -> tuple[SchemaRevision, ...]:
        return await self._opened().revisions()

    async def _check(
        self,
        applied: str | None,
        rows: Mapping[str, int] | None,
        running: RunningCode | None,
        approved: Mapping[str, str] | None,
    ) -> tuple[RevisionReport, ...]:
        return await self._opened().check(applied, rows, running, approved)
