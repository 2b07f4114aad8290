"""Alert policies and their evaluation.

Cloud Monitoring v3 has no method that lists open incidents, so the console evaluates each listed policy by its own
filter, aggregation and duration; where a project has no policy, the specification's defaults (§6.3) stand in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

GAUGE_PATIENCE_PERIODS = 3
"""A gauge may miss two points before nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One metric-threshold or absence condition, in Monitoring's own words (AlertPolicy.Condition).

    `kind` "threshold" compares aligned and reduced points; with `denominator_filter` it is a ratio. "absence" holds
    when a series that reported before has no point for `duration_s`. "spend" is month-to-date over budget, from the
    billing export.
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
    thresholds: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Limits of single subjects (a queue, a service) that differ from `threshold`."""
    silence_is_fine: bool = False
    """No point means that the condition is not met (EVALUATION_MISSING_DATA_INACTIVE), whatever the metric."""

    def limit(self, subject: str) -> float:
        """The threshold that holds for a subject."""
        return self.thresholds.get(subject, self.threshold)

    @property
    def counts_events(self) -> bool:
        """Whether a missing point means that nothing happened (deltas, rates, percentiles of them, ratios, or because
        the policy says so), not that nobody reports.
        """
        if self.silence_is_fine or self.denominator_filter:
            return True
        return self.aligner.startswith(("ALIGN_DELTA", "ALIGN_RATE", "ALIGN_PERCENTILE", "ALIGN_COUNT"))


@dataclass(frozen=True, slots=True)
class Policy:
    """An alert policy: its name, how bad it is and its conditions.

    The combiner is Monitoring's: OR, AND (all conditions hold, each on whichever resource), AND_WITH_MATCHING_RESOURCE
    (all hold on one resource).
    """

    name: str
    conditions: tuple[Condition, ...]
    combiner: Literal["AND", "OR", "AND_WITH_MATCHING_RESOURCE"] = "OR"
    severity: Severity = "warning"
    resource: str = ""
    enabled: bool = True

    @property
    def pages(self) -> bool:
        """Whether it wakes somebody."""
        return self.severity == "critical"


@dataclass(frozen=True, slots=True)
class AlertReport:
    """A policy as evaluated. `value` is the worst series' newest point, `subject` names it (service, queue…)."""

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


def evaluate(
    condition: Condition, series: Iterable[Series], end: datetime, expected: Mapping[str, datetime | None] | None = None
) -> tuple[ConditionReport, ...]:
    """Evaluate a condition over all its series as they stand at `end`, the last closed minute; one report a subject.

    `expected` names the subjects that should report, with the end of the last point seen of each: an absence condition
    also looks at those without any series.
    """
    rows = tuple(series)
    if condition.kind == "absence":
        reporting = {subject_of(row): row.newest_end() for row in rows}
        last_seen = {**(expected or {}), **{subject: seen for subject, seen in reporting.items() if seen is not None}}
        return tuple(_evaluate_absence(condition, subject, last_seen[subject], end) for subject in sorted(last_seen))
    if not rows and condition.counts_events:
        return (ConditionReport(AlertState.OK, None, None),)
    return tuple(evaluate_series(condition, row, end) for row in rows)


def evaluate_series(condition: Condition, series: Series, end: datetime | None = None) -> ConditionReport:
    """How long the newest points of one series have been over the threshold at `end` (default: the series' end); a gap
    ends the run.

    Where points stop before `end` there is nothing to be over for a count of events, hence ok; a gauge whose last point
    is older than two periods is unknown.
    """
    subject = subject_of(series)
    newest_end, value = series.newest_end(), series.newest()
    nothing = ConditionReport(AlertState.OK if condition.counts_events else AlertState.UNKNOWN, None, None, subject)
    if newest_end is None or value is None:
        return nothing
    silent_s = ((end or series.end) - newest_end).total_seconds()
    if silent_s >= series.period_s * (1 if condition.counts_events else GAUGE_PATIENCE_PERIODS):
        return nothing
    since: datetime | None = None
    skip = round((series.end - newest_end).total_seconds() / series.period_s)
    limit = condition.limit(subject)
    for back, point in enumerate(reversed(series.values[: len(series.values) - skip])):
        if point is None or not _over(condition, point, limit):
            break
        since = newest_end - timedelta(seconds=(back + 1) * series.period_s)
    if since is None:
        return ConditionReport(AlertState.OK, None, value, subject)
    held = (newest_end - since).total_seconds()
    state = AlertState.FIRING if held >= condition.duration_s else AlertState.PENDING
    return ConditionReport(state, since, value, subject)


