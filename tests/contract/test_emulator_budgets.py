"""Cloud Billing Budgets on the embedded cloud, through the official client."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.billing import budgets_v1
from google.cloud.billing.budgets_v1.services.budget_service.transports.grpc_asyncio import (
    BudgetServiceGrpcAsyncIOTransport,
)

ACCOUNT = "billingAccounts/01A2B3-C4D5E6-F70819"


@pytest.fixture
async def budgets(emulator, channel) -> budgets_v1.BudgetServiceAsyncClient:
    cloud = await emulator()
    return budgets_v1.BudgetServiceAsyncClient(transport=BudgetServiceGrpcAsyncIOTransport(channel=channel(cloud)))


async def every(budgets, **request) -> list[budgets_v1.Budget]:
    return [budget async for budget in await budgets.list_budgets(request={"parent": ACCOUNT, **request})]


async def test_each_project_has_its_monthly_budget_and_the_specifications_thresholds(budgets):
    found = await every(budgets)
    assert sorted(budget.amount.specified_amount.units for budget in found) == [500, 1500, 10000]
    for budget in found:
        assert budget.amount.specified_amount.currency_code == "USD"
        assert [rule.threshold_percent for rule in budget.threshold_rules] == [0.5, 0.75, 0.85, 0.9]
        assert len(budget.budget_filter.projects) == 1
        assert budget.budget_filter.projects[0].startswith("projects/")
        assert budget.etag


async def test_pages_of_one_hold_the_same_budgets(budgets):
    assert [budget.name for budget in await every(budgets, page_size=1)] == [
        budget.name for budget in await every(budgets)
    ]


async def test_the_scope_keeps_one_projects_budget(budgets):
    (budget,) = await every(budgets, scope="projects/br-dev-4821")
    assert budget.amount.specified_amount.units == 500
    assert await budgets.get_budget(name=budget.name) == budget


async def test_another_billing_account_may_not_be_seen(budgets):
    with pytest.raises(exceptions.PermissionDenied, match=r"billing\.budgets\.list"):
        await budgets.list_budgets(parent="billingAccounts/000000-000000-000000")


@pytest.mark.parametrize("parent", ["billingAccounts", "projects/bytereview-prod", f"{ACCOUNT}/budgets"])
async def test_a_malformed_parent_is_an_invalid_argument(budgets, parent):
    with pytest.raises(exceptions.InvalidArgument):
        await budgets.list_budgets(parent=parent)


async def test_an_unknown_budget_is_not_found(budgets):
    with pytest.raises(exceptions.NotFound):
        await budgets.get_budget(name=f"{ACCOUNT}/budgets/none")


async def test_writing_a_budget_is_not_part_of_the_emulator(budgets):
    with pytest.raises(exceptions.MethodNotImplemented):
        await budgets.delete_budget(name=f"{ACCOUNT}/budgets/none")
