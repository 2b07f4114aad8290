mock_provider "google" {}

variables {
  project_id = "bytereview-test"
  region     = "us-central1"
  repository = "bytereview"
  services   = { api = "api-run@bytereview-test.iam.gserviceaccount.com" }
  jobs       = { migrate-db = "migrate-db-job@bytereview-test.iam.gserviceaccount.com" }

  members = {
    agent    = { agent = "serviceAccount:agent@bytereview-test.iam.gserviceaccount.com" }
    operator = { on-call = "group:on-call@example.com" }
    releaser = { release-managers = "group:release-managers@example.com" }
    viewer   = { developers = "group:developers@example.com" }
  }
}

run "four_roles" {
  assert {
    condition     = { for role, resource in google_project_iam_custom_role.main : role => resource.role_id } == { agent = "brconsoleAgent", operator = "brconsoleOperator", releaser = "brconsoleReleaser", viewer = "brconsoleViewer" }
    error_message = "viewer, operator, releaser, agent."
  }

  assert {
    condition = alltrue([
      for permission in google_project_iam_custom_role.main["viewer"].permissions : can(regex("\\.(get|list)$", permission)) || permission == "bigquery.jobs.create"
    ])
    error_message = "A viewer changes nothing."
  }

  assert {
    condition     = google_project_iam_custom_role.main["operator"].permissions == toset(["artifactregistry.repositories.downloadArtifacts", "iam.serviceAccounts.actAs", "run.services.get", "run.services.update"])
    error_message = "An operator moves traffic and runs no job."
  }

  assert {
    condition     = google_project_iam_custom_role.main["agent"].permissions == google_project_iam_custom_role.main["operator"].permissions
    error_message = "The agent moves traffic and runs no migration."
  }

  assert {
    condition     = setsubtract(google_project_iam_custom_role.main["releaser"].permissions, google_project_iam_custom_role.main["operator"].permissions) == toset(["run.executions.cancel", "run.jobs.get", "run.jobs.run", "run.jobs.runWithOverrides", "run.jobs.update"])
    error_message = "A releaser runs migrations besides."
  }
}

run "writing_is_bound_on_single_resources" {
  assert {
    condition     = toset([for binding in values(google_project_iam_member.viewer) : binding.role]) == toset([google_project_iam_custom_role.main["viewer"].name]) && length(google_project_iam_member.viewer) == 4
    error_message = "Everybody views; of the custom roles only viewer is held on the project."
  }

  assert {
    condition     = keys(google_cloud_run_v2_service_iam_member.main) == ["agent agent api", "operator on-call api", "releaser release-managers api"]
    error_message = "Who writes, writes named services."
  }

  assert {
    condition     = keys(google_cloud_run_v2_job_iam_member.main) == ["releaser release-managers migrate-db"]
    error_message = "Only a releaser runs migrations."
  }

  assert {
    condition     = google_service_account_iam_member.service["operator on-call api"].service_account_id == "projects/bytereview-test/serviceAccounts/api-run@bytereview-test.iam.gserviceaccount.com"
    error_message = "actAs on the account of the service, and on no other."
  }
}

run "project_wide_writes_are_logs_and_metrics" {
  assert {
    condition     = toset([for binding in values(google_project_iam_member.audit_writer) : binding.role]) == toset(["roles/logging.logWriter"]) && length(google_project_iam_member.audit_writer) == 3
    error_message = "Whoever writes leaves a trail."
  }

  assert {
    condition     = toset([for binding in values(google_project_iam_member.metric_writer) : binding.role]) == toset(["roles/monitoring.metricWriter"]) && keys(google_project_iam_member.metric_writer) == ["agent agent", "releaser release-managers"]
    error_message = "Whoever drives gives signs of life."
  }
}

run "nobody_in_particular_is_refused" {
  command = plan

  variables {
    members = { viewer = { everybody = "allUsers" } }
  }

  expect_failures = [var.members]
}
