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
    """Critical: a paging alert fires or no ready revision serves. Degraded: another alert fires, or drift. Unknown: Run
    could not be read.

    What is known to be bad stands before what is not known. A Cloud Run answer that is stale and cannot be renewed is
    not known any more; one failed attempt after a fresh answer still is.
    """
    critical = tuple(_critical(fleet))
    degraded = tuple(_degraded(fleet))
    unread = _unread(fleet)
    if critical:
        return HealthReport(Health.CRITICAL, critical + degraded + unread)
    if degraded:
        return HealthReport(Health.DEGRADED, degraded + unread)
    return HealthReport(Health.UNKNOWN, unread) if unread else HealthReport(Health.HEALTHY, ())


def failed_sources(fleet: Fleet) -> tuple[str, ...]:
    """The sources whose last attempt failed or that never answered."""
    return tuple(name for name in fleet.sources if fleet.state(name) in (SourceState.FAILED, SourceState.NEVER))


def _unread(fleet: Fleet) -> tuple[str, ...]:
    services = fleet.services
    if services.value is None:
        return (services.error or "Cloud Run has not answered yet",)
    info = fleet.sources.get("services")
    if info is not None and fleet.now is not None and not services.fresh(fleet.now, info.max_age):
        return (services.error or "Cloud Run has not answered for too long",)
    return ()


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
