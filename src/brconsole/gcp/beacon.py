"""What a driver tells Cloud Monitoring of itself, and when each was last heard of (DESIGN §3, §8.5).

Custom metrics on the monitored resource `generic_task`, a task for each process: Monitoring refuses two points of one
series that are less than five seconds apart. A heartbeat's labels say who drives (`driver`), whether that is a person's
console or not (`kind`), and which service's wheel it is (`service`, empty for an agent's, of all).
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Any

from brconsole.domain.decision import Heartbeat
from brconsole.domain.intent import LONGEST_NAME
from brconsole.domain.text import clean
from brconsole.gcp.apis import CREATE_TIME_SERIES, LIST_TIME_SERIES
from brconsole.gcp.caller import Caller
from brconsole.gcp.filters import all_of, equals
from brconsole.gcp.monitoring import TimeSeriesReader
from brconsole.gcp.quota import Lane

HEARTBEAT = "custom.googleapis.com/brconsole/heartbeat"
OVERDUE = "custom.googleapis.com/brconsole/rollout_overdue"
HEADLESS, CONSOLE = "headless", "console"
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

    async def heartbeat(self, beat: Heartbeat) -> None:
        """See Beacon."""
        kind = HEADLESS if beat.headless else CONSOLE
        labels = {"driver": clean(beat.who, LONGEST_NAME), "kind": kind, "service": beat.service or ""}
        await self._write(HEARTBEAT, labels, {"int64_value": 1}, beat.at)

    async def overdue(self, service: str, seconds: float, at: datetime) -> None:
        """See Beacon."""
        await self._write(OVERDUE, {"service": service}, {"double_value": max(0.0, seconds)}, at)

    async def heartbeats(self, at: datetime) -> tuple[Heartbeat, ...]:
        """See Beacon. Monitoring shows a point half a minute to a minute after it was written."""
        filter_ = all_of(
            equals("metric.type", HEARTBEAT),
            equals("resource.type", "generic_task"),
            equals("resource.labels.namespace", self._environment),
        )
        messages = await self._series.read(filter_, at, _WINDOW_S, None, HEARTBEAT)
        with self._caller.reading(LIST_TIME_SERIES, f"{self._series.name} {HEARTBEAT}"):
            # Points come newest first.
            beats = [
                Heartbeat(
                    message.metric.labels["driver"],
                    message.points[0].interval.end_time.ToDatetime(UTC),
                    message.metric.labels["kind"] == HEADLESS,
                    message.metric.labels["service"] or None,
                )
                for message in messages
                if message.points
            ]
        newest = {(beat.who, beat.headless, beat.service): beat for beat in sorted(beats, key=lambda beat: beat.at)}
        return tuple(newest.values())

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
