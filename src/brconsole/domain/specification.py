"""The alerts that the specification asks for (§6.3), for a project that has no alert policies of its own.

Filters are in Monitoring's own language, with the metrics of `run.googleapis.com`, `redis.googleapis.com` and
ByteReview's queues.
"""

from __future__ import annotations

from datetime import UTC, datetime

from brconsole.domain.alert import AlertReport, AlertState, Condition, Policy
from brconsole.domain.environment import Environment
from brconsole.domain.queue import DEFAULT_ALERT_DEPTH
from brconsole.domain.spend import ALERT_SHARE, SpendReport, reached_on

_API_REQUESTS = (
    'metric.type = "run.googleapis.com/request_count" AND resource.type = "cloud_run_revision"'
    ' AND resource.labels.service_name = "api"'
)
_QUEUE_DEPTH = 'metric.type = "custom.googleapis.com/arq/queue_depth" AND resource.type = "generic_task"'
_BY_SERVICE = ("resource.labels.service_name",)
_BY_QUEUE = ("metric.labels.queue",)
REQUEST_FLOOR_PER_MINUTE = 10
"""Below this an error ratio is noise: one failure in 20 requests is 5 %."""

SPEND_POLICY = "GCP budget"


def policies(environment: Environment) -> tuple[Policy, ...]:
    """The specification's policies with the limits that the environment's configuration gives its queues."""
    return (_API_ERRORS, _queue_depth(environment), _QUEUE_SILENT, _REDIS_MEMORY, _COLD_STARTS)


_API_ERRORS = Policy(
    "API error rate",
    (
        Condition(
            kind="threshold",
            threshold=0.02,
            duration_s=300,
            filter=f'{_API_REQUESTS} AND metric.labels.response_code_class = "5xx"',
            aligner="ALIGN_DELTA",
            reducer="REDUCE_SUM",
            group_by=_BY_SERVICE,
            denominator_filter=_API_REQUESTS,
            denominator_aligner="ALIGN_DELTA",
            denominator_reducer="REDUCE_SUM",
            denominator_group_by=_BY_SERVICE,
        ),
        Condition(
            kind="threshold",
            threshold=REQUEST_FLOOR_PER_MINUTE,
            duration_s=300,
            filter=_API_REQUESTS,
            aligner="ALIGN_DELTA",
            reducer="REDUCE_SUM",
            group_by=_BY_SERVICE,
        ),
    ),
    combiner="AND_WITH_MATCHING_RESOURCE",
    severity="critical",
)

_QUEUE_SILENT = Policy(
    "Worker queue depth is not reported",
    (
        Condition(
            kind="absence",
            threshold=0,
            duration_s=600,
            filter=_QUEUE_DEPTH,
            aligner="ALIGN_MAX",
            reducer="REDUCE_MAX",
            group_by=_BY_QUEUE,
        ),
    ),
    severity="critical",
)

_REDIS_MEMORY = Policy(
    "Redis memory",
    (
        Condition(
            kind="threshold",
            threshold=0.8,
            duration_s=300,
            filter=(
                'metric.type = "redis.googleapis.com/stats/memory/system_memory_usage_ratio"'
                ' AND resource.type = "redis_instance"'
            ),
            aligner="ALIGN_MEAN",
            reducer="REDUCE_MAX",
            group_by=("resource.labels.instance_id",),
        ),
    ),
)

_COLD_STARTS = Policy(
    "Cloud Run cold-start latency",
    (
        Condition(
            kind="threshold",
            threshold=5000,
            duration_s=0,
            filter=(
                'metric.type = "run.googleapis.com/container/startup_latencies"'
                ' AND resource.type = "cloud_run_revision"'
            ),
            alignment_period_s=300,
            aligner="ALIGN_DELTA",
            reducer="REDUCE_PERCENTILE_95",
            group_by=_BY_SERVICE,
        ),
    ),
)


def _queue_depth(environment: Environment) -> Policy:
    condition = Condition(
        kind="threshold",
        threshold=DEFAULT_ALERT_DEPTH,
        duration_s=600,
        filter=_QUEUE_DEPTH,
        aligner="ALIGN_MAX",
        reducer="REDUCE_MAX",
        group_by=_BY_QUEUE,
        thresholds={name: float(queue.alert_depth) for name, queue in environment.queues.items()},
    )
    return Policy("Worker queue depth", (condition,))


def expected_subjects(environment: Environment, condition: Condition) -> frozenset[str]:
    """The queues that configuration says exist, where the condition speaks of their metric."""
    return frozenset(name for name, queue in environment.queues.items() if f'"{queue.metric}"' in condition.filter)


def spend_alert(report: SpendReport | None) -> AlertReport | None:
    """Month-to-date at 85 % of the budget or more, for finance; unknown while the spend is, None where there is no
    budget.
    """
    if report is None:
        return AlertReport(SPEND_POLICY, AlertState.UNKNOWN, None, None, ALERT_SHARE, "info")
    if report.share is None:
        return None
    day = reached_on(report, ALERT_SHARE)
    state = AlertState.FIRING if report.share >= ALERT_SHARE else AlertState.OK
    since = None if day is None or state is AlertState.OK else datetime(day.year, day.month, day.day, tzinfo=UTC)
    return AlertReport(SPEND_POLICY, state, since, report.share, ALERT_SHARE, "info")
