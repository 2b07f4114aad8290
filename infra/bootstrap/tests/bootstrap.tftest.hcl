mock_provider "google" {}

# Only plans: the buckets cannot be destroyed.
variables {
  billing_account = "01A2B3-C4D5E6-F70819"

  environments = {
    dev     = { project_id = "br-dev-4821" }
    staging = { project_id = "br-stage-4821" }
    prod    = { project_id = "bytereview-prod" }
    dr      = { project_id = "bytereview-prod" }
  }

  github          = { repository = "bytereview/bytereview", owner_id = "100000001", repository_id = "200000001" }
  grantable_roles = ["projects/PROJECT/roles/bytereview_dump", "roles/cloudsql.client"]
}

run "a_bucket_for_each_environment" {
  command = plan

  assert {
    condition = output.state_buckets == {
      bootstrap = "bytereview-tf-state-bootstrap"
      dev       = "bytereview-tf-state-dev"
      dr        = "bytereview-tf-state-dr"
      prod      = "bytereview-tf-state-prod"
      staging   = "bytereview-tf-state-staging"
    }
    error_message = "No two environments share a bucket, and bootstrap has its own."
  }

  assert {
    condition     = google_storage_bucket.state["dev"].project == "br-dev-4821" && google_storage_bucket.state["dr"].project == "bytereview-prod"
    error_message = "The state lies in the environment's own project."
  }
}

run "a_state_can_be_restored_and_is_never_public" {
  command = plan

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.state : one(bucket.versioning).enabled])
    error_message = "Every state that ever was must be a version."
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.state : bucket.uniform_bucket_level_access && bucket.public_access_prevention == "enforced" && !bucket.force_destroy])
    error_message = "Access by IAM alone, never public, never destroyed with its versions."
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.state : one(bucket.soft_delete_policy).retention_duration_seconds == 2592000])
    error_message = "What was deleted can be saved for 30 days."
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.state : length(bucket.retention_policy) == 0])
    error_message = "A retention lock would forbid Terraform to release its own lock."
  }
}

run "old_locks_and_states_are_cleared" {
  command = plan

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.state :
      one([for rule in bucket.lifecycle_rule : one(rule.condition).days_since_noncurrent_time if contains(coalesce(one(rule.condition).matches_suffix, []), ".tflock")]) == 1
    ])
    error_message = "Locks go a day after they were released."
  }

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.state :
      one([for rule in bucket.lifecycle_rule : one(rule.condition).num_newer_versions if contains(coalesce(one(rule.condition).matches_suffix, []), ".tfstate")]) == 50
    ])
    error_message = "Fifty versions of a state are kept."
  }
}

run "one_repository_by_number" {
  command = plan

  assert {
    condition = alltrue([
      for provider in google_iam_workload_identity_pool_provider.github :
      provider.attribute_condition == "assertion.repository_owner_id == '100000001' && assertion.repository_id == '200000001'"
    ])
    error_message = "Only this repository's tokens, whoever registers its name one day."
  }

  assert {
    condition     = length(google_iam_workload_identity_pool.github) == 3
    error_message = "Each project has a pool of its own: dev's does not open prod."
  }
}

run "the_deployer_is_a_job_in_its_environment" {
  command = plan

  assert {
    condition = { for name, subject in local.deployer_subjects : name => subject.subject } == {
      dev     = "repo:bytereview/bytereview:environment:dev"
      dr      = "repo:bytereview/bytereview:environment:dr"
      prod    = "repo:bytereview/bytereview:environment:prod"
      staging = "repo:bytereview/bytereview:environment:staging"
    }
    error_message = "Only a job in the environment of that name becomes the deployer."
  }

  assert {
    condition     = alltrue([for subject in local.planner_subjects : !strcontains(subject.subject, ":environment:")])
    error_message = "The planner is for pull requests and the drift check."
  }

  assert {
    condition     = google_service_account.deployer["bytereview-prod"].account_id == "bytereview-tf-deployer"
    error_message = "The account has the specification's name."
  }
}

run "narrow_roles" {
  command = plan

  assert {
    condition     = length(setintersection(toset(concat(local.deployer_roles, local.planner_roles)), ["roles/owner", "roles/editor", "roles/viewer", "roles/iam.serviceAccountUser", "roles/iam.serviceAccountTokenCreator", "roles/storage.admin", "roles/secretmanager.admin"])) == 0
    error_message = "No basic role, none that acts as every account, none that reads every object and secret."
  }

  assert {
    condition     = alltrue([for role in local.planner_roles : can(regex("([vV]iewer|[rR]eader|securityReviewer)$", role))])
    error_message = "The planner only looks."
  }

  assert {
    condition     = !contains(local.deployer_permissions, "secretmanager.versions.access") && length([for permission in local.deployer_permissions : permission if startswith(permission, "storage.objects.")]) == 0
    error_message = "The deployer sees neither the values of secrets nor the objects of buckets."
  }

  assert {
    condition     = one(google_project_iam_member.deployer_grants["br-dev-4821"].condition).expression == "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['projects/br-dev-4821/roles/bytereview_dump', 'roles/cloudsql.client'])"
    error_message = "It grants only the roles that were named, with the project's own custom roles."
  }

  assert {
    condition     = toset([for member in google_storage_bucket_iam_member.planner_state : member.role]) == toset(["roles/storage.objectViewer"])
    error_message = "The planner reads a state and cannot write one."
  }

  assert {
    condition     = !contains(keys(google_storage_bucket_iam_member.deployer_state), "bootstrap")
    error_message = "No pipeline touches the state of bootstrap."
  }
}

run "refuses_a_role_that_grants_itself_more" {
  command = plan

  variables {
    grantable_roles = ["roles/resourcemanager.projectIamAdmin"]
  }

  expect_failures = [var.grantable_roles]
}

run "refuses_a_repository_by_name_alone" {
  command = plan

  variables {
    github = { repository = "bytereview/bytereview", owner_id = "bytereview", repository_id = "bytereview" }
  }

  expect_failures = [var.github]
}

run "refuses_a_billing_account_that_is_none" {
  command = plan

  variables {
    billing_account = "my-billing-account"
  }

  expect_failures = [var.billing_account]
}

run "refuses_no_prod" {
  command = plan

  variables {
    environments = { dev = { project_id = "br-dev-4821" } }
  }

  expect_failures = [var.environments]
}

run "budgets_are_seen_by_who_was_named" {
  command = plan

  variables {
    billing_viewers = ["group:oncall@bytereview.ai"]
  }

  assert {
    condition     = google_billing_account_iam_member.viewer["group:oncall@bytereview.ai"].role == "roles/billing.viewer"
    error_message = "They see budgets and change none."
  }
}

run "refuses_to_show_budgets_to_everybody" {
  command = plan

  variables {
    billing_viewers = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.billing_viewers]
}
