"""Request counts of a whole environment, added up once for all who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from brconsole.domain.fleet import RequestSeries, RevisionKey
from brconsole.domain.series import summed


class RequestTable(Mapping[RevisionKey, RequestSeries]):
    """Request series by revision, with the sums by service and the end of the window that was asked for.

    Where a service or an interval up to `end` has no point there was no request: Cloud Run writes none for an idle
    minute, and the window was read. Immutable; the sums are made when the table is, so that a screen never pays for
    them.
    """

    __slots__ = ("_rows", "_totals", "end")

    def __init__(self, rows: Mapping[RevisionKey, RequestSeries], end: datetime) -> None:
        self._rows = dict(rows)
        self.end = end
        by_service: dict[str, list[RequestSeries]] = {}
        for key, series in self._rows.items():
            by_service.setdefault(key.service, []).append(series)
        self._totals = {service: total for service, of in by_service.items() if (total := total_of(of)) is not None}

    def __getitem__(self, key: RevisionKey) -> RequestSeries:
        return self._rows[key]

    def __iter__(self) -> Iterator[RevisionKey]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def service(self, name: str) -> RequestSeries | None:
        """Requests and errors of all revisions of a service added up, None where it had no request in the window."""
        return self._totals.get(name)


def total_of(rows: list[RequestSeries]) -> RequestSeries | None:
    """The sum of some revisions, None for none."""
    requests, errors = summed(row.requests for row in rows), summed(row.errors for row in rows)
    return None if requests is None or errors is None else RequestSeries(requests, errors)
