mock_provider "google" {}

variables {
  project_id = "bytereview-prod"
  region     = "us-central1"
  kms_key_id = "projects/bytereview-prod/locations/us-central1/keyRings/bytereview-data/cryptoKeys/bytereview-data"
  secrets    = { database-url = "What the services reach the database with", redis-auth = "Password of Redis" }
}

run "containers_in_one_region_under_our_key" {
  command = plan

  assert {
    condition = alltrue([
      for secret in google_secret_manager_secret.main : one(one(secret.replication).user_managed[0].replicas).location == "us-central1"
    ])
    error_message = "Values stay in the region."
  }

  assert {
    condition = alltrue([
      for secret in google_secret_manager_secret.main : one(one(one(secret.replication).user_managed[0].replicas).customer_managed_encryption).kms_key_name == var.kms_key_id
    ])
    error_message = "Values are encrypted with our own key."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.main : secret.deletion_protection && secret.version_destroy_ttl == "604800s"])
    error_message = "A secret is not deleted in one step, and a destroyed version can be saved for a week."
  }

  assert {
    condition     = length(google_secret_manager_secret_iam_member.accessor) == 0
    error_message = "Nobody reads a secret by being near it."
  }
}

run "names_for_the_services" {
  command = plan

  assert {
    condition     = output.names == { database-url = "database-url", redis-auth = "redis-auth" }
    error_message = "Services name secrets by their short names."
  }

  assert {
    condition     = output.ids["redis-auth"] == "projects/bytereview-prod/secrets/redis-auth"
    error_message = "ids are full names."
  }
}

run "a_second_environment_in_the_project" {
  command = plan

  variables {
    suffix    = "-dr"
    accessors = { redis-auth = ["serviceAccount:bytereview-tf-deployer@bytereview-prod.iam.gserviceaccount.com"] }
  }

  assert {
    condition     = output.names["database-url"] == "database-url-dr"
    error_message = "The suffix keeps two environments apart."
  }

  assert {
    condition     = one(values(google_secret_manager_secret_iam_member.accessor)).secret_id == "redis-auth-dr"
    error_message = "Only the secret that was named may be read."
  }
}

run "refuses_everybody" {
  command = plan

  variables {
    accessors = { redis-auth = ["allUsers"] }
  }

  expect_failures = [var.accessors]
}

run "refuses_names_that_are_no_names" {
  command = plan

  variables {
    secrets = { "DATABASE URL" = "x" }
  }

  expect_failures = [var.secrets]
}
