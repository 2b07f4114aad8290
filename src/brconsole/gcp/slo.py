"""Service Monitoring: the SLOs of a project, what is left of their budgets, and their good and bad events.

Facts: google/monitoring/v3/service.proto and reference/google-cloud-facts.md §6. The SLO selectors are filters of
ListTimeSeries and take one SLO a call; burn rates are therefore computed from request counts, not from
`select_slo_burn_rate`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from math import isfinite
from typing import Any, Literal

from brconsole.domain.series import Series
from brconsole.domain.slo import Objective
from brconsole.domain.text import clean
from brconsole.gcp import grid
from brconsole.gcp.apis import LIST_MONITORED_SERVICES, LIST_OBJECTIVES, LIST_TIME_SERIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.filters import quoted
from brconsole.gcp.grid import Grid
from brconsole.gcp.monitoring import Aggregation, TimeSeriesReader

_PAGE = 1000
_FRACTION_WINDOW_S = 900
"""Long enough to hold a point that is three minutes late and a few that never came."""

# google.type.CalendarPeriod → days
_CALENDAR_DAYS = {1: 1, 2: 7, 3: 14, 4: 30}
_DAY_S = 86_400


class SloReader:
    """The `Slos` port."""

    def __init__(self, caller: Caller, series: TimeSeriesReader, project: str, region: str) -> None:
        self._caller = caller
        self._series = series
        self._project = project
        self._region = region

    async def objectives(self) -> tuple[Objective, ...]:
        """See Slos: two lists at once, of what is monitored and of the SLOs of all of it."""
        run_services, messages = await asyncio.gather(self._run_services(), self._objectives())
        with self._caller.reading(LIST_OBJECTIVES, f"projects/{self._project}"):
            found = [
                _objective(message, run_services[service])
                for message in messages
                if (service := _id(message.name, "services")) in run_services
            ]
        return tuple(sorted(found, key=lambda objective: (objective.service, objective.name)))

    async def _run_services(self) -> dict[str, str]:
        """The Cloud Run services of the region by the ids that Service Monitoring has for them."""
        from google.cloud.monitoring_v3.services.service_monitoring_service import ServiceMonitoringServiceAsyncClient

        parent = f"projects/{self._project}"
        run_services: dict[str, str] = {}
        async with self._caller.call(LIST_MONITORED_SERVICES, parent) as call:
            client = await call.client(ServiceMonitoringServiceAsyncClient)
            pager = await client.list_services({"parent": parent, "page_size": _PAGE}, **call.options)
            async for page in call.pages(pager):
                for message in page.services:
                    service = self._run_service(message)
                    if service:
                        run_services[_id(message.name, "services")] = service
        return run_services

    async def _objectives(self) -> list[Any]:
        from google.cloud.monitoring_v3.services.service_monitoring_service import ServiceMonitoringServiceAsyncClient

        everywhere = f"workspaces/{self._project}/services/-"
        async with self._caller.call(LIST_OBJECTIVES, everywhere) as call:
            client = await call.client(ServiceMonitoringServiceAsyncClient)
            request = {"parent": everywhere, "page_size": _PAGE}
            pager = await client.list_service_level_objectives(request, **call.options)
            return [message async for page in call.pages(pager) for message in page.service_level_objectives]

    async def budget_remaining(self, objective: Objective, end: datetime) -> float | None:
        """See Slos."""
        filter_ = f"select_slo_budget_fraction({quoted(objective.resource)})"
        resource = f"budget of {objective.service} {objective.name}"
        messages = await self._series.read(filter_, end, _FRACTION_WINDOW_S, None, resource)
        with self._caller.reading(LIST_TIME_SERIES, resource):
            points = [
                (point.interval.end_time.seconds, left)
                for message in messages
                for point in message.points
                if isfinite(left := grid.number(point.value))
            ]
        return max(points)[1] if points else None

    async def good_and_bad(
        self, objective: Objective, end: datetime, window_s: int, period_s: int
    ) -> tuple[Series, Series]:
        """See Slos. An interval without a point is 0 up to the newest point of either, unknown after it."""
        window = Grid(end, window_s, period_s)
        filter_ = f"select_slo_counts({quoted(objective.resource)})"
        resource = f"events of {objective.service} {objective.name}"
        aggregation = Aggregation(period_s, "ALIGN_DELTA")
        messages = await self._series.read(filter_, end, window_s, aggregation, resource)
        counts: dict[str, list[float | None]] = {name: [None] * window.length for name in ("good", "bad")}
        with self._caller.reading(LIST_TIME_SERIES, resource):
            for message in messages:
                counts[message.metric.labels["event_type"]] = window.values(message)
        newest = grid.newest_known(counts.values())
        good, bad = (window.series(grid.with_zeros(counts[name], newest), {}) for name in ("good", "bad"))
        return good, bad

    def _run_service(self, message: Any) -> str | None:
        """The Cloud Run service in this region that a monitored service stands for, None for any other."""
        if message.HasField("cloud_run"):
            name, location = message.cloud_run.service_name, message.cloud_run.location
        elif message.basic_service.service_type == "CLOUD_RUN":
            labels = message.basic_service.service_labels
            name, location = labels.get("service_name", ""), labels.get("location", "")
        else:
            return None
        return name if location in ("", self._region) else None


def _objective(message: Any, service: str) -> Objective:
    kind, threshold_ms = _kind(message.service_level_indicator)
    days = message.rolling_period.seconds // _DAY_S or _CALENDAR_DAYS.get(message.calendar_period, 30)
    return Objective(
        service=service,
        name=_id(message.name, "serviceLevelObjectives"),
        resource=message.name,
        goal=message.goal,
        period_days=days,
        kind=kind,
        display_name=clean(message.display_name, 200),
        threshold_ms=threshold_ms,
    )


def _kind(indicator: Any) -> tuple[Literal["availability", "latency", "other"], float | None]:
    """What an SLI measures, and in ms the latency that still counts as good.

    "availability" and "latency" only where Cloud Run's own request metrics tell it; anything else needs its own counts.
    """
    which = indicator.WhichOneof("type")
    if which == "basic_sli":
        if indicator.basic_sli.HasField("latency"):
            threshold = indicator.basic_sli.latency.threshold
            return "latency", threshold.seconds * 1000 + threshold.nanos / 1e6
        return "availability", None
    if which == "request_based" and indicator.request_based.HasField("distribution_cut"):
        cut = indicator.request_based.distribution_cut
        if "run.googleapis.com/request_latencies" in cut.distribution_filter:
            return "latency", cut.range_.max_
    return "other", None


def _id(name: str, collection: str) -> str:
    """The id behind a collection in a resource name; raises ValueError where the name has no such part."""
    parts = name.split("/")
    return parts[parts.index(collection) + 1]
