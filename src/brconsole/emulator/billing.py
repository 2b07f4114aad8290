"""Cloud Billing Budgets v1: the monthly budget of each project. A budget has no current spend (facts §8)."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from google.cloud.billing import budgets_v1
from google.cloud.billing.budgets_v1.services.budget_service.transports.grpc import BudgetServiceGrpcTransport

from brconsole.emulator import quota
from brconsole.emulator.cloud import Rule
from brconsole.emulator.errors import invalid_argument, not_found, permission_denied
from brconsole.emulator.paging import page
from brconsole.emulator.server import Call, GrpcApi
from brconsole.simulation.model import Project

BILLING_ACCOUNT = "billingAccounts/01A2B3-C4D5E6-F70819"
_THRESHOLDS = (0.5, 0.75, 0.85, 0.9)


class Budgets(GrpcApi):
    """google.cloud.billing.budgets.v1.BudgetService: List and Get."""

    SERVICE = "google.cloud.billing.budgets.v1.BudgetService"
    API = "billingbudgets"
    TRANSPORT = BudgetServiceGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListBudgets": Rule("billing.budgets.list", quota.BUDGETS),
        "GetBudget": Rule("billing.budgets.get", quota.BUDGETS),
    }

    async def ListBudgets(self, request: budgets_v1.ListBudgetsRequest, call: Call) -> Any:  # noqa: N802
        """The budgets of the billing account; `scope` (`projects/P`) keeps those of one project."""
        if not re.fullmatch(r"billingAccounts/[^/]+", request.parent):
            raise invalid_argument(f"Invalid resource name {request.parent!r}: want billingAccounts/ACCOUNT.", "parent")
        if request.parent != BILLING_ACCOUNT:
            raise permission_denied("billing.budgets.list", request.parent)
        projects = self.cloud.world.projects
        if request.scope:
            if not re.fullmatch(r"projects/[^/]+", request.scope):
                raise invalid_argument(f"Invalid scope {request.scope!r}: want projects/PROJECT.", "scope")
            scoped = self.cloud.project_of(request.scope)
            projects = (scoped,) if scoped else ()
        # §8: a page holds at most 100.
        some, token = page(
            projects,
            request.page_size,
            request.page_token,
            default=100,
            maximum=100,
            bound_to=f"budgets {request.parent} {request.scope}",
        )
        return budgets_v1.ListBudgetsResponse.pb()(
            budgets=[_message(project) for project in some], next_page_token=token
        )

    async def GetBudget(self, request: budgets_v1.GetBudgetRequest, call: Call) -> Any:  # noqa: N802
        """One budget."""
        if not re.fullmatch(r"billingAccounts/[^/]+/budgets/[^/]+", request.name):
            raise invalid_argument(
                f"Invalid resource name {request.name!r}: want billingAccounts/ACCOUNT/budgets/BUDGET.", "name"
            )
        for project in self.cloud.world.projects:
            if request.name == _name(project):
                return _message(project)
        raise not_found("Requested entity was not found.")


def _name(project: Project) -> str:
    # A budget's id is a UUID of Google's making; here it follows from the project, so that it is the same in every run.
    return f"{BILLING_ACCOUNT}/budgets/{uuid.uuid5(uuid.NAMESPACE_URL, f'{BILLING_ACCOUNT}/{project.id}')}"


def _message(project: Project) -> Any:
    message = budgets_v1.Budget.pb()(
        name=_name(project),
        display_name=f"ByteReview {project.environment}",
        threshold_rules=[
            {"threshold_percent": share, "spend_basis": int(budgets_v1.ThresholdRule.Basis.CURRENT_SPEND)}
            for share in _THRESHOLDS
        ],
        etag=hashlib.sha256(f"{project.id} {project.monthly_budget}".encode()).hexdigest()[:16],
    )
    message.budget_filter.projects.append(f"projects/{project.number}")
    message.budget_filter.calendar_period = int(budgets_v1.CalendarPeriod.MONTH)
    message.amount.specified_amount.currency_code = "USD"
    message.amount.specified_amount.units = int(project.monthly_budget)
    message.amount.specified_amount.nanos = round(project.monthly_budget % 1 * 1e9)
    return message
