"""Alert policies and their evaluation.

Cloud Monitoring v3 has no method that lists open incidents, so the console evaluates each listed policy by its own filter,
aggregation and duration; where a project has no policy, the specification's defaults (§6.3) stand in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from brconsole.domain.series import Series


class AlertState(StrEnum):
    """Where an alert stands; pending = over the threshold, but not yet for the policy's duration."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    UNKNOWN = "unknown"


Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One metric-threshold or absence condition, in Monitoring's own words (AlertPolicy.Condition).

    `kind` "threshold" compares aligned and reduced points; with `denominator_filter` it is a ratio. "absence" holds when a
    series that reported before has no point for `duration_s`. "spend" is month-to-date over budget, from the billing export.
    """

    kind: Literal["threshold", "absence", "spend"]
    threshold: float
    duration_s: int = 0
    comparison: Literal[">", "<"] = ">"
    filter: str = ""
    denominator_filter: str = ""
    alignment_period_s: int = 60
    aligner: str = "ALIGN_NONE"
    reducer: str = "REDUCE_NONE"
    group_by: tuple[str, ...] = ()
    denominator_aligner: str = "ALIGN_NONE"
    denominator_reducer: str = "REDUCE_NONE"
    denominator_group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An alert policy: its name, how bad it is and its conditions (combined by AND or OR)."""

    name: str
    conditions: tuple[Condition, ...]
    combiner: Literal["AND", "OR"] = "OR"
    severity: Severity = "warning"
    resource: str = ""
    enabled: bool = True

    @property
    def pages(self) -> bool:
        """Whether it wakes somebody."""
        return self.severity == "critical"


@dataclass(frozen=True, slots=True)
class AlertReport:
    """A policy as evaluated. `value` is the worst series' newest point, `subject` names that series (service, queue…)."""

    policy: str
    state: AlertState
    since: datetime | None
    value: float | None
    threshold: float | None
    severity: Severity = "warning"
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ConditionReport:
    """A condition as evaluated over its series."""

    state: AlertState
    since: datetime | None
    value: float | None
    subject: str = ""


def evaluate_series(condition: Condition, series: Series) -> ConditionReport:
    """How long the newest points of one series have been over the threshold; a gap ends the run, and no point is unknown."""
    newest_end = series.newest_end()
    value = series.newest()
    subject = " ".join(series.labels.values())
    if newest_end is None or value is None:
        return ConditionReport(AlertState.UNKNOWN, None, None, subject)
    since: datetime | None = None
    skip = round((series.end - newest_end).total_seconds() / series.period_s)
    known = series.values[: len(series.values) - skip]
    for back, point in enumerate(reversed(known)):
        if point is None or not _over(condition, point):
            break
        since = newest_end - timedelta(seconds=(back + 1) * series.period_s)
    if since is None:
        return ConditionReport(AlertState.OK, None, value, subject)
    held = (newest_end - since).total_seconds()
    state = AlertState.FIRING if held >= condition.duration_s else AlertState.PENDING
    return ConditionReport(state, since, value, subject)


def _over(condition: Condition, value: float) -> bool:
    return value > condition.threshold if condition.comparison == ">" else value < condition.threshold


_RANK = {AlertState.FIRING: 3, AlertState.PENDING: 2, AlertState.UNKNOWN: 1, AlertState.OK: 0}


def worst(reports: Iterable[ConditionReport], comparison: Literal[">", "<"] = ">") -> ConditionReport:
    """The report that matters most among the series of one condition; unknown where there is none."""
    sign = 1 if comparison == ">" else -1
    return max(
        reports,
        key=lambda report: (_RANK[report.state], sign * (report.value if report.value is not None else 0.0)),
        default=ConditionReport(AlertState.UNKNOWN, None, None),
    )


def combine(policy: Policy, conditions: tuple[ConditionReport, ...]) -> AlertReport:
    """A policy's state from its conditions: OR takes the worst, AND the mildest."""
    pick = max if policy.combiner == "OR" else min
    chosen_index = pick(range(len(conditions)), key=lambda index: _RANK[conditions[index].state], default=None)
    if chosen_index is None:
        return AlertReport(policy.name, AlertState.UNKNOWN, None, None, None, policy.severity)
    chosen = conditions[chosen_index]
    return AlertReport(
        policy.name,
        chosen.state,
        chosen.since,
        chosen.value,
        policy.conditions[chosen_index].threshold,
        policy.severity,
        chosen.subject,
    )