def _evaluate_absence(condition: Condition, subject: str, last_seen: datetime | None, end: datetime) -> ConditionReport:
    """Silent for the duration fires, for half of it is pending: an ordinary late point is no alert."""
    if last_seen is None:
        return ConditionReport(AlertState.FIRING, None, None, subject)
    silent_s = (end - last_seen).total_seconds()
    if silent_s >= max(condition.duration_s, condition.alignment_period_s):
        return ConditionReport(AlertState.FIRING, last_seen, None, subject)
    if silent_s >= max(condition.duration_s / 2, condition.alignment_period_s):
        return ConditionReport(AlertState.PENDING, last_seen, None, subject)
    return ConditionReport(AlertState.OK, None, None, subject)


def subject_of(series: Series) -> str:
    """What a series speaks of, from the values of its labels."""
    return " ".join(series.labels.values())


def _over(condition: Condition, value: float, limit: float) -> bool:
    return value > limit if condition.comparison == ">" else value < limit


_RANK = {AlertState.FIRING: 3, AlertState.PENDING: 2, AlertState.UNKNOWN: 1, AlertState.OK: 0}


def worst(reports: Iterable[ConditionReport], comparison: Literal[">", "<"] = ">") -> ConditionReport:
    """The report that matters most among the series of one condition; unknown where there is none."""
    sign = 1 if comparison == ">" else -1
    return max(
        reports,
        key=lambda report: (_RANK[report.state], sign * report.value if report.value is not None else float("-inf")),
        default=ConditionReport(AlertState.UNKNOWN, None, None),
    )


def judge(policy: Policy, evaluated: Sequence[Sequence[ConditionReport]]) -> AlertReport:
    """A policy's state from the reports of each of its conditions, one sequence a condition.

    AND_WITH_MATCHING_RESOURCE looks at each subject by itself, where a condition that reports a single series without
    labels holds for every subject, and takes the worst subject.
    """

    def worst_of(index: int, reports: Iterable[ConditionReport]) -> ConditionReport:
        return worst(reports, policy.conditions[index].comparison)

    if policy.combiner != "AND_WITH_MATCHING_RESOURCE":
        return combine(policy, tuple(worst_of(index, reports) for index, reports in enumerate(evaluated)))
    subjects = sorted({report.subject for reports in evaluated for report in reports if report.subject})
    by_subject = [
        combine(
            policy,
            tuple(
                worst_of(index, [report for report in reports if report.subject in (subject, "")])
                for index, reports in enumerate(evaluated)
            ),
        )
        for subject in subjects
    ]
    if not by_subject:
        return combine(policy, tuple(worst_of(index, reports) for index, reports in enumerate(evaluated)))
    return max(
        by_subject,
        key=lambda report: (_RANK[report.state], report.value if report.value is not None else float("-inf")),
    )


def combine(policy: Policy, conditions: tuple[ConditionReport, ...]) -> AlertReport:
    """A policy's state from its conditions: OR takes the worst, AND the mildest; an AND has held since the last of them
    did.
    """
    either = policy.combiner == "OR"
    pick = max if either else min
    chosen_index = pick(range(len(conditions)), key=lambda index: _RANK[conditions[index].state], default=None)
    if chosen_index is None:
        return AlertReport(policy.name, AlertState.UNKNOWN, None, None, None, policy.severity)
    chosen = conditions[chosen_index]
    if not either and chosen.since is not None:
        chosen = replace(chosen, since=max(report.since for report in conditions if report.since is not None))
    return AlertReport(
        policy.name,
        chosen.state,
        chosen.since,
        chosen.value,
        policy.conditions[chosen_index].limit(chosen.subject),
        policy.severity,
        chosen.subject,
    )
