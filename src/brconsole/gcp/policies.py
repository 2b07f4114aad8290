"""Alert policies of Cloud Monitoring as the console evaluates them.

Facts: google/monitoring/v3/alert.proto and reference/google-cloud-facts.md §5.5. Understood are threshold conditions
(ratios too) and absence conditions with one aggregation each. A policy with anything else in it keeps its name and
loses its conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from brconsole.domain.alert import Condition, Policy, Severity
from brconsole.domain.text import clean

# google.monitoring.v3.AlertPolicy.ConditionCombinerType
_COMBINERS: Mapping[int, Literal["AND", "OR", "AND_WITH_MATCHING_RESOURCE"]] = {
    0: "OR",  # unspecified is allowed with a single condition
    1: "AND",
    2: "OR",
    3: "AND_WITH_MATCHING_RESOURCE",
}
# google.monitoring.v3.AlertPolicy.Severity; its ERROR is "the medium severity level".
_SEVERITIES: Mapping[int, Severity] = {1: "critical", 2: "warning", 3: "warning"}
_SEVERITY_WORDS: Mapping[str, Severity] = {
    "critical": "critical",
    "page": "critical",
    "error": "warning",
    "warning": "warning",
    "ticket": "warning",
    "info": "info",
}
# google.monitoring.v3.AlertPolicy.Condition.EvaluationMissingData. Its ACTIVE fires on silence, which only Monitoring
# itself can tell from a late point.
_INACTIVE, _ACTIVE = 1, 2
# google.monitoring.v3.ComparisonType
_COMPARISONS: Mapping[int, Literal[">", "<"]] = {1: ">", 3: "<"}
_WORD_FIELDS = ("per_series_aligner", "cross_series_reducer")


def policy(message: Any) -> Policy:
    """A policy from its raw message."""
    conditions = [_condition(condition) for condition in message.conditions]
    understood = tuple(condition for condition in conditions if condition is not None)
    return Policy(
        name=clean(message.display_name, 200) or message.name.rpartition("/")[2],
        conditions=understood if len(understood) == len(conditions) else (),
        combiner=_COMBINERS.get(message.combiner, "OR"),
        severity=_severity(message),
        resource=message.name,
        enabled=message.enabled.value if message.HasField("enabled") else True,
    )


def _severity(message: Any) -> Severity:
    known = _SEVERITIES.get(message.severity)
    return known or _SEVERITY_WORDS.get(message.user_labels.get("severity", "").casefold(), "warning")


def _condition(message: Any) -> Condition | None:
    kind = message.WhichOneof("condition")
    if kind == "condition_threshold":
        return _threshold(message.condition_threshold)
    if kind == "condition_absent":
        return _absence(message.condition_absent)
    return None


def _threshold(message: Any) -> Condition | None:
    comparison = _COMPARISONS.get(message.comparison)
    plain = len(message.aggregations) <= 1 and len(message.denominator_aggregations) <= 1
    if comparison is None or not plain or message.HasField("forecast_options") or _needs_several(message):
        return None
    if message.evaluation_missing_data == _ACTIVE:
        return None
    period_s, aligner, reducer, group_by = _aggregation(message.aggregations)
    _, below_aligner, below_reducer, below_group_by = _aggregation(message.denominator_aggregations)
    return Condition(
        "threshold",
        message.threshold_value,
        message.duration.seconds,
        comparison,
        message.filter,
        message.denominator_filter,
        period_s,
        aligner,
        reducer,
        group_by,
        below_aligner,
        below_reducer,
        below_group_by,
        silence_is_fine=message.evaluation_missing_data == _INACTIVE,
    )


def _absence(message: Any) -> Condition | None:
    if len(message.aggregations) > 1 or _needs_several(message):
        return None
    period_s, aligner, reducer, group_by = _aggregation(message.aggregations)
    return Condition(
        "absence",
        0.0,
        message.duration.seconds,
        filter=message.filter,
        alignment_period_s=period_s,
        aligner=aligner,
        reducer=reducer,
        group_by=group_by,
    )


def _needs_several(message: Any) -> bool:
    """Whether one series over the threshold is not enough (Trigger)."""
    return bool(message.trigger.count > 1 or message.trigger.percent > 0)


def _aggregation(messages: Any) -> tuple[int, str, str, tuple[str, ...]]:
    if not messages:
        return 60, "ALIGN_NONE", "REDUCE_NONE", ()
    message = messages[0]
    aligner, reducer = (
        message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(message, field)].name
        for field in _WORD_FIELDS
    )
    return message.alignment_period.seconds or 60, aligner, reducer, tuple(message.group_by_fields)
