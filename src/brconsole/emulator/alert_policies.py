"""Cloud Monitoring's AlertPolicyService over the specification's policies (§6.3). google.monitoring.v3, alert.proto.

Each project has them as Terraform would have made them. There is none for the budget: budgets live in Cloud Billing.
The filter and order languages are those of cloud.google.com/monitoring/api/v3/sorting-and-filtering.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.alert_policy_service.transports.grpc import AlertPolicyServiceGrpcTransport

from brconsole.emulator import quota
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import invalid_argument, not_found
from brconsole.emulator.monitoring_filter import Comparison, InvalidFilterError, evaluate, parse, text_test
from brconsole.emulator.paging import page
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project

Combiner = monitoring_v3.AlertPolicy.ConditionCombinerType
Severity = monitoring_v3.AlertPolicy.Severity
Condition = monitoring_v3.AlertPolicy.Condition

_API_REQUESTS = (
    'metric.type = "run.googleapis.com/request_count" AND resource.type = "cloud_run_revision"'
    ' AND resource.labels.service_name = "api"'
)
_QUEUE_DEPTH = 'metric.type = "custom.googleapis.com/arq/queue_depth" AND resource.type = "generic_task"'
_REDIS_MEMORY = (
    'metric.type = "redis.googleapis.com/stats/memory/system_memory_usage_ratio" AND resource.type = "redis_instance"'
)
_STARTUP = 'metric.type = "run.googleapis.com/container/startup_latencies" AND resource.type = "cloud_run_revision"'
_BY_SERVICE = ["resource.labels.service_name"]
_BY_QUEUE = ["metric.labels.queue"]
REQUEST_FLOOR_PER_MINUTE = 10
"""Requests a minute below which an error ratio is noise."""


def _aggregation(aligner: str, reducer: str, group_by: Sequence[str], period_s: int = 60) -> dict[str, Any]:
    return {
        "alignment_period": {"seconds": period_s},
        "per_series_aligner": aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": list(group_by),
    }


def _above(display_name: str, threshold: float, duration_s: int, **threshold_fields: Any) -> dict[str, Any]:
    return {
        "display_name": display_name,
        "condition_threshold": {
            "comparison": "COMPARISON_GT",
            "threshold_value": threshold,
            "duration": {"seconds": duration_s},
            "trigger": {"count": 1},
            **threshold_fields,
        },
    }


_SUM_BY_SERVICE = [_aggregation("ALIGN_DELTA", "REDUCE_SUM", _BY_SERVICE)]

_POLICIES: tuple[dict[str, Any], ...] = (
    {
        "display_name": "API error rate",
        "documentation": "More than 2 % of the API's requests failed for 5 minutes. What changed last? Roll it back.",
        "severity": Severity.CRITICAL,
        "team": "backend",
        "channel": "pagerduty-critical",
        "combiner": Combiner.AND_WITH_MATCHING_RESOURCE,
        "conditions": [
            _above(
                "5xx above 2 % for 5 min",
                0.02,
                300,
                filter=f'{_API_REQUESTS} AND metric.labels.response_code_class = "5xx"',
                aggregations=_SUM_BY_SERVICE,
                denominator_filter=_API_REQUESTS,
                denominator_aggregations=_SUM_BY_SERVICE,
            ),
            _above(
                f"more than {REQUEST_FLOOR_PER_MINUTE} requests a minute",
                REQUEST_FLOOR_PER_MINUTE,
                300,
                filter=_API_REQUESTS,
                aggregations=_SUM_BY_SERVICE,
            ),
        ],
    },
    {
        "display_name": "Worker queue depth",
        "documentation": "More than 10,000 jobs were due for 10 minutes. Is a worker stuck, or is there more work?",
        "severity": Severity.WARNING,
        "team": "workers",
        "channel": "slack-ops",
        "combiner": Combiner.OR,
        "conditions": [
            _above(
                "more than 10,000 due jobs for 10 min",
                10_000,
                600,
                filter=_QUEUE_DEPTH,
                aggregations=[_aggregation("ALIGN_MAX", "REDUCE_MAX", _BY_QUEUE)],
            )
        ],
    },
    {
        "display_name": "Worker queue depth is not reported",
        "documentation": "No queue depth for 10 minutes: the exporter is dead, and a full queue would not page.",
        "severity": Severity.CRITICAL,
        "team": "workers",
        "channel": "pagerduty-critical",
        "combiner": Combiner.OR,
        "conditions": [
            {
                "display_name": "no queue depth for 10 min",
                "condition_absent": {
                    "filter": _QUEUE_DEPTH,
                    "aggregations": [_aggregation("ALIGN_MAX", "REDUCE_MAX", _BY_QUEUE)],
                    "duration": {"seconds": 600},
                    "trigger": {"count": 1},
                },
            }
        ],
    },
    {
        "display_name": "Redis memory",
        "documentation": "Redis uses more than 80 % of its system memory; maintenance and export need 50 %.",
        "severity": Severity.WARNING,
        "team": "platform",
        "channel": "pagerduty-warn",
        "combiner": Combiner.OR,
        "conditions": [
            _above(
                "system memory above 80 %",
                0.8,
                300,
                filter=_REDIS_MEMORY,
                aggregations=[_aggregation("ALIGN_MEAN", "REDUCE_MAX", ["resource.labels.instance_id"])],
            )
        ],
    },
    {
        "display_name": "Cloud Run cold-start latency",
        "documentation": "The p95 of container start-ups is above 5 s. Fewer than 20 starts make it their maximum.",
        "severity": Severity.WARNING,
        "team": "platform",
        "channel": "slack-ops",
        "combiner": Combiner.OR,
        "conditions": [
            _above(
                "start-up p95 above 5 s",
                5000,
                0,
                filter=_STARTUP,
                aggregations=[_aggregation("ALIGN_DELTA", "REDUCE_PERCENTILE_95", _BY_SERVICE, 300)],
            )
        ],
    },
)


def _id(project: Project, text: str) -> str:
    """A numeric id as Cloud Monitoring assigns them: the same for the same project and text."""
    return str(zlib.crc32(f"{project.id}/{text}".encode()) + 10**18)


def policies_of(project: Project) -> list[Any]:
    """The alert policies of a project, as raw AlertPolicy messages in the order of the specification."""
    made = []
    for template in _POLICIES:
        severity = template["severity"]
        name = f"projects/{project.id}/alertPolicies/{_id(project, template['display_name'])}"
        conditions = [
            Condition(
                **condition,
                name=f"{name}/conditions/{_id(project, template['display_name'] + condition['display_name'])}",
            )
            for condition in template["conditions"]
        ]
        policy = monitoring_v3.AlertPolicy(
            name=name,
            display_name=template["display_name"],
            documentation={"content": template["documentation"], "mime_type": "text/markdown"},
            user_labels={"severity": severity.name.lower(), "team": template["team"], "env": project.environment},
            conditions=conditions,
            combiner=template["combiner"],
            enabled=True,
            notification_channels=[f"projects/{project.id}/notificationChannels/{_id(project, template['channel'])}"],
            severity=severity,
        )
        made.append(monitoring_v3.AlertPolicy.pb(policy))
    return made


class AlertPolicies(GrpcApi):
    """Lists and gets the policies; they are changed by Terraform, which the emulator does not serve."""

    SERVICE = "google.monitoring.v3.AlertPolicyService"
    API = "monitoring"
    TRANSPORT = AlertPolicyServiceGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListAlertPolicies": Rule("monitoring.alertPolicies.list", quota.MONITORING_DEFAULT),
        "GetAlertPolicy": Rule("monitoring.alertPolicies.get", quota.MONITORING_DEFAULT),
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._policies = {project.id: policies_of(project) for project in cloud.world.projects}

    async def ListAlertPolicies(self, request: monitoring_v3.ListAlertPoliciesRequest, call: Call) -> Any:  # noqa: N802
        """The policies of a project, filtered, ordered, in pages."""
        project = self._project(request.name)
        policies = _filtered(self._policies[project.id], request.filter)
        items, token = page(
            _ordered(policies, request.order_by),
            request.page_size,
            request.page_token,
            default=1000,
            maximum=1000,
            bound_to=f"{project.id} {request.filter} {request.order_by}",
        )
        return monitoring_v3.ListAlertPoliciesResponse.pb()(
            alert_policies=items, next_page_token=token, total_size=len(policies)
        )

    async def GetAlertPolicy(self, request: monitoring_v3.GetAlertPolicyRequest, call: Call) -> Any:  # noqa: N802
        """One policy by its name."""
        head, _, wanted = request.name.partition("/alertPolicies/")
        project = self._project(head)
        for policy in self._policies[project.id]:
            if policy.name.endswith(f"/{wanted}"):
                return policy
        raise not_found(f"Could not find an alert policy with name {request.name}.")

    def _project(self, name: str) -> Project:
        project = self.cloud.project(name.removeprefix("projects/")) if name.startswith("projects/") else None
        if project is None:
            raise invalid_argument(f'Field name had an invalid value of "{name}": use projects/ID_OR_NUMBER.', "name")
        return project


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


_FIELDS: Mapping[str, Callable[[Any], str]] = {
    "name": lambda policy: str(policy.name),
    "display_name": lambda policy: str(policy.display_name),
    "enabled": lambda policy: _bool_text(policy.enabled.value),
    "combiner": lambda policy: Combiner(policy.combiner).name,
    "severity": lambda policy: Severity(policy.severity).name,
    "documentation.content": lambda policy: str(policy.documentation.content),
}


def _field(path: Sequence[str]) -> Callable[[Any], str] | None:
    if len(path) == 2 and path[0] in {"user_label", "user_labels"}:
        label = path[1]
        return lambda policy: str(policy.user_labels.get(label, ""))
    return _FIELDS.get(".".join(path))


def _filtered(policies: Sequence[Any], text: str) -> list[Any]:
    if not text:
        return list(policies)

    def refused(reason: object) -> Exception:
        return invalid_argument(f'Field filter had an invalid value of "{text}": {reason}', "filter")

    def meaning_for(policy: Any) -> Callable[[Comparison], bool]:
        def meaning(comparison: Comparison) -> bool:
            value = _field(comparison.path)
            if value is None:
                raise InvalidFilterError(f"The field {comparison.field} is not known to this emulator.")
            return text_test(comparison)(value(policy))

        return meaning

    try:
        node = parse(text)
        return [policy for policy in policies if evaluate(node, meaning_for(policy))]
    except InvalidFilterError as error:
        raise refused(error) from error


def _ordered(policies: list[Any], order_by: str) -> list[Any]:
    if not order_by:
        return policies
    for entry in reversed(order_by.split(",")):
        field = entry.strip()
        value = _field(field.removeprefix("-").split("."))
        if value is None:
            raise invalid_argument(
                f'Field orderBy had an invalid value of "{order_by}": unknown field "{field}".', "order_by"
            )
        policies = sorted(policies, key=value, reverse=field.startswith("-"))
    return policies
