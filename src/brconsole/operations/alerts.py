"""Alerts: the project's policies, evaluated by the console (Monitoring v3 lists no open incidents)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from brconsole.domain.alert import (
    AlertReport,
    AlertState,
    Condition,
    ConditionReport,
    Policy,
    evaluate,
    judge,
    subject_of,
)
from brconsole.domain.environment import Environment
from brconsole.domain.freshness import Reading
from brconsole.domain.series import Series, newest_end
from brconsole.domain.specification import expected_subjects, policies, spend_alert
from brconsole.domain.spend import SpendReport
from brconsole.operations.ports import Metrics
from brconsole.operations.reading import Answer, closed_minute, joined, sentence

LIST_EVERY = timedelta(seconds=300)
"""Policies change with a Terraform run, their series every minute."""
REMEMBER_SEEN = timedelta(hours=23, minutes=30)
"""A series that reported within this should report now; Monitoring's own longest absence duration."""
_LOOK_BACK_S = 3600
_API = "Cloud Monitoring"


@dataclass
class AlertReader:
    """Evaluates every enabled policy at the last closed minute.

    A condition that cannot be read makes its policy unknown, never ok; a policy that fired stays firing until it is
    read again.
    """

    environment: Environment
    metrics: Metrics
    _listed: tuple[Policy, ...] = ()
    _listed_at: datetime | None = None
    _seen: dict[str, dict[str, datetime]] = field(default_factory=dict)
    _before: dict[str, AlertReport] = field(default_factory=dict)

    async def read(self, now: datetime) -> Answer[tuple[AlertReport, ...]]:
        """The reports of all policies, in their order; raises the first failure where no condition could be read."""
        end = closed_minute(now)
        errors: list[Exception] = []
        judged = await self._policies(now, errors)
        conditions = [condition for policy in judged for condition in policy.conditions]
        answers = await asyncio.gather(
            *(self.metrics.condition(condition, end, window_s(condition)) for condition in conditions),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, Exception):
                errors.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
        read = [answer for answer in answers if not isinstance(answer, BaseException)]
        if conditions and not read:
            raise errors[0]
        reports: list[AlertReport] = []
        remaining = iter(answers)
        for policy in judged:
            series = [next(remaining) for _ in policy.conditions]
            evaluated = [
                self._evaluate(condition, answer, end)
                for condition, answer in zip(policy.conditions, series, strict=True)
            ]
            failed = any(isinstance(answer, BaseException) for answer in series)
            reports.append(self._carry_on(policy, judge(policy, evaluated), end, failed=failed))
        asked = {condition.filter for condition in conditions}
        self._seen = {asked_by: seen for asked_by, seen in self._seen.items() if asked_by in asked}
        self._before = {_key(policy): report for policy, report in zip(judged, reports, strict=True)}
        as_of = newest_end(series for answer in read for series in answer) or end
        return Answer(tuple(reports), as_of, joined(sentence(_API, error) for error in errors))

    async def _policies(self, now: datetime, errors: list[Exception]) -> tuple[Policy, ...]:
        """The project's enabled policies, the specification's where it has none or they could never be listed."""
        if self._listed_at is None or now - self._listed_at >= LIST_EVERY:
            try:
                self._listed = await self.metrics.policies()
                self._listed_at = now
            except Exception as error:  # noqa: BLE001 - the policies known so far are evaluated all the same
                errors.append(error)
        if not self._listed:
            return policies(self.environment)
        return tuple(policy for policy in self._listed if policy.enabled)

    def _evaluate(
        self, condition: Condition, answer: tuple[Series, ...] | BaseException, end: datetime
    ) -> Sequence[ConditionReport]:
        if isinstance(answer, BaseException):
            return (ConditionReport(AlertState.UNKNOWN, None, None),)
        return evaluate(condition, answer, end, self._expected(condition, answer, end))

    def _expected(
        self, condition: Condition, answer: tuple[Series, ...], end: datetime
    ) -> Mapping[str, datetime | None]:
        """Whom an absence condition waits for: the subjects that configuration names and those seen within a day."""
        if condition.kind != "absence":
            return {}
        seen = dict(self._seen.get(condition.filter, {}))
        for series in answer:
            if (newest := series.newest_end()) is not None:
                seen[subject_of(series)] = newest
        seen = {subject: at for subject, at in seen.items() if end - at <= REMEMBER_SEEN}
        self._seen[condition.filter] = seen
        configured = dict.fromkeys(expected_subjects(self.environment, condition), None)
        return {**configured, **seen}

    def _carry_on(self, policy: Policy, report: AlertReport, end: datetime, *, failed: bool) -> AlertReport:
        """What goes on from the last evaluation: an alert that fired and cannot be read, and a run longer than the
        window.
        """
        before = self._before.get(_key(policy))
        if before is None or before.state not in (AlertState.FIRING, AlertState.PENDING):
            return report
        if failed and report.state is AlertState.UNKNOWN and before.state is AlertState.FIRING:
            return before
        reaches_s = min(
            (window_s(condition) - condition.alignment_period_s for condition in policy.conditions), default=0
        )
        if (
            report.state in (AlertState.FIRING, AlertState.PENDING)
            and report.subject == before.subject
            and report.since is not None
            and before.since is not None
            and before.since < report.since <= end - timedelta(seconds=reaches_s)
        ):
            return replace(report, since=before.since)
        return report


def window_s(condition: Condition) -> int:
    """How far back a condition is read: an hour, or twice its duration, in whole intervals."""
    period_s = max(60, condition.alignment_period_s)
    return -(-max(_LOOK_BACK_S, 2 * condition.duration_s + period_s) // period_s) * period_s


def compose(
    conditions: Reading[tuple[AlertReport, ...]], spend: Reading[SpendReport] | None
) -> Reading[tuple[AlertReport, ...]]:
    """The policies' alerts and the spend's, which no policy can hold (None: spend is not configured)."""
    if spend is None:
        return conditions
    budget = spend_alert(spend.value)
    if conditions.value is None and spend.value is None:
        return conditions
    reports = (conditions.value or ()) + (() if budget is None else (budget,))
    return Reading(reports, conditions.as_of, conditions.error, conditions.failed_at)


def _key(policy: Policy) -> str:
    return policy.resource or policy.name
