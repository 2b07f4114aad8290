"""What must hold in every environment, read off the plan that Terraform makes of it (schema only)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import allowed
import pytest
from offline import Plan, Resource, plan
from tree import Tree, blocks

RUN = ("google_cloud_run_v2_service", "google_cloud_run_v2_job")
# What holds data, and where it says which key encrypts it.
ENCRYPTED_BY = {
    "google_sql_database_instance": "encryption_key_name",
    "google_redis_instance": "customer_managed_key",
    "google_pubsub_topic": "kms_key_name",
    "google_storage_bucket": "encryption.default_kms_key_name",
    "google_artifact_registry_repository": "kms_key_name",
    "google_secret_manager_secret": "replication.user_managed.replicas.customer_managed_encryption.kms_key_name",
    "google_bigquery_dataset": "default_encryption_configuration.kms_key_name",
}


@pytest.fixture
def prod(tree: Tree) -> Plan:
    return plan(tree.environment("prod"))


def members(resource: Resource) -> set[str]:
    return {member for member in [resource.values.get("member"), *(resource.values.get("members") or [])] if member}


def expected(planned: Plan, *types: str) -> list[Resource]:
    """The resources of these types. None at all is a failure, but for the standby that holds no data while it waits."""
    found = planned.of(*types)
    assert found or planned.name == "dr"
    return found


def unmet(resources: list[Resource], path: str, wanted: Any) -> dict[str, Any]:
    """What differs, by address."""
    return {str(resource): resource.get(path) for resource in resources if resource.get(path) != wanted}


def buckets_of(planned: Plan) -> list[Resource]:
    """An environment's buckets; the second region uses prod's, which lie in both."""
    found = planned.of("google_storage_bucket")
    assert found or planned.name.startswith("dr")
    return found


# -- nobody from outside ------------------------------------------------------------------------------------------


def test_no_one_unknown_is_given_anything(planned_root: Plan) -> None:
    """But for calling the services that are public by purpose."""
    given = [
        str(resource)
        for resource in planned_root.of("google_*")
        if members(resource) & allowed.PUBLIC_MEMBERS
        and not (
            resource.type == "google_cloud_run_v2_service_iam_member"
            and resource.values["role"] == "roles/run.invoker"
            and resource.values.get("name") in allowed.PUBLIC_SERVICES
        )
    ]
    assert given == []


def test_only_public_services_go_without_a_check_of_who_calls(planned: Plan) -> None:
    services = expected(planned, "google_cloud_run_v2_service")
    assert services
    unchecked = {service.name for service in services if service.get("invoker_iam_disabled")}
    assert unchecked <= allowed.PUBLIC_SERVICES


def test_no_service_is_reached_past_the_load_balancer(planned: Plan) -> None:
    """In dev a preview of a pull request has an address of Cloud Run's own, which the load balancer does not know."""
    inside = {"INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"}
    if planned.name == "dev":
        inside.add("INGRESS_TRAFFIC_ALL")
    services = expected(planned, "google_cloud_run_v2_service")
    assert {s.name: s.get("ingress") for s in services if s.get("ingress") not in inside} == {}
    workers = [s for s in services if s.name not in allowed.PUBLIC_SERVICES]
    assert unmet(workers, "ingress", "INGRESS_TRAFFIC_INTERNAL_ONLY") == {}


def test_no_bucket_can_become_public(planned_root: Plan) -> None:
    buckets = buckets_of(planned_root)
    assert unmet(buckets, "public_access_prevention", "enforced") == {}
    assert unmet(buckets, "uniform_bucket_level_access", True) == {}


