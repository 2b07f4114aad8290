mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "migrate-db-job@br-dev-4821.iam.gserviceaccount.com"
      name  = "projects/br-dev-4821/serviceAccounts/migrate-db-job@br-dev-4821.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id = "br-dev-4821"
  region     = "us-central1"
  name       = "migrate-db"
  image      = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  container  = { command = ["python", "-m", "brconsole.jobs.migrate"], args = ["status"] }
  network = {
    network_id    = "projects/br-dev-4821/global/networks/bytereview"
    subnetwork_id = "projects/br-dev-4821/regions/us-central1/subnetworks/run"
  }
  secret_env   = { DATABASE_URL = "migrate-database-url" }
  sql_instance = "bytereview"
}

run "runs_once" {
  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].max_retries == 0
    error_message = "A failed migration waits for a person."
  }

  assert {
    condition     = google_cloud_run_v2_job.main.template[0].task_count == 1 && google_cloud_run_v2_job.main.template[0].parallelism == 1
    error_message = "One task, one at a time."
  }
}

run "runs_what_it_is_for" {
  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].containers[0].command == tolist(["python", "-m", "brconsole.jobs.migrate"])
    error_message = "The command is the console's migration job."
  }

  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].containers[0].args == tolist(["status"])
    error_message = "Started by hand, it only reports."
  }

  assert {
    condition     = one(google_cloud_run_v2_job.main.template[0].template[0].containers[0].env).value_source[0].secret_key_ref[0].secret == "migrate-database-url"
    error_message = "The database's address comes from Secret Manager."
  }
}

run "as_its_own_account_on_its_own_database" {
  assert {
    condition     = google_cloud_run_v2_job.main.template[0].template[0].service_account == "migrate-db-job@br-dev-4821.iam.gserviceaccount.com"
    error_message = "The job must run as its own account."
  }

  assert {
    condition     = strcontains(one(google_project_iam_member.cloudsql_client["bytereview"].condition).expression, "projects/br-dev-4821/instances/bytereview'")
    error_message = "The database role must be limited to the one instance."
  }

  assert {
    condition     = keys(google_secret_manager_secret_iam_member.main) == ["migrate-database-url"]
    error_message = "The account reads the job's secret and no other."
  }
}

run "nobody_starts_it_by_default" {
  assert {
    condition     = length(google_service_account_iam_member.user) == 0
    error_message = "Acting as the account is granted by name."
  }

  assert {
    condition     = length(google_cloud_run_v2_job.main.binary_authorization) == 0
    error_message = "Binary Authorization is asked for, never assumed."
  }
}

run "signed_images_where_asked" {
  variables {
    binary_authorization = true
  }

  assert {
    condition     = one(google_cloud_run_v2_job.main.binary_authorization).use_default
    error_message = "The project's policy must decide about images."
  }
}

run "refuses_a_moving_tag" {
  command = plan

  variables {
    image = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/api:main"
  }

  expect_failures = [var.image]
}

run "refuses_endless_retries" {
  command = plan

  variables {
    max_retries = 100
  }

  expect_failures = [var.max_retries]
}

run "refuses_a_value_in_place_of_a_secret" {
  command = plan

  variables {
    secret_env = { DATABASE_URL = "postgresql://owner:password@10.0.0.3/bytereview" }
  }

  expect_failures = [var.secret_env]
}
