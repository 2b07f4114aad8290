"""The `Billing` port: what was spent from the billing export, what may be spent from the budget."""

from __future__ import annotations

from datetime import date, datetime

from brconsole.domain.spend import DailyCost
from brconsole.gcp.apis import QUERY
from brconsole.gcp.bigquery import SpendReader
from brconsole.gcp.budgets import BudgetReader
from brconsole.operations.failure import FailureKind, SourceFailure


class BillingReader:
    """The `Billing` port; either side may be missing from the configuration."""

    def __init__(self, spend: SpendReader | None, budget: BudgetReader | None) -> None:
        self._spend = spend
        self._budget = budget

    async def daily_costs(self, since: date, until: datetime) -> tuple[tuple[DailyCost, ...], datetime | None]:
        """See Billing."""
        if self._spend is None:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                QUERY.api.title,
                "billing export",
                "no export table is configured",
                remedy="set budget.export_table of the environment",
            )
        return await self._spend.daily(since, until)

    async def monthly_budget(self) -> tuple[float, str] | None:
        """See Billing."""
        return None if self._budget is None else await self._budget.monthly()
