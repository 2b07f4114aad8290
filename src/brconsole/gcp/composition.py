"""Puts the adapters of one environment together."""

from __future__ import annotations

from brconsole.domain.environment import Environment
from brconsole.gcp import endpoint as endpoints
from brconsole.gcp.access import AccessReader
from brconsole.gcp.bigquery import BigQuery, SpendReader
from brconsole.gcp.billing import BillingReader
from brconsole.gcp.budgets import BudgetReader
from brconsole.gcp.caller import Caller
from brconsole.gcp.clock import ServiceClock
from brconsole.gcp.connection import Connection, GoogleConnection, PlainConnection
from brconsole.gcp.logging import AuditReader
from brconsole.gcp.monitoring import MetricsReader, TimeSeriesReader
from brconsole.gcp.quota import Quota
from brconsole.gcp.run import CloudRunReader
from brconsole.gcp.slo import SloReader
from brconsole.operations.ports import Cloud


def connect(
    environment: Environment, endpoint: str | None, http_endpoint: str | None, deadline_s: float
) -> tuple[Connection, ServiceClock]:
    """Google itself, or a plain server on loopback; raises EndpointError for any other address."""
    if endpoint is None:
        if http_endpoint is not None:
            raise endpoints.EndpointError("--http-endpoint: it goes with --endpoint, which is missing")
        return GoogleConnection(environment.project), ServiceClock(None, deadline_s)
    grpc_side = endpoints.parse(endpoint)
    http_side = endpoints.http_side(grpc_side, http_endpoint)
    return PlainConnection(grpc_side, http_side), ServiceClock(f"http://{http_side}", deadline_s)


def ports(environment: Environment, connection: Connection, clock: ServiceClock, deadline_s: float) -> Cloud:
    """Every port of the environment over one connection, one quota and one deadline."""
    project, region = environment.project, environment.region
    quota = Quota(clock.now, lambda: clock.speed)
    caller = Caller(connection, quota, project, deadline_s)
    run = CloudRunReader(caller, project, region)
    series = TimeSeriesReader(caller, project)
    settings = environment.budget
    table = settings.export_table if settings else None
    account = settings.billing_account if settings else None
    spend = SpendReader(BigQuery(caller, project), project, table) if table else None
    budget = BudgetReader(caller, project, account) if account else None
    return Cloud(
        run=run,
        metrics=MetricsReader(caller, series, environment, clock.now),
        slos=SloReader(caller, series, project, region),
        audit=AuditReader(caller, project, region),
        access=AccessReader(caller, project, region, run, spend, budget),
        meter=quota,
        billing=BillingReader(spend, budget) if spend or budget else None,
        endpoints=connection.addresses(),
    )
