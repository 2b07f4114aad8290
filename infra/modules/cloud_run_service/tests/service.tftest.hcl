mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "api-run@br-dev-4821.iam.gserviceaccount.com"
      name  = "projects/br-dev-4821/serviceAccounts/api-run@br-dev-4821.iam.gserviceaccount.com"
    }
  }

  mock_resource "google_cloud_run_v2_service" {
    defaults = {
      latest_created_revision = "api-00001-abc"
      uri                     = "https://api-x7k2-uc.a.run.app"
    }
  }
}

variables {
  project_id = "br-dev-4821"
  region     = "us-central1"
  name       = "api"
  image      = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  network = {
    network_id    = "projects/br-dev-4821/global/networks/bytereview"
    subnetwork_id = "projects/br-dev-4821/regions/us-central1/subnetworks/run"
  }
  scaling = { max_instances = 4 }
  tracing = { environment = "dev", sample_ratio = 0 }
}

run "closed_and_scaled_to_zero_by_default" {
  assert {
    condition     = google_cloud_run_v2_service.main.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "A service must be internal unless it is opened."
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "Nobody may call a service by default."
  }

  assert {
    condition     = google_cloud_run_v2_service.main.template[0].scaling[0].min_instance_count == 0
    error_message = "An idle service must cost nothing by default."
  }

  assert {
    condition     = google_cloud_run_v2_service.main.deletion_protection
    error_message = "Deleting a service must need two steps."
  }

  assert {
    condition     = length(google_cloud_run_v2_service.main.binary_authorization) == 0
    error_message = "Binary Authorization is asked for, never assumed."
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.main) == 0 && length(google_project_iam_member.cloudsql_client) == 0
    error_message = "Without a key and a database there is no role on them."
  }
}

run "leaves_traffic_to_the_release_engine" {
  assert {
    condition     = length(google_cloud_run_v2_service.main.traffic) == 0
    error_message = "Terraform must not write a traffic split."
  }

  assert {
    condition     = google_cloud_run_v2_service.main.annotations == null && google_cloud_run_v2_service.main.template[0].revision == null
    error_message = "Annotations and the revision's name have other writers."
  }

  assert {
    condition     = google_cloud_run_v2_service.main.template[0].session_affinity == false
    error_message = "Sticky clients would spoil a canary's comparison."
  }
}

run "runs_with_the_roles_it_needs_and_no_others" {
  variables {
    kms_key      = { kms_key_id = "projects/br-dev-4821/locations/us/keyRings/tokens/cryptoKeys/tokens" }
    secret_env   = { DATABASE_URL = "database-url", DATABASE_REPLICA_URL = "database-url" }
    sql_instance = "bytereview"
  }

  assert {
    condition     = keys(google_kms_crypto_key_iam_member.main) == ["roles/cloudkms.cryptoKeyDecrypter"]
    error_message = "A service that only reads tokens may decrypt and no more."
  }

  assert {
    condition     = one(values(google_project_iam_member.cloudsql_client)[*].role) == "roles/cloudsql.client"
    error_message = "A service with a database is its client."
  }

  assert {
    condition     = strcontains(one(google_project_iam_member.cloudsql_client["bytereview"].condition).expression, "projects/br-dev-4821/instances/bytereview'")
    error_message = "The database role must be limited to the one instance."
  }

  assert {
    condition     = keys(google_secret_manager_secret_iam_member.main) == ["database-url"]
    error_message = "The account reads exactly the secrets that the service uses."
  }

  assert {
    condition = toset([for member in google_project_iam_member.main : member.role]) == toset([
      "roles/cloudtrace.agent", "roles/logging.logWriter", "roles/monitoring.metricWriter",
    ])
    error_message = "In the project the account may only write what it observes."
  }

  assert {
    condition     = google_cloud_run_v2_service.main.template[0].service_account == "api-run@br-dev-4821.iam.gserviceaccount.com"
    error_message = "The service must run as its own account, never as the default one."
  }
}

run "encrypts_where_asked" {
  variables {
    kms_key = { kms_key_id = "projects/br-dev-4821/locations/us/keyRings/tokens/cryptoKeys/tokens", encrypts = true }
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.main) == 2
    error_message = "A service that stores tokens may encrypt as well."
  }
}

run "public_and_signed" {
  variables {
    binary_authorization = true
    ingress              = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    public               = true
  }

  assert {
    condition     = one(google_cloud_run_v2_service.main.binary_authorization).use_default
    error_message = "The project's policy must decide about images."
  }

  assert {
    condition     = google_cloud_run_v2_service_iam_member.invoker["allUsers"].role == "roles/run.invoker"
    error_message = "The load balancer brings no identity: everybody must be an invoker, and nothing more."
  }
}

run "samples_traces_as_told" {
  variables {
    env     = { LOG_LEVEL = "info" }
    tracing = { environment = "prod", sample_ratio = 0.95 }
  }

  assert {
    condition     = one([for env in google_cloud_run_v2_service.main.template[0].containers[0].env : env.value if env.name == "OTEL_TRACES_SAMPLER_ARG"]) == "0.95"
    error_message = "The sampler's argument must be the environment's share."
  }

  assert {
    condition     = one([for env in google_cloud_run_v2_service.main.template[0].containers[0].env : env.value if env.name == "LOG_LEVEL"]) == "info"
    error_message = "The caller's own variables must arrive."
  }
}

run "outputs_of_the_contract" {
  assert {
    condition     = output.service_url == "https://api-x7k2-uc.a.run.app" && output.revision_name == "api-00001-abc" && output.service_name == "api"
    error_message = "service_url, revision_name and service_name come from the service."
  }

  assert {
    condition     = output.service_account_email == "api-run@br-dev-4821.iam.gserviceaccount.com"
    error_message = "The account's address must be known before it exists."
  }
}

run "refuses_a_moving_tag" {
  command = plan

  variables {
    image = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/api:latest"
  }

  expect_failures = [var.image]
}

run "refuses_a_truncated_digest" {
  command = plan

  variables {
    image = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/api@sha256:0123"
  }

  expect_failures = [var.image]
}

run "refuses_more_minimum_than_maximum" {
  command = plan

  variables {
    scaling = { min_instances = 5, max_instances = 4 }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_sample_in_per_cent" {
  command = plan

  variables {
    tracing = { environment = "prod", sample_ratio = 95 }
  }

  expect_failures = [var.tracing]
}

run "refuses_everybody_by_the_back_door" {
  command = plan

  variables {
    invokers = ["allUsers"]
  }

  expect_failures = [var.invokers]
}

run "refuses_an_unknown_ingress" {
  command = plan

  variables {
    ingress = "INTERNAL"
  }

  expect_failures = [var.ingress]
}

run "refuses_a_secret_by_path" {
  command = plan

  variables {
    secret_env = { DATABASE_URL = "postgresql://user:password@host/db" }
  }

  expect_failures = [var.secret_env]
}
