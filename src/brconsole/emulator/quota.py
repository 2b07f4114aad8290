"""Quotas: so many calls a simulated minute, then 429 in Google's words.

The numbers are those of reference/google-cloud-facts.md §7 and §10 where it has one; where Google's documentation gives
none, a plausible one is used and marked. `LIMITS` is what `serviceruntime.googleapis.com/quota/limit` shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import grpc
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from brconsole.emulator.errors import ApiError, error_info


class Limit(NamedTuple):
    """A quota: the service that owns it, the limit's name and how many calls a minute it allows."""

    service: str
    name: str
    value: int

    @property
    def regional(self) -> bool:
        """Whether every region has a count of its own."""
        return self.name.endswith("Region")


RUN_READ = "run.googleapis.com/read_regional"
RUN_WRITE = "run.googleapis.com/write_regional"
MONITORING_READ = "monitoring.googleapis.com/time_series_queries"
MONITORING_DEFAULT = "monitoring.googleapis.com/default_requests"
LOGGING_READ = "logging.googleapis.com/read_requests"
LOGGING_WRITE = "logging.googleapis.com/write_requests"
BUDGETS = "billingbudgets.googleapis.com/default_requests"
PROJECTS_READ = "cloudresourcemanager.googleapis.com/project_v3_get_requests"
BIGQUERY = "bigquery.googleapis.com/quota/query/count"
IAM_READ = "iam.googleapis.com/read_requests"

LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        # Seen on a live project (§10); the published default is believed to be higher, so this is the careful one.
        RUN_READ: Limit("run.googleapis.com", "ReadPerMinutePerProjectRegion", 600),
        RUN_WRITE: Limit("run.googleapis.com", "WritePerMinutePerProjectRegion", 30),
        # §7: 60 a minute and project, not raisable.
        LOGGING_READ: Limit("logging.googleapis.com", "ReadRequestsPerMinutePerProject", 60),
        # Google's pages give no number for those below: plausible, unverified.
        LOGGING_WRITE: Limit("logging.googleapis.com", "WriteRequestsPerMinutePerProject", 120_000),
        MONITORING_READ: Limit("monitoring.googleapis.com", "TimeSeriesQueriesPerMinutePerProject", 6000),
        MONITORING_DEFAULT: Limit("monitoring.googleapis.com", "DefaultRequestsPerMinutePerProject", 6000),
        BUDGETS: Limit("billingbudgets.googleapis.com", "DefaultRequestsPerMinutePerProject", 300),
        PROJECTS_READ: Limit("cloudresourcemanager.googleapis.com", "ProjectV3GetRequestsPerMinutePerProject", 600),
        BIGQUERY: Limit("bigquery.googleapis.com", "QueriesPerMinutePerProject", 600),
        IAM_READ: Limit("iam.googleapis.com", "ReadRequestsPerMinutePerProject", 6000),
    }
)
"""Quota metric → limit, a minute and project (and region where `regional`)."""


@dataclass(slots=True)
class _Window:
    minute: int
    used: int


class Quotas:
    """Counts calls by quota metric, project and region, in minutes of simulated time."""

    def __init__(self, overrides: Mapping[str, int] | None = None) -> None:
        unknown = set(overrides or {}) - set(LIMITS)
        if unknown:
            allowed = ", ".join(sorted(LIMITS))
            raise ValueError(f"no such quota metric: {', '.join(sorted(unknown))}; there are {allowed}")
        self.limits: Mapping[str, Limit] = MappingProxyType(
            {
                metric: limit._replace(value=(overrides or {}).get(metric, limit.value))
                for metric, limit in LIMITS.items()
            }
        )
        """The limits in force: `LIMITS` with the overrides."""
        self._windows: dict[tuple[str, str, str], _Window] = {}

    def spend(self, metric: str, project: str, number: int, region: str, now: float) -> None:
        """Count one call; raise RESOURCE_EXHAUSTED when the minute's limit is reached (a refused call is not counted).

        `number` is the project's number, which Google's message names.
        """
        limit = self.limits[metric]
        region = region if limit.regional else ""
        minute = math.floor(now / 60)
        window = self._windows.setdefault((metric, project, region), _Window(minute, 0))
        if window.minute != minute:
            window.minute, window.used = minute, 0
        if window.used >= limit.value:
            raise _exhausted(metric, limit, number, region)
        window.used += 1

    def used(self, metric: str, project: str, region: str, now: float) -> int:
        """Calls counted in the current minute."""
        limit = self.limits[metric]
        window = self._windows.get((metric, project, region if limit.regional else ""))
        return window.used if window and window.minute == math.floor(now / 60) else 0


def _exhausted(metric: str, limit: Limit, number: int, region: str) -> ApiError:
    title = metric.rpartition("/")[2].replace("_", " ").capitalize()
    consumer = f"project_number:{number}"
    message = (
        f"Quota exceeded for quota metric '{title}' and limit '{limit.name}' of service '{limit.service}' "
        f"for consumer '{consumer}'."
    )
    metadata = {
        "service": limit.service,
        "consumer": f"projects/{number}",
        "quota_metric": metric,
        "quota_limit": limit.name,
        "quota_limit_value": str(limit.value),
        "quota_location": region or "global",
        "quota_unit": "1/min/{project}/{region}" if region else "1/min/{project}",
    }
    violation = error_details_pb2.QuotaFailure.Violation(subject=consumer, description=message)
    help_link = error_details_pb2.Help.Link(
        description="Request a higher quota limit.", url="https://cloud.google.com/docs/quotas/help/request_increase"
    )
    return ApiError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        message,
        [
            error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", **metadata),
            error_details_pb2.QuotaFailure(violations=[violation]),
            error_details_pb2.Help(links=[help_link]),
        ],
    )
