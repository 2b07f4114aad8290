"""What the platform may hold: the lists and numbers that the checks hold the plans against."""

from __future__ import annotations

# Where data and services may be. The cold environment is the second region; US and global are Google's own places.
REGIONS = {"us-central1", "us-east1", "us", "US", "global"}
REGION_OF = {"dev": "us-central1", "staging": "us-central1", "prod": "us-central1", "dr": "us-east1"}

# Roles that nobody is given, anywhere: whole-project power that no module needs.
ROLES_NEVER_GRANTED = {
    "roles/owner",
    "roles/editor",
    "roles/viewer",
    "roles/resourcemanager.organizationAdmin",
    "roles/resourcemanager.folderAdmin",
    "roles/billing.admin",
    "roles/iam.securityAdmin",
}
# Roles that only a resource may give: on a whole project they reach every account, secret and key in it.
ROLES_NEVER_ON_A_PROJECT = {
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.workloadIdentityUser",
    "roles/secretmanager.secretAccessor",
    "roles/cloudkms.cryptoKeyDecrypter",
    "roles/cloudkms.cryptoKeyEncrypterDecrypter",
    "roles/storage.admin",
    "roles/storage.objectAdmin",
}
PUBLIC_MEMBERS = {"allUsers", "allAuthenticatedUsers"}
# Services whose own sign-in meets the public, behind the load balancer.
PUBLIC_SERVICES = {"api", "frontend"}

BUDGET_USD = {"dev": 500, "staging": 1500, "prod": 10000}
BUDGET_SHARES = [0.5, 0.75, 0.85, 0.9]
TRACE_SAMPLING = {"dev": 0.0, "staging": 0.1, "prod": 0.95}

# What the console's pipeline and the console itself write, and Terraform therefore leaves alone (§4.3 of DESIGN).
NOT_TERRAFORMS = {
    "client",
    "client_version",
    "template[0].containers[0].image",
    "template[0].labels",
    'template[0].annotations["run.googleapis.com/operation-id"]',
    "traffic",
}

# Every metric type that a dashboard, an alert, an SLO or an exclusion may name.
METRICS = {
    "aiplatform.googleapis.com/publisher/online_serving/model_invocation_count",
    "aiplatform.googleapis.com/publisher/online_serving/token_count",
    "custom.googleapis.com/arq/deferred",
    "custom.googleapis.com/arq/job_runtime",
    "custom.googleapis.com/arq/jobs",
    "custom.googleapis.com/arq/oldest_age",
    "custom.googleapis.com/arq/queue_depth",
    "custom.googleapis.com/brconsole/heartbeat",
    "custom.googleapis.com/brconsole/rollout_overdue",
    "logging.googleapis.com/billing/bytes_ingested",
    "redis.googleapis.com/stats/memory/system_memory_usage_ratio",
    "redis.googleapis.com/stats/memory/usage_ratio",
    "run.googleapis.com/container/billable_instance_time",
    "run.googleapis.com/container/cpu/allocation_time",
    "run.googleapis.com/container/cpu/utilizations",
    "run.googleapis.com/container/instance_count",
    "run.googleapis.com/container/max_request_concurrencies",
    "run.googleapis.com/container/memory/allocation_time",
    "run.googleapis.com/container/memory/utilizations",
    "run.googleapis.com/container/startup_latencies",
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
}
