mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "sql-schedule@br-dev-test.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id    = "br-dev-test"
  region        = "us-central1"
  instance_name = "bytereview-dev"
}

run "stops_in_the_evening_and_starts_in_the_morning" {
  assert {
    condition = (
      jsondecode(base64decode(google_cloud_scheduler_job.main["stop"].http_target[0].body)) == { settings = { activationPolicy = "NEVER" } }
      && jsondecode(base64decode(google_cloud_scheduler_job.main["start"].http_target[0].body)) == { settings = { activationPolicy = "ALWAYS" } }
    )
    error_message = "stop is NEVER, start is ALWAYS."
  }

  assert {
    condition = (
      google_cloud_scheduler_job.main["stop"].schedule == "0 20 * * *"
      && google_cloud_scheduler_job.main["start"].schedule == "0 7 * * 1-5"
      && google_cloud_scheduler_job.main["stop"].time_zone == "Europe/Berlin"
    )
    error_message = "Office hours."
  }

  assert {
    condition = alltrue([
      for job in values(google_cloud_scheduler_job.main) :
      job.http_target[0].http_method == "PATCH" && job.http_target[0].uri == "https://sqladmin.googleapis.com/v1/projects/br-dev-test/instances/bytereview-dev"
    ])
    error_message = "A PATCH of the instance."
  }
}

run "the_account_may_do_nothing_else" {
  assert {
    condition     = google_project_iam_custom_role.main.permissions == toset(["cloudsql.instances.get", "cloudsql.instances.update"])
    error_message = "Two permissions."
  }

  assert {
    condition     = strcontains(google_project_iam_member.main.condition[0].expression, "'projects/br-dev-test/instances/bytereview-dev'")
    error_message = "One instance."
  }
}

run "production_is_refused" {
  command = plan

  variables {
    project_id = "bytereview-prod"
  }

  expect_failures = [var.project_id]
}
