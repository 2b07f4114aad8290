"""The simulated ByteReview: one deterministic answer for every moment.

The interface that the emulator stands on. `World(seed, start, scenario, services)` is a pure function of its arguments and of
the events applied to it, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brconsole.simulation.model import (
    AuditEntry,
    Operation,
    Project,
    RawSeries,
    Revision,
    Service,
    Slo,
    Target,
    Template,
    UsageRow,
)


class UnknownRevision(Exception):
    """A traffic target names a revision that does not exist."""


class World:
    """ByteReview in three projects."""

    projects: tuple[Project, ...]

    def __init__(self, seed: int, start: float, scenario: str, services: int | None = None) -> None:
        raise NotImplementedError

    def services(self, project: str, at: float) -> tuple[Service, ...]:
        """The services of a project at a moment, by name."""
        raise NotImplementedError

    def service(self, project: str, name: str, at: float) -> Service | None:
        """One service at a moment, None where there is none."""
        raise NotImplementedError

    def revisions(self, project: str, service: str | None, at: float) -> tuple[Revision, ...]:
        """The revisions of a service (None: of all services), newest first."""
        raise NotImplementedError

    def update_service(
        self,
        project: str,
        name: str,
        at: float,
        actor: str,
        *,
        traffic: Sequence[Target] | None = None,
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        template: Template | None = None,
        method: str = "google.cloud.run.v2.Services.UpdateService",
    ) -> Operation:
        """Append a write. None leaves a part as it is; a template that differs mints a revision. Reconciling takes seconds and can fail.

        The caller has validated sums and tags; a revision that does not exist raises UnknownRevision.
        """
        raise NotImplementedError

    def operation(self, project: str, operation_id: str) -> Operation | None:
        """A long-running operation by its id."""
        raise NotImplementedError

    def set_fault(self, at: float, kind: str, target: str, magnitude: float, until: float | None = None) -> None:
        """Append a fault of the world itself (a revision that fails, a slow database, a stuck worker)."""
        raise NotImplementedError

    def metric_types(self) -> Mapping[str, tuple[str, str, str]]:
        """The metric types written: kind, value type, resource type."""
        raise NotImplementedError

    def series(self, project: str, metric: str, start: float, end: float, step_s: int = 60) -> tuple[RawSeries, ...]:
        """Everything written for a metric type with points ending in (start, end], at `step_s` 60 or 3600.

        3600 gives the exact sums of the minutes (of counts and histograms) or the last sample (of gauges). No lag is applied here:
        the emulator hides what is younger than the metric's delay.
        """
        raise NotImplementedError

    def slos(self, project: str) -> tuple[Slo, ...]:
        """The SLOs of a project."""
        raise NotImplementedError

    def slo_counts(self, slo: Slo, start: float, end: float, step_s: int) -> tuple[tuple[float, int, int], ...]:
        """(interval end, good, bad) over (start, end] in steps of 60 or 3600 s, oldest first; exact with regard to `series`."""
        raise NotImplementedError

    def audit(self, project: str, start: float, end: float) -> tuple[AuditEntry, ...]:
        """Who changed services in (start, end], oldest first."""
        raise NotImplementedError

    def usage(self, project: str, start: float, end: float) -> tuple[UsageRow, ...]:
        """Billing rows whose usage starts in [start, end), with their export time; the caller hides what is not exported yet."""
        raise NotImplementedError
