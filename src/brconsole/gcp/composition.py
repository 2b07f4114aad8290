"""Puts the adapters of one environment together."""

from __future__ import annotations

from pathlib import Path

from brconsole.domain.environment import Environment
from brconsole.gcp import endpoint as endpoints
from brconsole.gcp.access import AccessReader
from brconsole.gcp.audit_writer import AuditLogWriter
from brconsole.gcp.beacon import MonitoringBeacon
from brconsole.gcp.bigquery import BigQuery, SpendReader
from brconsole.gcp.billing import BillingReader
from brconsole.gcp.budgets import BudgetReader
from brconsole.gcp.caller import Caller
from brconsole.gcp.clock import ServiceClock
from brconsole.gcp.connection import Connection, GoogleConnection, PlainConnection
from brconsole.gcp.gate_metrics import GateMetricsReader
from brconsole.gcp.jobs import JobReader, JobRunner
from brconsole.gcp.logging import AuditReader
from brconsole.gcp.monitoring import MetricsReader, TimeSeriesReader
from brconsole.gcp.quota import Quota
from brconsole.gcp.run import CloudRunReader
from brconsole.gcp.run_probe import EtagProbe
from brconsole.gcp.run_v1 import RunV1
from brconsole.gcp.run_v1_jobs import RunV1Jobs
from brconsole.gcp.run_v2 import RunV2
from brconsole.gcp.run_writer import ConditionalWriter, FencedWriter, UnreadWriter
from brconsole.gcp.service_accounts import ServiceAccounts
from brconsole.gcp.slo import SloReader
from brconsole.gcp.write_proof import proof_file, read_proof
from brconsole.operations.ports import Cloud, TrafficWriter


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


def ports(
    environment: Environment,
    connection: Connection,
    clock: ServiceClock,
    deadline_s: float,
    state_folder: Path,
    migration_job: str,
) -> Cloud:
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
    jobs_v1 = RunV1Jobs(caller, project, region)
    jobs = JobReader(caller, jobs_v1, project, region, clock.now)
    return Cloud(
        run=run,
        metrics=MetricsReader(caller, series, environment, clock.now),
        slos=SloReader(caller, series, project, region),
        audit=AuditReader(caller, project, region),
        access=AccessReader(caller, project, region, run, spend, budget, migration_job),
        meter=quota,
        billing=BillingReader(spend, budget) if spend or budget else None,
        endpoints=connection.addresses(),
        gate_metrics=GateMetricsReader(caller, series, region),
        writer=_writer(environment, caller, clock, run, connection, state_folder),
        write_probe=EtagProbe(RunV2(caller, project, region)),
        audit_writer=AuditLogWriter(caller, project),
        beacon=MonitoringBeacon(caller, series, project, region, environment.name),
        jobs=jobs,
        job_writer=JobRunner(caller, jobs_v1, jobs),
    )


def _writer(
    environment: Environment,
    caller: Caller,
    clock: ServiceClock,
    run: CloudRunReader,
    connection: Connection,
    state_folder: Path,
) -> TrafficWriter:
    """The write path of the environment: v1, unless v2 is asked for or proved to refuse a stale etag (DESIGN §8.9)."""
    project, region = environment.project, environment.region
    address = connection.addresses()[0]
    proof = read_proof(proof_file(state_folder, project, region), project, region, address)
    proved = proof is not None and proof.etag_enforced
    v2 = RunV2(caller, project, region)
    unread, accounts = UnreadWriter(v2, run.last_seen, clock.now), ServiceAccounts(caller)
    if environment.write_api == "v2" or (environment.write_api == "auto" and proved):
        return FencedWriter(v2, unread, accounts, clock.now, conditional=proved)
    return ConditionalWriter(RunV1(caller, project, region), unread, accounts, clock.now)
