"""Cloud Run's conditions, in Google's words."""

from __future__ import annotations

from brconsole.simulation.model import Condition
from brconsole.simulation.stages import Stage

BOOT_FAILURE = (
    "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment "
    "variable within the allocated timeout. This can happen when the container port is misconfigured or if the timeout "
    "is too short. Logs for this revision might contain more information."
)
CRASH_FAILURE = (
    "The user-provided container exited with an error. Logs for this revision might contain more information."
)


def not_ready(revision: str) -> str:
    """Why a traffic write to a revision failed."""
    return f"Revision '{revision}' is not ready and cannot serve traffic."


def ready(since: float) -> tuple[Condition, ...]:
    """Of a revision that can serve."""
    return (
        Condition("Ready", "succeeded", None, "", since),
        Condition("ContainerHealthy", "succeeded", None, "", since),
    )


def booting(since: float) -> tuple[Condition, ...]:
    """Of a revision that is not decided yet."""
    return (
        Condition("Ready", "reconciling", None, "Deploying revision.", since),
        Condition("ContainerHealthy", "reconciling", None, "", since),
    )


def failed(message: str, since: float) -> tuple[Condition, ...]:
    """Of a revision that cannot serve."""
    return (
        Condition("Ready", "failed", "HEALTH_CHECK_CONTAINER_ERROR", message, since),
        Condition("ContainerHealthy", "failed", "HEALTH_CHECK_CONTAINER_ERROR", message, since),
    )


def terminal(stage: Stage, reconciling: bool) -> Condition:
    """Of a service as a whole."""
    if reconciling:
        return Condition(
            "Ready", "reconciling", None, "Deploying revision." if stage.minted else "Routing traffic.", stage.at
        )
    if stage.error:
        return Condition("Ready", "failed", stage.error_reason, stage.error, stage.landed)
    return Condition("Ready", "succeeded", None, "", stage.landed)


def parts(stage: Stage, reconciling: bool) -> tuple[Condition, Condition]:
    """ConfigurationsReady speaks of the newest revision, RoutesReady of the traffic."""
    if reconciling:
        configuration: Condition = Condition(
            "ConfigurationsReady", "reconciling" if stage.minted else "succeeded", None, "", stage.at
        )
        return configuration, Condition("RoutesReady", "reconciling", None, "", stage.at)
    boot_failed = stage.latest_created != stage.latest_ready
    routed = stage.error is None or (boot_failed and stage.serving == stage.traffic)
    return (
        Condition(
            "ConfigurationsReady",
            "failed" if boot_failed else "succeeded",
            "HEALTH_CHECK_CONTAINER_ERROR" if boot_failed else None,
            not_ready(stage.latest_created) if boot_failed else "",
            stage.landed,
        ),
        Condition(
            "RoutesReady",
            "succeeded" if routed else "failed",
            None if routed else stage.error_reason,
            "" if routed else stage.error or "",
            stage.landed,
        ),
    )
