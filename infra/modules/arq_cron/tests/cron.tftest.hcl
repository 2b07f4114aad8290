mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { email = "arq-cron@br-dev-4821.iam.gserviceaccount.com" }
  }
}

variables {
  project_id = "br-dev-4821"
  region     = "us-central1"
  service    = { name = "worker-cron", url = "https://worker-cron-x7k2-uc.a.run.app" }
  schedules = {
    purge-expired = {
      arguments   = { older_than = "30d" }
      cron        = "20 9 * * *"
      description = "Deletes what is over"
    }
  }
}

run "calls_the_worker_as_itself" {
  assert {
    condition     = one(google_cloud_scheduler_job.main["purge-expired"].http_target).uri == "https://worker-cron-x7k2-uc.a.run.app/cron/purge-expired"
    error_message = "The task is part of the address."
  }

  assert {
    condition     = one(one(google_cloud_scheduler_job.main["purge-expired"].http_target).oidc_token).service_account_email == "arq-cron@br-dev-4821.iam.gserviceaccount.com"
    error_message = "The call carries an identity."
  }

  assert {
    condition     = one(one(google_cloud_scheduler_job.main["purge-expired"].http_target).oidc_token).audience == "https://worker-cron-x7k2-uc.a.run.app"
    error_message = "The token is for this service, not for a path of it."
  }

  assert {
    condition     = google_cloud_run_v2_service_iam_member.invoker.role == "roles/run.invoker" && google_cloud_run_v2_service_iam_member.invoker.name == "worker-cron"
    error_message = "The account may call this service, and nothing else."
  }
}

run "hands_over_arguments_and_tries_again" {
  assert {
    condition     = jsondecode(base64decode(one(google_cloud_scheduler_job.main["purge-expired"].http_target).body)) == { older_than = "30d" }
    error_message = "Arguments arrive as JSON."
  }

  assert {
    condition     = one(google_cloud_scheduler_job.main["purge-expired"].retry_config).retry_count == 3
    error_message = "A call that failed is made again."
  }

  assert {
    condition     = google_cloud_scheduler_job.main["purge-expired"].time_zone == "Etc/UTC" && !google_cloud_scheduler_job.main["purge-expired"].paused
    error_message = "Times are UTC unless said otherwise, and a schedule runs."
  }

  assert {
    condition     = output.job_names == { purge-expired = "worker-cron-purge-expired" }
    error_message = "Names say which service is called with which task."
  }
}

run "refuses_six_fields" {
  command = plan

  variables {
    schedules = { purge-expired = { cron = "0 20 9 * * *", description = "x" } }
  }

  expect_failures = [var.schedules]
}

run "refuses_a_name_that_breaks_the_address" {
  command = plan

  variables {
    schedules = { "../admin" = { cron = "20 9 * * *", description = "x" } }
  }

  expect_failures = [var.schedules]
}

run "refuses_a_deadline_beyond_schedulers" {
  command = plan

  variables {
    schedules = { purge-expired = { cron = "20 9 * * *", description = "x", deadline_seconds = 3600 } }
  }

  expect_failures = [var.schedules]
}
