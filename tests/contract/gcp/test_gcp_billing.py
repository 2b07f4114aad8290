"""Budgets and the billing export as the console reads them, from a plain server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from google.cloud import resourcemanager_v3
from google.cloud.billing import budgets_v1

from brconsole.domain.environment import BudgetSettings, Environment
from brconsole.domain.spend import DailyCost
from brconsole.operations.failure import FailureKind, SourceFailure

BUDGETS = "/google.cloud.billing.budgets.v1.BudgetService/ListBudgets"
PROJECT = "/google.cloud.resourcemanager.v3.Projects/GetProject"
SINCE, UNTIL = date(2026, 11, 1), datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
TABLE = "bytereview-billing.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819"


def environment(table: str | None = TABLE, account: str | None = "01A2B3-C4D5E6-F70819") -> Environment:
    return Environment("prod", "bytereview-prod", "us-central1", budget=BudgetSettings(1, "USD", account, table))


def budget(amount: int, *projects: str, period: str = "MONTH") -> dict[str, Any]:
    return {
        "budget_filter": {"projects": projects, "calendar_period": period},
        "amount": {"specified_amount": {"currency_code": "USD", "units": amount, "nanos": 500_000_000}},
    }


def has_budgets(google: Any, *budgets: dict[str, Any]) -> None:
    google.on(BUDGETS, budgets_v1.ListBudgetsRequest, lambda *_: budgets_v1.ListBudgetsResponse(budgets=list(budgets)))
    google.on(
        PROJECT,
        resourcemanager_v3.GetProjectRequest,
        lambda *_: resourcemanager_v3.Project(name="projects/415", project_id="bytereview-prod"),
    )


async def test_the_budget_is_found_by_the_projects_number_which_is_asked_for_once(google: Any, connect: Any) -> None:
    has_budgets(
        google,
        budget(1, "projects/99"),
        budget(20_000, "projects/415", "projects/99"),
        budget(10_000, "projects/415"),
        budget(7, "projects/415", period="YEAR"),
    )
    cloud, _ = await connect()

    assert await cloud.billing.monthly_budget() == (10_000.5, "USD")
    assert await cloud.billing.monthly_budget() == (10_000.5, "USD")

    assert len(google.requests("GetProject")) == 1
    assert google.requests("ListBudgets")[0].parent == "billingAccounts/01A2B3-C4D5E6-F70819"


async def test_a_budget_over_the_whole_account_is_nobodys(google: Any, connect: Any) -> None:
    has_budgets(google, budget(99_000))
    cloud, _ = await connect()

    assert await cloud.billing.monthly_budget() is None


async def test_without_billing_settings_there_is_no_billing_port(connect: Any) -> None:
    cloud, _ = await connect(environment=environment(None, None))

    assert cloud.billing is None


async def test_without_an_export_table_only_spend_is_missing(google: Any, connect: Any) -> None:
    has_budgets(google, budget(10, "projects/bytereview-prod"))
    cloud, _ = await connect(environment=environment(table=None))

    assert await cloud.billing.monthly_budget() == (10.5, "USD")
    with pytest.raises(SourceFailure, match="no export table is configured") as raised:
        await cloud.billing.daily_costs(SINCE, UNTIL)
    assert raised.value.kind is FailureKind.NOT_CONFIGURED
    assert google.requests("GetProject") == []


def rows(*cells: tuple[str | None, ...]) -> list[dict[str, Any]]:
    return [{"f": [{"v": cell} for cell in row]} for row in cells]


async def test_spend_is_one_bounded_query_with_named_parameters(
    google: Any, connect: Any, reply: Callable[..., Any]
) -> None:
    newest = f"{datetime(2026, 11, 22, 23, 0, tzinfo=UTC).timestamp():.9E}"
    google.http = lambda *_: reply(
        {
            "jobComplete": True,
            "rows": rows(
                ("2026-11-01", "Cloud Run [red]", "41.5", "1000000"), ("2026-11-02", "Vertex AI", "1e1", newest)
            ),
        }
    )
    cloud, _ = await connect(synchronise=False)

    costs, until = await cloud.billing.daily_costs(SINCE, UNTIL)

    assert costs == (
        DailyCost(date(2026, 11, 1), "Cloud Run [red]", 41.5),
        DailyCost(date(2026, 11, 2), "Vertex AI", 10.0),
    )
    assert until == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    ((method, path, body),) = google.http_calls
    assert (method, path) == ("POST", "/bigquery/v2/projects/bytereview-prod/queries")
    request = json.loads(body)
    assert request["useLegacySql"] is False
    assert int(request["maximumBytesBilled"]) <= 10**9
    assert f"`{TABLE}`" in request["query"]
    assert "_PARTITIONTIME >= @since" in request["query"]
    assert {one["name"]: one["parameterValue"]["value"] for one in request["queryParameters"]} == {
        "since": "2026-11-01 00:00:00+00:00",
        "until": "2026-11-23 14:00:00+00:00",
        "project": "bytereview-prod",
    }


async def test_a_slow_query_is_waited_for_and_read_page_by_page(
    google: Any, connect: Any, reply: Callable[..., Any]
) -> None:
    job = {"jobReference": {"projectId": "p", "jobId": "job_7", "location": "EU"}}
    answers = iter(
        [
            {**job, "jobComplete": False},
            {**job, "jobComplete": True, "rows": rows(("2026-11-01", "a", "1", "5")), "pageToken": "t1"},
            {**job, "jobComplete": True, "rows": rows(("2026-11-02", "b", "2", None))},
        ]
    )
    google.http = lambda *_: reply(next(answers))
    cloud, _ = await connect(synchronise=False)

    costs, _ = await cloud.billing.daily_costs(SINCE, UNTIL)

    assert [cost.service for cost in costs] == ["a", "b"]
    paths = [path.split("?") for _, path, _ in google.http_calls[1:]]
    assert {path for path, _ in paths} == {"/bigquery/v2/projects/bytereview-prod/queries/job_7"}
    assert all("location=EU" in query for _, query in paths)
    assert "pageToken=t1" in paths[1][1]
    assert [use.calls_per_minute for use in cloud.meter.use()] == [1]


@pytest.mark.parametrize("table", ["x", "p-1.d.t` --", "p-1.d.t;DROP", "p-1..t", "p-1.d.t\n"])
async def test_a_table_that_is_no_table_name_never_reaches_the_sql(google: Any, connect: Any, table: str) -> None:
    cloud, _ = await connect(environment=environment(table), synchronise=False)

    with pytest.raises(SourceFailure, match="export_table is no table name") as raised:
        await cloud.billing.daily_costs(SINCE, UNTIL)

    assert raised.value.kind is FailureKind.NOT_CONFIGURED
    assert google.http_calls == []


@pytest.mark.parametrize(
    ("status", "document", "kind", "says"),
    [
        (
            403,
            {"error": {"message": "Access Denied: User does not have permission bigquery.tables.getData on table x"}},
            FailureKind.PERMISSION,
            "permission bigquery.tables.getData is missing",
        ),
        (404, {"error": {"message": "Not found: Table x"}}, FailureKind.NOT_FOUND, "not found: Not found: Table x"),
        (429, {"error": {"message": "slow down"}}, FailureKind.QUOTA, "slow down"),
        (500, "<html>", FailureKind.UNAVAILABLE, "failed internally"),
        (200, [1], FailureKind.UNREADABLE, "cannot be read"),
        (200, {"jobComplete": True, "rows": [{"x": 1}]}, FailureKind.UNREADABLE, "cannot be read"),
        (200, {"jobComplete": True, "rows": rows(("no day", "a", "1", "1"))}, FailureKind.UNREADABLE, "cannot be read"),
        (200, {"errors": [{"message": "bytes billed\x1b limit"}]}, FailureKind.INVALID, "bytes billed\ufffd limit"),
    ],
)
async def test_what_bigquery_refuses_is_explained(
    google: Any, connect: Any, reply: Callable[..., Any], status: int, document: Any, kind: FailureKind, says: str
) -> None:
    google.http = lambda *_: reply(document, status)
    cloud, _ = await connect(synchronise=False)

    with pytest.raises(SourceFailure) as raised:
        await cloud.billing.daily_costs(SINCE, UNTIL)

    assert raised.value.kind is kind
    assert says in str(raised.value)
    assert str(raised.value).startswith("BigQuery: ")
