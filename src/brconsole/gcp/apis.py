"""The Google APIs and methods that the console calls: their names, hosts, quotas and what it takes to be allowed.

Standard library only. Facts and their certainty: reference/google-cloud-facts.md §4 (permissions), §10 (quotas).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Api:
    """A Google API.

    `read_quota` names its quota metric for reads, which the live limit is listed under; `assumed_limit` is the number
    of reads a minute that is assumed until that limit is known.
    """

    title: str
    host: str
    read_quota: str
    assumed_limit: int
    write_quota: str = ""
    assumed_write_limit: int = 0


RUN = Api(
    "Cloud Run",
    "run.googleapis.com",
    "run.googleapis.com/read_regional",
    600,  # seen on one live project; the published default is believed to be higher (§10)
    "run.googleapis.com/write_regional",
    30,
)
# Google's pages give no number for Monitoring, Budgets, Resource Manager and BigQuery: these are careful guesses.
MONITORING = Api(
    "Cloud Monitoring",
    "monitoring.googleapis.com",
    "monitoring.googleapis.com/time_series_queries",
    1200,
    "monitoring.googleapis.com/ingestion_requests",
    1200,
)
LOGGING = Api(
    "Cloud Logging",
    "logging.googleapis.com",
    "logging.googleapis.com/read_requests",
    60,  # §7, not raisable
    "logging.googleapis.com/write_requests",
    1200,
)
BUDGETS = Api(
    "Cloud Billing Budgets", "billingbudgets.googleapis.com", "billingbudgets.googleapis.com/default_requests", 300
)
PROJECTS = Api(
    "Resource Manager",
    "cloudresourcemanager.googleapis.com",
    "cloudresourcemanager.googleapis.com/project_v3_get_requests",
    300,
)
LOGIN = Api("Google login", "accounts.google.com", "", 0)  # never called by the console itself: google.auth does
IAM = Api("IAM", "iam.googleapis.com", "iam.googleapis.com/read_requests", 600)
BIGQUERY = Api("BigQuery", "bigquery.googleapis.com", "bigquery.googleapis.com/quota/query/count", 100)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an API and the permission it asks for ("" where it asks for none); `rest` is how it is reached."""

    api: Api
    name: str
    permission: str = ""
    rest: bool = False


LIST_SERVICES = Method(RUN, "ListServices", "run.services.list")
LIST_REVISIONS = Method(RUN, "ListRevisions", "run.revisions.list")
TEST_RUN_PERMISSIONS = Method(RUN, "TestIamPermissions")
LIST_TIME_SERIES = Method(MONITORING, "ListTimeSeries", "monitoring.timeSeries.list")
LIST_ALERT_POLICIES = Method(MONITORING, "ListAlertPolicies", "monitoring.alertPolicies.list")
LIST_MONITORED_SERVICES = Method(MONITORING, "ListServices", "monitoring.services.list")
LIST_OBJECTIVES = Method(MONITORING, "ListServiceLevelObjectives", "monitoring.slos.list")
LIST_LOG_ENTRIES = Method(LOGGING, "ListLogEntries", "logging.logEntries.list")
LIST_BUDGETS = Method(BUDGETS, "ListBudgets", "billing.budgets.list")
GET_PROJECT = Method(PROJECTS, "GetProject", "resourcemanager.projects.get")
TEST_PROJECT_PERMISSIONS = Method(PROJECTS, "TestIamPermissions")
FIND_CREDENTIALS = Method(LOGIN, "Application Default Credentials")
QUERY = Method(BIGQUERY, "jobs.query", "bigquery.jobs.create", rest=True)
GET_SERVICE = Method(RUN, "GetService", "run.services.get")
UPDATE_SERVICE = Method(RUN, "UpdateService", "run.services.update")
GET_SERVICE_V1 = Method(RUN, "namespaces.services.get", "run.services.get", rest=True)
REPLACE_SERVICE_V1 = Method(RUN, "namespaces.services.replaceService", "run.services.update", rest=True)
GET_JOB = Method(RUN, "GetJob", "run.jobs.get")
RUN_JOB = Method(RUN, "RunJob", "run.jobs.runWithOverrides")
GET_JOB_V1 = Method(RUN, "namespaces.jobs.get", "run.jobs.get", rest=True)
REPLACE_JOB_V1 = Method(RUN, "namespaces.jobs.replaceJob", "run.jobs.update", rest=True)
LIST_EXECUTIONS = Method(RUN, "ListExecutions", "run.executions.list")
CANCEL_EXECUTION = Method(RUN, "CancelExecution", "run.executions.cancel")
TEST_ACCOUNT_PERMISSIONS = Method(IAM, "serviceAccounts.testIamPermissions", rest=True)
WRITE_LOG_ENTRIES = Method(LOGGING, "WriteLogEntries", "logging.logEntries.create")
CREATE_TIME_SERIES = Method(MONITORING, "CreateTimeSeries", "monitoring.timeSeries.create")

ACT_AS = "iam.serviceAccounts.actAs"
"""Every write of traffic needs it on the service's runtime account (§4)."""

ROLES: Mapping[str, str] = {
    "run.services.list": "roles/run.viewer",
    "run.services.get": "roles/run.viewer",
    "run.revisions.list": "roles/run.viewer",
    "run.revisions.get": "roles/run.viewer",
    "run.services.update": "roles/run.developer",
    "run.jobs.get": "roles/run.viewer",
    "run.jobs.update": "roles/run.developer",
    "run.jobs.run": "roles/run.jobsExecutorWithOverrides",
    "run.jobs.runWithOverrides": "roles/run.jobsExecutorWithOverrides",
    "run.executions.list": "roles/run.viewer",
    "run.executions.get": "roles/run.viewer",
    "run.executions.cancel": "roles/run.developer",
    ACT_AS: "roles/iam.serviceAccountUser",
    "artifactregistry.repositories.downloadArtifacts": "roles/artifactregistry.reader",
    "monitoring.timeSeries.create": "roles/monitoring.metricWriter",
    "logging.logEntries.create": "roles/logging.logWriter",
    "monitoring.timeSeries.list": "roles/monitoring.viewer",
    "monitoring.alertPolicies.list": "roles/monitoring.viewer",
    "monitoring.services.list": "roles/monitoring.viewer",
    "monitoring.slos.list": "roles/monitoring.viewer",
    "logging.logEntries.list": "roles/logging.viewer",
    "billing.budgets.list": "roles/billing.viewer",
    "billing.budgets.get": "roles/billing.viewer",
    "resourcemanager.projects.get": "roles/browser",
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.tables.getData": "roles/bigquery.dataViewer",
    "bigquery.tables.get": "roles/bigquery.dataViewer",
    "serviceusage.services.use": "roles/serviceusage.serviceUsageConsumer",
}
"""Permission → the least predefined role that holds it, of those a person would ask for."""

_ROLE_BY_SERVICE: Mapping[str, str] = {
    "run": "roles/run.viewer",
    "monitoring": "roles/monitoring.viewer",
    "logging": "roles/logging.viewer",
    "billing": "roles/billing.viewer",
    "bigquery": "roles/bigquery.user",
    "resourcemanager": "roles/browser",
}


def role_for(permission: str) -> str:
    """A role that holds the permission, "" where none is known."""
    return ROLES.get(permission) or _ROLE_BY_SERVICE.get(permission.partition(".")[0], "")
