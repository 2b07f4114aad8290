"""Google's APIs as somebody else would serve them: a bare gRPC server that shares no line with the embedded cloud, has
no HTTP side at all, and says whatever it likes.

Run as a program it reads the names as JSON from standard input, prints its port, and answers nothing any more after
SIGUSR1. A process of its own also keeps gRPC's threads out of the one that forks terminals.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.cloud import monitoring_v3, run_v2
from google.cloud.audit import audit_log_pb2  # type: ignore[import-untyped]
from google.cloud.billing import budgets_v1
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.protobuf import any_pb2

PROJECT = "projects/bytereview-prod"
PLACE = f"{PROJECT}/locations/us-central1"
_NUMBERS = (12.0, float("nan"), float("inf"), -3.0, 1e300)
"""Points in turn: what a broken exporter writes."""


class PlainGoogle(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    """Serves a fleet that is called by `names` in every place where a name, a label or a message may stand."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._stalled = False
        self._answers: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "/google.cloud.run.v2.Services/ListServices": (run_v2.ListServicesRequest, self._services),
            "/google.cloud.run.v2.Revisions/ListRevisions": (run_v2.ListRevisionsRequest, self._revisions),
            "/google.monitoring.v3.MetricService/ListTimeSeries": (
                monitoring_v3.ListTimeSeriesRequest,
                self._time_series,
            ),
            "/google.monitoring.v3.AlertPolicyService/ListAlertPolicies": (
                monitoring_v3.ListAlertPoliciesRequest,
                self._policies,
            ),
            "/google.monitoring.v3.ServiceMonitoringService/ListServices": (
                monitoring_v3.ListServicesRequest,
                self._monitored,
            ),
            "/google.monitoring.v3.ServiceMonitoringService/ListServiceLevelObjectives": (
                monitoring_v3.ListServiceLevelObjectivesRequest,
                self._objectives,
            ),
            "/google.logging.v2.LoggingServiceV2/ListLogEntries": (ListLogEntriesRequest, self._entries),
            "/google.cloud.billing.budgets.v1.BudgetService/ListBudgets": (budgets_v1.ListBudgetsRequest, _no_budgets),
        }

    def stall(self) -> None:
        """Answer nothing any more."""
        self._stalled = True

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a path (called by gRPC for every call)."""
        found = self._answers.get(str(handler_call_details.method))
        if found is None:
            return None
        kind, answer = found

        async def handle(data: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            if self._stalled:
                await asyncio.Event().wait()
            reply = answer(kind.deserialize(data))
            return bytes(type(reply).serialize(reply))

        return grpc.unary_unary_rpc_method_handler(handle)

    def _services(self, _request: Any) -> Any:
        return run_v2.ListServicesResponse(
            services=[
                run_v2.Service(
                    name=f"{PLACE}/services/{name}",
                    uri=f"https://{name}",
                    labels={name[:500]: name},
                    annotations={"brconsole.dev/rollout": name},
                    last_modifier=f"{name}@example.com",
                    update_time={"seconds": 1_790_000_000},
                    generation=3,
                    observed_generation=3,
                    latest_ready_revision=f"{PLACE}/services/{name}/revisions/{name}-2",
                    latest_created_revision=f"{PLACE}/services/{name}/revisions/{name}-2",
                    terminal_condition={
                        "type_": "Ready",
                        "state": "CONDITION_FAILED" if number % 2 else "CONDITION_SUCCEEDED",
                        "message": name,
                    },
                    traffic=_split(name, run_v2.TrafficTarget),
                    traffic_statuses=_split(name, run_v2.TrafficTargetStatus),
                )
                for number, name in enumerate(self._names)
            ]
        )

    def _revisions(self, _request: Any) -> Any:
        return run_v2.ListRevisionsResponse(
            revisions=[
                run_v2.Revision(
                    name=f"{PLACE}/services/{name}/revisions/{name}-{number}",
                    service=name,
                    create_time={"seconds": 1_780_000_000 + number},
                    containers=[{"image": f"docker.example/{name}@sha256:{name}"}],
                    conditions=[{"type_": "Ready", "state": "CONDITION_FAILED", "message": name}],
                )
                for name in self._names
                for number in (1, 2)
            ]
        )

    def _time_series(self, request: Any) -> Any:
        period_s = int(request.aggregation.alignment_period.total_seconds()) or 60
        end = int(request.interval.end_time.timestamp())
        start = int(request.interval.start_time.timestamp())
        gauge = "ALIGN_DELTA" not in str(request.aggregation.per_series_aligner)
        points = [
            {
                "interval": {"start_time": {"seconds": at if gauge else at - period_s}, "end_time": {"seconds": at}},
                "value": {"double_value": _NUMBERS[number % len(_NUMBERS)]},
            }
            for number, at in enumerate(range(end, start, -period_s))
        ]
        fields = [field.rpartition(".")[2] for field in request.aggregation.group_by_fields]
        metric = re.search(r'metric\.type = "([^"]*)"', request.filter)
        return monitoring_v3.ListTimeSeriesResponse(
            time_series=[
                {
                    "metric": {"type": metric[1] if metric else "", "labels": dict.fromkeys(fields, name)},
                    "resource": {
                        "type": "cloud_run_revision",
                        "labels": {field: f"{name}-2" if field == "revision_name" else name for field in fields},
                    },
                    "points": points,
                }
                for name in self._names
            ]
        )

    def _policies(self, _request: Any) -> Any:
        return monitoring_v3.ListAlertPoliciesResponse(
            alert_policies=[
                {
                    "name": f"{PROJECT}/alertPolicies/{number}",
                    "display_name": name,
                    "user_labels": {"severity": name[:60]},
                    "conditions": [
                        {
                            "display_name": name,
                            "condition_threshold": {
                                "filter": 'metric.type = "custom.googleapis.com/arq/queue_depth"',
                                "comparison": "COMPARISON_GT",
                                "threshold_value": 1.0,
                                "aggregations": [
                                    {
                                        "alignment_period": {"seconds": 60},
                                        "per_series_aligner": "ALIGN_MEAN",
                                        "cross_series_reducer": "REDUCE_MAX",
                                        "group_by_fields": ["metric.labels.queue"],
                                    }
                                ],
                            },
                        }
                    ],
                }
                for number, name in enumerate(self._names)
            ]
        )

    def _monitored(self, _request: Any) -> Any:
        return monitoring_v3.ListServicesResponse(
            services=[
                {
                    "name": f"{PROJECT}/services/s{number}",
                    "cloud_run": {"service_name": name, "location": "us-central1"},
                }
                for number, name in enumerate(self._names)
            ]
        )

    def _objectives(self, _request: Any) -> Any:
        return monitoring_v3.ListServiceLevelObjectivesResponse(
            service_level_objectives=[
                {
                    "name": f"{PROJECT}/services/s{number}/serviceLevelObjectives/o",
                    "display_name": name,
                    "goal": 0.999,
                    "rolling_period": {"seconds": 30 * 86_400},
                    "service_level_indicator": {"basic_sli": {"availability": {}}},
                }
                for number, name in enumerate(self._names)
            ]
        )

    def _entries(self, _request: Any) -> Any:
        return ListLogEntriesResponse(entries=[_entry(number, name) for number, name in enumerate(self._names)])


def _split(name: str, kind: Any) -> list[Any]:
    return [
        kind(
            type_="TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
            revision=f"{name}-{number}",
            percent=percent,
            tag=name[:100],
        )
        for number, percent in ((1, 90), (2, 10))
    ]


def _entry(number: int, name: str) -> Any:
    payload = audit_log_pb2.AuditLog(
        service_name="run.googleapis.com",
        method_name=f"google.cloud.run.v2.Services.{name[:1000]}",
        resource_name=f"{PLACE}/services/{name}",
    )
    payload.authentication_info.principal_email = name
    payload.request.update({"service": {"traffic": [{"revision": f"{name}-2", "percent": 100}]}})
    packed = any_pb2.Any()
    packed.Pack(payload)
    entry = LogEntry(timestamp={"seconds": 1_790_000_000 + number}, resource={"labels": {"service_name": name}})
    LogEntry.pb(entry).proto_payload.CopyFrom(packed)
    return entry


def _no_budgets(_request: Any) -> Any:
    return budgets_v1.ListBudgetsResponse()


async def _serve(names: Sequence[str]) -> None:
    google = PlainGoogle(names)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, google.stall)
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((google,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: the options that lead a command to it, and its process."""

    options: list[str]
    process: subprocess.Popen[bytes]

    def stall(self) -> None:
        """From now on it answers nothing any more."""
        self.process.send_signal(signal.SIGUSR1)


@contextmanager
def plain_google(names: Sequence[str]) -> Iterator[Served]:
    """Serve it for as long as the block lasts."""
    with (
        subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        socket.socket() as nobody,  # bound and not listening: its port is ours, and whoever calls it is refused
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(names).encode() + b"\n")
        process.stdin.close()
        port = int(process.stdout.readline())
        nobody.bind(("127.0.0.1", 0))
        http_port = nobody.getsockname()[1]
        try:
            yield Served(["--endpoint", f"127.0.0.1:{port}", "--http-endpoint", f"127.0.0.1:{http_port}"], process)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.stdin.read())))
