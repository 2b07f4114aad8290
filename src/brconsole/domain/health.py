"""The one word for an environment and the sentences behind it (DESIGN §8.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brconsole.domain.alert import AlertState
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.freshness import SourceState
from brconsole.domain.service import Service


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A health and the reasons for it, worst first; healthy has none."""

    health: Health
    reasons: tuple[str, ...]


def judge(fleet: Fleet) -> HealthReport:
    """Critical: a paging alert fires or no ready revision serves. Degraded: another alert fires, or drift. Unknown: Run was not read."""
    if fleet.services.value is None:
        return HealthReport(Health.UNKNOWN, (fleet.services.error or "Cloud Run has not answered yet",))
    critical = tuple(_critical(fleet))
    degraded = tuple(_degraded(fleet))
    if critical:
        return HealthReport(Health.CRITICAL, critical + degraded)
    if degraded:
        return HealthReport(Health.DEGRADED, degraded)
    return HealthReport(Health.HEALTHY, ())


def failed_sources(fleet: Fleet) -> tuple[str, ...]:
    """The sources whose last attempt failed or that never answered."""
    return tuple(
        name for name in fleet.sources if fleet.state(name) in (SourceState.FAILED, SourceState.NEVER)
    )


def _critical(fleet: Fleet) -> Iterator[str]:
    for alert in fleet.alerts.value or ():
        if alert.state is AlertState.FIRING and alert.severity == "critical":
            yield f"alert {alert.policy} fires" + (f" for {alert.subject}" if alert.subject else "")
    for service in fleet.services.value or ():
        if _nothing_ready_serves(fleet, service):
            yield f"{service.name}: no ready revision serves"


def _degraded(fleet: Fleet) -> Iterator[str]:
    for alert in fleet.alerts.value or ():
        if alert.state is AlertState.FIRING and alert.severity != "critical":
            yield f"alert {alert.policy} fires" + (f" for {alert.subject}" if alert.subject else "")
    for service in fleet.services.value or ():
        if service.drift:
            yield f"{service.name}: serving differs from desired traffic"


def _nothing_ready_serves(fleet: Fleet, service: Service) -> bool:
    if fleet.revisions.value is None:
        return service.latest_ready is None and not service.reconciling
    readiness = {revision.name: revision.ready for revision in fleet.revisions.value.get(service.name, ())}
    serving = service.serving_split()
    if not serving:
        return service.latest_ready is None and not service.reconciling
    return all(readiness.get(name) is False for name in serving)
