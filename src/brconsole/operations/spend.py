"""Spend and its budget, from two APIs: a budget that cannot be read costs neither the costs nor another query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from brconsole.domain.environment import Environment
from brconsole.domain.spend import DailyCost, SpendReport, report
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import Billing
from brconsole.operations.reading import Answer, sentence

BIGQUERY, BUDGETS = "BigQuery", "Cloud Billing Budgets"

ASKED_EVERY = timedelta(minutes=30)
"""BigQuery bills bytes scanned: neither a refresh on demand nor another try for the budget asks it more often (facts
§10).
"""
_FORECAST_DAYS = 8
"""Days of cost that a forecast wants: seven whole ones and the one under way."""


@dataclass(frozen=True, slots=True)
class _Costs:
    asked_at: datetime
    rows: tuple[DailyCost, ...]
    newest: datetime


class SpendReader:
    """Reads the month to date. A budget that cannot be read is the configured one, and is asked for again while the
    costs are kept.
    """

    def __init__(self, environment: Environment, billing: Billing) -> None:
        self._settings = environment.budget
        self._billing = billing
        self._kept: _Costs | None = None

    async def read(self, now: datetime) -> Answer[SpendReport]:
        """The report at a moment of service time; an export without a single row is no spend of 0."""
        costs, budget = await asyncio.gather(self._costs(now), self._billing.monthly_budget(), return_exceptions=True)
        if isinstance(costs, BaseException):
            raise costs
        amount = self._settings.monthly if self._settings else None
        currency = self._settings.currency if self._settings else "USD"
        error, self._kept = None, None
        if isinstance(budget, BaseException):
            error, self._kept = sentence(BUDGETS, budget), costs
        elif budget is not None:
            amount, currency = budget
        return Answer(report(costs.rows, currency, amount, costs.newest, now.date()), costs.newest, error)

    async def _costs(self, now: datetime) -> _Costs:
        if self._kept is not None and timedelta() <= now - self._kept.asked_at < ASKED_EVERY:
            return self._kept
        today = now.date()
        since = min(today.replace(day=1), today - timedelta(days=_FORECAST_DAYS))
        rows, newest = await self._billing.daily_costs(since, now)
        if newest is None:
            raise SourceFailure(
                FailureKind.NOT_FOUND,
                BIGQUERY,
                (self._settings.export_table if self._settings else None) or "the billing export",
                f"there is no cost since {since.isoformat()}",
                remedy="the first rows come hours after the export is set up; check the table's name",
            )
        return _Costs(now, rows, newest)
