"""Google's synchronous clients and request messages, found by a gRPC method path."""

from __future__ import annotations

import importlib
import re
from typing import Any

import grpc

CLIENTS = {
    "google.cloud.run.v2.Services": ("google.cloud.run_v2.services.services", "Services"),
    "google.cloud.run.v2.Revisions": ("google.cloud.run_v2.services.revisions", "Revisions"),
    "google.monitoring.v3.MetricService": ("google.cloud.monitoring_v3.services.metric_service", "MetricService"),
    "google.monitoring.v3.AlertPolicyService": (
        "google.cloud.monitoring_v3.services.alert_policy_service",
        "AlertPolicyService",
    ),
    "google.monitoring.v3.ServiceMonitoringService": (
        "google.cloud.monitoring_v3.services.service_monitoring_service",
        "ServiceMonitoringService",
    ),
    "google.logging.v2.LoggingServiceV2": (
        "google.cloud.logging_v2.services.logging_service_v2",
        "LoggingServiceV2",
    ),
    "google.cloud.billing.budgets.v1.BudgetService": (
        "google.cloud.billing.budgets_v1.services.budget_service",
        "BudgetService",
    ),
    "google.cloud.resourcemanager.v3.Projects": ("google.cloud.resourcemanager_v3.services.projects", "Projects"),
}


def client(service: str, channel: grpc.Channel) -> Any:
    """Google's synchronous client of a service on a channel."""
    module, name = CLIENTS[service]
    transport = getattr(importlib.import_module(f"{module}.transports"), f"{name}GrpcTransport")(channel=channel)
    return getattr(importlib.import_module(module), f"{name}Client")(transport=transport)


def call_name(method: str) -> str:
    """The client's name of a method: `ListTimeSeries` → `list_time_series`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method).lower()


def request(path: str, data: bytes) -> Any:
    """The request message of a call, read from its bytes."""
    _, service, method = path.split("/")
    types = importlib.import_module(CLIENTS[service][0].split(".services.")[0] + ".types")
    kind = getattr(types, f"{method}Request", None)
    if kind is not None:
        return kind.deserialize(data)
    return getattr(importlib.import_module("google.iam.v1.iam_policy_pb2"), f"{method}Request").FromString(data)