def test_no_database_has_a_public_address(planned: Plan) -> None:
    databases = expected(planned, "google_sql_database_instance")
    assert unmet(databases, "settings.ip_configuration.ipv4_enabled", False) == {}
    encrypted = {"ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}
    assert [d.address for d in databases if d.get("settings.ip_configuration.ssl_mode") not in encrypted] == []


def test_redis_wants_a_password_and_tls(planned: Plan) -> None:
    redis = expected(planned, "google_redis_instance")
    assert unmet(redis, "auth_enabled", True) == {}
    assert unmet(redis, "transit_encryption_mode", "SERVER_AUTHENTICATION") == {}


# -- what is lost is lost -------------------------------------------------------------------------------------------


def test_what_holds_data_is_encrypted_by_our_key(planned: Plan) -> None:
    """But for the buckets of the states: they are made before there can be a key."""
    without = [
        str(resource)
        for kind, path in ENCRYPTED_BY.items()
        for resource in planned.of(kind)
        if not resource.is_set(path) and not _holds_no_data(resource)
    ]
    assert without == []
    assert any(planned.of(*ENCRYPTED_BY))


def _holds_no_data(resource: Resource) -> bool:
    """A secret that Google replicates by itself holds a value of somebody else's, not of a customer's."""
    return resource.type == "google_secret_manager_secret" and resource.is_set("replication.auto")


def test_keys_rotate(planned: Plan) -> None:
    keys = planned.of("google_kms_crypto_key")
    assert keys
    symmetric = [key for key in keys if key.get("purpose") in (None, "ENCRYPT_DECRYPT")]
    assert unmet(symmetric, "rotation_period", "7776000s") == {}


def test_every_key_is_protected_from_terraform_destroy(tree: Tree) -> None:
    keys = {
        f"{tree.named(folder)}: {name}": key
        for folder in tree.directories
        for name, key in blocks(folder, "resource", "google_kms_crypto_key").items()
    }
    assert keys
    assert [name for name, key in keys.items() if not key.get("lifecycle", {}).get("prevent_destroy")] == []


def test_databases_are_protected_from_deletion(planned: Plan) -> None:
    databases = expected(planned, "google_sql_database_instance")
    assert unmet(databases, "deletion_protection", True) == {}
    assert unmet(databases, "settings.deletion_protection_enabled", True) == {}


def test_databases_can_go_back_to_any_moment_of_seven_days(planned: Plan) -> None:
    databases = expected(planned, "google_sql_database_instance")
    backup = "settings.backup_configuration"
    assert unmet(databases, f"{backup}.enabled", True) == {}
    assert unmet(databases, f"{backup}.point_in_time_recovery_enabled", True) == {}
    assert unmet(databases, f"{backup}.transaction_log_retention_days", 7) == {}


def test_buckets_keep_versions(planned_root: Plan) -> None:
    assert unmet(buckets_of(planned_root), "versioning.enabled", True) == {}


def test_no_bucket_is_emptied_to_be_deleted(planned_root: Plan) -> None:
    assert [b.address for b in buckets_of(planned_root) if b.get("force_destroy")] == []


def test_production_services_are_protected_from_deletion(prod: Plan) -> None:
    assert unmet(prod.of(*RUN), "deletion_protection", True) == {}


# -- who may what ---------------------------------------------------------------------------------------------------


def test_no_one_is_given_a_role_over_everything(planned_root: Plan) -> None:
    granted = {str(r): r.values.get("role") for r in planned_root.of("google_*") if "_iam_" in r.type}
    assert {a: role for a, role in granted.items() if role in allowed.ROLES_NEVER_GRANTED} == {}


def test_roles_over_data_and_identities_are_given_on_the_thing_not_the_project(planned: Plan) -> None:
    granted = planned.of("google_project_iam_member", "google_project_iam_binding")
    assert {str(r): r.values["role"] for r in granted if r.values.get("role") in allowed.ROLES_NEVER_ON_A_PROJECT} == {}


def test_everything_that_runs_has_an_account_of_its_own(planned: Plan) -> None:
    running = planned.of(*RUN)
    assert running
    jobs = "google_cloud_run_v2_job"
    path = {jobs: "template.template.service_account"}
    assert [str(r) for r in running if not r.is_set(path.get(r.type, "template.service_account"))] == []


def test_github_is_known_by_ids_that_cannot_be_taken_over(tree: Tree) -> None:
    """Names of owners and repositories can be registered again by others, numbers cannot."""
    providers = [
        resource for root in tree.roots for resource in plan(root).of("google_iam_workload_identity_pool_provider")
    ]
    assert providers
    for provider in providers:
        condition = provider.get("attribute_condition") or ""
        assert "assertion.repository_owner_id" in condition, provider
        assert "assertion.repository_id" in condition, provider
        assert provider.get("oidc.issuer_uri") == "https://token.actions.githubusercontent.com"


def test_custom_roles_hold_no_wildcards_and_no_setting_of_policies_on_a_project(planned_root: Plan) -> None:
    roles = planned_root.of("google_project_iam_custom_role")
    held = {str(role): role.values["permissions"] for role in roles}
    assert {a: p for a, p in held.items() if "*" in "".join(p) or "resourcemanager.projects.setIamPolicy" in p} == {}


# -- where ----------------------------------------------------------------------------------------------------------


def places(values: Any) -> Iterator[str]:
    """Every location and region named anywhere in a resource."""
    if isinstance(values, dict):
        for key, value in values.items():
            if key in ("location", "region") and isinstance(value, str):
                yield value
            else:
                yield from places(value)
    elif isinstance(values, list):
        for value in values:
            yield from places(value)


def test_everything_is_where_it_may_be(planned_root: Plan) -> None:
    planned = planned_root
    regions = {str(r): set(places(r.values)) - allowed.REGIONS for r in planned.resources}
    assert {address: wrong for address, wrong in regions.items() if wrong} == {}


def test_services_run_in_their_environments_region(planned: Plan) -> None:
    wanted = allowed.REGION_OF[planned.name.split(" ")[0]]
    assert unmet(expected(planned, *RUN), "location", wanted) == {}
    assert unmet(expected(planned, "google_sql_database_instance"), "region", wanted) == {}


# -- what runs ------------------------------------------------------------------------------------------------------


def test_images_are_named_by_their_digest(planned: Plan) -> None:
    for resource in planned.of(*RUN):
        prefix = "template.template" if resource.type == "google_cloud_run_v2_job" else "template"
        for container in _containers(resource, prefix):
            assert "@sha256:" in container["image"], resource


def _containers(resource: Resource, prefix: str) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = resource.get(f"{prefix}.containers")
    assert containers
    return containers


def test_no_secret_stands_in_an_environment_variable(planned: Plan) -> None:
    secret = ("SECRET", "PASSWORD", "TOKEN", "KEY", "DATABASE_URL")
    public = ("KMS_KEY", "KEY_ID", "KEY_NAME")
    for resource in planned.of(*RUN):
        prefix = "template.template" if resource.type == "google_cloud_run_v2_job" else "template"
        for container in _containers(resource, prefix):
            for variable in container.get("env") or []:
                name = variable["name"]
                if any(word in name for word in secret) and not any(word in name for word in public):
                    assert variable["value_source"], f"{resource}: {name}"


@pytest.mark.parametrize("environment_name", sorted(allowed.TRACE_SAMPLING))
def test_traces_are_sampled_as_specified(tree: Tree, environment_name: str) -> None:
    planned = plan(tree.environment(environment_name))
    ratios: dict[str, float] = {}
    for service in planned.of("google_cloud_run_v2_service"):
        for variable in _containers(service, "template")[0].get("env") or []:
            if variable["name"] == "OTEL_TRACES_SAMPLER_ARG":
                ratios[service.name] = float(variable["value"])
    assert ratios
    assert set(ratios.values()) == {allowed.TRACE_SAMPLING[environment_name]}


# -- what may be deployed -------------------------------------------------------------------------------------------


def test_production_runs_only_what_was_attested(prod: Plan) -> None:
    (policy,) = prod.of("google_binary_authorization_policy")
    rule = "default_admission_rule"
    assert policy.get(f"{rule}.evaluation_mode") == "REQUIRE_ATTESTATION"
    assert policy.get(f"{rule}.enforcement_mode") == "ENFORCED_BLOCK_AND_AUDIT_LOG"
    assert policy.is_set(f"{rule}.require_attestations_by")
    assert policy.get("global_policy_evaluation_mode") == "ENABLE"
    assert unmet(prod.of(*RUN), "binary_authorization.use_default", True) == {}
    assert [str(r) for r in prod.of(*RUN) if r.get("binary_authorization.breakglass_justification")] == []


@pytest.mark.parametrize("environment_name", ["dev", "staging"])
def test_elsewhere_anything_may_be_tried(tree: Tree, environment_name: str) -> None:
    planned = plan(tree.environment(environment_name))
    assert planned.of("google_binary_authorization_policy") == []
    assert [str(r) for r in planned.of(*RUN) if r.get("binary_authorization")] == []


# -- state ----------------------------------------------------------------------------------------------------------


def test_the_state_buckets_of_bootstrap_are_those_of_the_environments(tree: Tree) -> None:
    used = {blocks(folder, "terraform")["backend"]["gcs"]["bucket"] for folder in tree.environments}
    made = {bucket.values["name"] for bucket in plan(tree.infra / "bootstrap").of("google_storage_bucket")}
    assert used <= made


def test_state_buckets_forget_locks_and_keep_fifty_states(tree: Tree) -> None:
    for bucket in plan(tree.infra / "bootstrap").of("google_storage_bucket"):
        rules = {suffix: rule for rule in bucket.values["lifecycle_rule"] for suffix in _suffixes(rule)}
        assert rules[".tfstate"]["condition"][0]["num_newer_versions"] == 50
        assert ".tflock" in rules
        assert not bucket.get("retention_policy"), "a retention policy forbids deleting the lock"


def _suffixes(rule: dict[str, Any]) -> list[str]:
    (condition,) = rule["condition"]
    return list(condition.get("matches_suffix") or [])


# -- cost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment_name", sorted(allowed.BUDGET_USD))
def test_the_budget_is_the_specifications(tree: Tree, environment_name: str) -> None:
    (budget,) = plan(tree.environment(environment_name)).of("google_billing_budget")
    assert budget.get("amount.specified_amount.units") == str(allowed.BUDGET_USD[environment_name])
    assert budget.get("amount.specified_amount.currency_code") == "USD"
    spent = [r["threshold_percent"] for r in budget.values["threshold_rules"] if r["spend_basis"] == "CURRENT_SPEND"]
    assert sorted(spent) == allowed.BUDGET_SHARES
    assert budget.get("budget_filter.calendar_period") in (None, "MONTH")
    assert budget.get("all_updates_rule.disable_default_iam_recipients") is True
    assert budget.is_set("all_updates_rule.monitoring_notification_channels")


def test_the_cold_environment_costs_nothing_while_nothing_runs(tree: Tree) -> None:
    for service in plan(tree.environment("dr")).of("google_cloud_run_v2_service"):
        assert not service.get("template.scaling.min_instance_count"), service
        assert not service.get("scaling.min_instance_count"), service


def test_dev_stops_its_database_out_of_hours(tree: Tree) -> None:
    jobs = plan(tree.environment("dev")).of("google_cloud_scheduler_job")
    bodies = [json.dumps(job.values) for job in jobs if "sqladmin" in (job.get("http_target.uri") or "")]
    assert len(bodies) == 2, "one job stops it, one starts it"
