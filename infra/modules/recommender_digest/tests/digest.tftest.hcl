mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "account@bytereview-test.iam.gserviceaccount.com"
      name  = "projects/bytereview-test/serviceAccounts/account@bytereview-test.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id           = "bytereview-test"
  region               = "us-central1"
  slack_webhook_secret = "slack-digest-webhook"
  image                = "us-central1-docker.pkg.dev/bytereview-test/bytereview/brconsole@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "every_monday_morning" {
  assert {
    condition     = google_cloud_scheduler_job.main.schedule == "0 9 * * 1" && google_cloud_scheduler_job.main.time_zone == "Europe/Berlin"
    error_message = "Weekly (§7)."
  }

  assert {
    condition     = google_cloud_scheduler_job.main.http_target[0].uri == "https://run.googleapis.com/v2/projects/bytereview-test/locations/us-central1/jobs/recommender-digest:run"
    error_message = "The schedule runs this job."
  }
}

run "reads_recommendations_and_nothing_else" {
  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.main.permissions : can(regex("^recommender\\.[A-Za-z]+Recommendations\\.list$", permission))])
    error_message = "It lists, it changes nothing."
  }

  assert {
    condition     = strcontains({ for env in google_cloud_run_v2_job.main.template[0].template[0].containers[0].env : env.name => env.value }["RECOMMENDERS"], "global/google.iam.policy.Recommender,us-central1/google.cloudsql.instance.IdleRecommender")
    error_message = "IAM's recommender is global, Cloud SQL's is regional."
  }

  assert {
    condition     = length(split(",", { for env in google_cloud_run_v2_job.main.template[0].template[0].containers[0].env : env.name => env.value }["RECOMMENDERS"])) == length(google_project_iam_custom_role.main.permissions)
    error_message = "A permission for each recommender."
  }
}

run "the_webhook_stays_a_secret" {
  assert {
    condition     = [for env in google_cloud_run_v2_job.main.template[0].template[0].containers[0].env : env.value_source[0].secret_key_ref[0].secret if env.name == "SLACK_WEBHOOK_URL"] == ["slack-digest-webhook"]
    error_message = "The address is read from Secret Manager when the job runs."
  }

  assert {
    condition     = google_secret_manager_secret_iam_member.webhook.role == "roles/secretmanager.secretAccessor"
    error_message = "Its account may read that one secret."
  }
}

run "the_address_itself_is_refused" {
  command = plan

  variables {
    slack_webhook_secret = "https://hooks.slack.com/services/T0/B0/x"
  }

  expect_failures = [var.slack_webhook_secret]
}
