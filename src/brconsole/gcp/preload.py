"""Imports ahead of need: Google's generated clients take most of a second, which a waiting thread can spend."""

from __future__ import annotations

from importlib import import_module

_NEEDED = (
    "brconsole.gcp.composition",
    "google.cloud.run_v2.services.services",
    "google.cloud.run_v2.services.revisions",
    "google.cloud.monitoring_v3.services.metric_service",
    "google.cloud.monitoring_v3.services.alert_policy_service",
    "google.cloud.monitoring_v3.services.service_monitoring_service",
    "google.cloud.logging_v2.services.logging_service_v2",
    "google.cloud.billing.budgets_v1.services.budget_service",
    "httpx",
)
"""What reading an environment once needs, the first needed first."""


def preload() -> None:
    """Import it all; what is imported already costs nothing."""
    for name in _NEEDED:
        import_module(name)
