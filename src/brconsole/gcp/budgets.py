"""Cloud Billing Budgets v1: the budget of a project.

Facts: reference/google-cloud-facts.md §8. A budget names projects by number; it has no field for what is spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brconsole.gcp.apis import GET_PROJECT, LIST_BUDGETS
from brconsole.gcp.caller import Caller, parsed

_PAGE = 100
_MONTH = 1
"""google.cloud.billing.budgets.v1.CalendarPeriod.MONTH"""


class BudgetReader:
    """Budgets of one billing account, for one project."""

    def __init__(self, caller: Caller, project: str, billing_account: str) -> None:
        self._caller = caller
        self._project = project
        self._parent = f"billingAccounts/{billing_account.removeprefix('billingAccounts/')}"
        self._number: str | None = None

    async def monthly(self) -> tuple[float, str] | None:
        """Amount and currency of the monthly budget that names the project (the one that names fewest others), else
        None.

        A budget over the whole account says nothing of one project, and one that follows last month's spend has no
        amount.
        """
        budgets = [budget for budget in await self._budgets() if _is_monthly_amount(budget)]
        mine = self._naming(budgets, f"projects/{self._project}")
        if not mine and any(budget.budget_filter.projects for budget in budgets):
            mine = self._naming(budgets, await self._project_name())
        if not mine:
            return None
        amount = min(mine, key=lambda budget: len(budget.budget_filter.projects)).amount.specified_amount
        return amount.units + amount.nanos / 1e9, amount.currency_code

    async def may_list(self) -> None:
        """Ask for one budget; raises SourceFailure where that is not allowed."""
        await self._budgets(1)

    async def _budgets(self, most: int = 0) -> list[Any]:
        from google.cloud.billing.budgets_v1.services.budget_service import BudgetServiceAsyncClient

        found: list[Any] = []
        async with self._caller.call(LIST_BUDGETS, self._parent) as call:
            client = await call.client(BudgetServiceAsyncClient)
            pager = await client.list_budgets({"parent": self._parent, "page_size": most or _PAGE}, **call.options)
            async for page in call.pages(pager):
                found.extend(page.budgets)
                if most and len(found) >= most:
                    break
        return found

    @staticmethod
    def _naming(budgets: Sequence[Any], project: str) -> list[Any]:
        return [budget for budget in budgets if project in budget.budget_filter.projects]

    async def _project_name(self) -> str:
        """`projects/NUMBER`, asked for once."""
        from google.cloud.resourcemanager_v3.services.projects import ProjectsAsyncClient

        if self._number is None:
            name = f"projects/{self._project}"
            async with self._caller.call(GET_PROJECT, name) as call:
                client = await call.client(ProjectsAsyncClient)
                project = parsed(await client.get_project({"name": name}, **call.options))
                self._number = str(type(project).pb(project).name)
        return self._number


def _is_monthly_amount(budget: Any) -> bool:
    # Without any period a budget is monthly (budget_model.proto, Filter.usage_period).
    period = budget.budget_filter.WhichOneof("usage_period")
    monthly = period is None or (period == "calendar_period" and budget.budget_filter.calendar_period in (0, _MONTH))
    return monthly and budget.amount.WhichOneof("budget_amount") == "specified_amount"
