"""What the agent tells Cloud Monitoring of itself, and when an agent was last heard of (DESIGN §3).

Custom metrics on the monitored resource `generic_task`, a task for each process: Monitoring refuses two points of one
series that are less than five seconds apart.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Any

from brconsole.gcp.apis import CREATE_TIME_SERIES, LIST_TIME_SERIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.filters import all_of, equals
from brconsole.gcp.monitoring import TimeSeriesReader
from brconsole.gcp.quota import Lane

HEARTBEAT = "custom.googleapis.com/brconsole/heartbeat"
OVERDUE = "custom.googleapis.com/brconsole/rollout_overdue"
_JOB = "brconsole-agent"
_WINDOW_S = 600


class MonitoringBeacon:
    """The `Beacon` port."""

    def __init__(self, caller: Caller, series: TimeSeriesReader, project: str, region: str, environment: str) -> None:
        self._caller = caller
        self._series = series
        self._environment = environment
        self._task = {
            "project_id": project,
            "location": region,
            "namespace": environment,
            "job": _JOB,
            "task_id": f"{socket.gethostname()}-{os.getpid()}",
        }

    async def heartbeat(self, at: datetime) -> None:
        """See Beacon."""
        await self._write(HEARTBEAT, {}, {"int64_value": 1}, at)

    async def overdue(self, service: str, seconds: float, at: datetime) -> None:
        """See Beacon."""
        await self._write(OVERDUE, {"service": service}, {"double_value": max(0.0, seconds)}, at)

    async def last_heartbeat(self, at: datetime) -> datetime | None:
        """See Beacon. Monitoring shows a point half a minute to a minute after it was written."""
        filter_ = all_of(
            equals("metric.type", HEARTBEAT),
            equals("resource.type", "generic_task"),
            equals("resource.labels.namespace", self._environment),
        )
        messages = await self._series.read(filter_, at, _WINDOW_S, None, HEARTBEAT)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {HEARTBEAT}"):
            # Points come newest first.
            newest = [message.points[0].interval.end_time.ToDatetime(UTC) for message in messages if message.points]
        return max(newest, default=None)

    async def _write(self, metric: str, labels: dict[str, str], value: dict[str, Any], at: datetime) -> None:
        from google.cloud.monitoring_v3.services.metric_service import MetricServiceAsyncClient

        request = {
            "name": self._series.name,
            "time_series": [
                {
                    "metric": {"type": metric, "labels": labels},
                    "resource": {"type": "generic_task", "labels": self._task},
                    "metric_kind": "GAUGE",
                    "value_type": "INT64" if "int64_value" in value else "DOUBLE",
                    "points": [{"interval": {"end_time": at}, "value": value}],
                }
            ],
        }
        async with self._caller.call(CREATE_TIME_SERIES, f"{self._series.name} {metric}", Lane.WRITE) as call:
            client = await call.client(MetricServiceAsyncClient)
            # Not repeated: where the first one arrived the second would be refused as too soon.
            await client.create_time_series(request, timeout=call.left_s, retry=None)
