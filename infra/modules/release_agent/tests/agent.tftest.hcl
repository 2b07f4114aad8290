mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "account@bytereview-test.iam.gserviceaccount.com"
      name  = "projects/bytereview-test/serviceAccounts/account@bytereview-test.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id    = "bytereview-test"
  region        = "us-central1"
  environment   = "prod"
  configuration = "[environments.prod]\nproject = \"bytereview-test\"\n"
  image         = "us-central1-docker.pkg.dev/bytereview-test/bytereview/brconsole@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "one_pass_a_minute_that_may_write" {
  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].containers[0].command == tolist(["brconsole"])
    error_message = "The console itself."
  }

  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].containers[0].args == tolist(["agent", "prod", "--once", "--json", "--write", "--yes", "--reason", "release agent"])
    error_message = "One pass over this environment, armed."
  }

  assert {
    condition     = google_cloud_scheduler_job.main.schedule == "* * * * *" && !google_cloud_scheduler_job.main.paused
    error_message = "Every minute: the lease goes to others after 90 s, the dead man's switch pages after 300 s."
  }

  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].max_retries == 0 && google_cloud_run_v2_job.main.template[0].template[0].timeout == "120s" && google_cloud_run_v2_job.main.template[0].task_count == 1
    error_message = "A pass is not repeated, and ends."
  }

  assert {
    condition     = google_cloud_scheduler_job.main.http_target[0].uri == "https://run.googleapis.com/v2/projects/bytereview-test/locations/us-central1/jobs/brconsole-agent:run"
    error_message = "The schedule runs this job."
  }
}

run "configuration_is_mounted" {
  assert {
    condition = (
      google_cloud_run_v2_job.main.template[0].template[0].volumes[0].secret[0].items[0].path == "brconsole.toml"
      && google_cloud_run_v2_job.main.template[0].template[0].containers[0].volume_mounts[0].mount_path == "/etc/brconsole"
      && { for env in google_cloud_run_v2_job.main.template[0].template[0].containers[0].env : env.name => env.value }["BRCONSOLE_CONFIG"] == "/etc/brconsole/brconsole.toml"
    )
    error_message = "brconsole reads the file that is mounted."
  }
}

run "the_scheduler_may_only_start_it" {
  assert {
    condition     = google_cloud_run_v2_job_iam_member.scheduler.role == "roles/run.invoker" && google_cloud_run_v2_job_iam_member.scheduler.name == "brconsole-agent"
    error_message = "run.invoker on this job."
  }

  assert {
    condition     = google_service_account.scheduler.account_id != google_service_account.main.account_id
    error_message = "Who starts is not who writes."
  }

  assert {
    condition     = output.service_account_email == "brconsole-agent@bytereview-test.iam.gserviceaccount.com"
    error_message = "Known before anything is applied."
  }
}

run "watching_only" {
  variables {
    drives = false
  }

  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].containers[0].args == tolist(["agent", "prod", "--once", "--json"])
    error_message = "Without --write a protected environment is watched."
  }
}

run "signed_images_only" {
  variables {
    binary_authorization = true
  }

  assert {
    condition     = google_cloud_run_v2_job.main.binary_authorization[0].use_default
    error_message = "The project's policy decides."
  }
}

run "a_tag_is_refused" {
  command = plan

  variables {
    image = "us-central1-docker.pkg.dev/bytereview-test/bytereview/brconsole:latest"
  }

  expect_failures = [var.image]
}

run "a_pass_longer_than_the_switch" {
  command = plan

  variables {
    pass_timeout_seconds = 900
  }

  expect_failures = [var.pass_timeout_seconds]
}
