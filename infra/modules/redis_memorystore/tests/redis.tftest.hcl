mock_provider "google" {
  mock_resource "google_redis_instance" {
    defaults = {
      host = "10.10.16.3"
      id   = "projects/br-dev-4821/locations/us-central1/instances/bytereview"
      port = 6378
    }
  }
}

variables {
  project_id     = "br-dev-4821"
  region         = "us-central1"
  name           = "bytereview"
  memory_size_gb = 1
  auth_secret_id = "projects/br-dev-4821/secrets/redis-auth"
  kms_key_id     = "projects/br-dev-4821/locations/us-central1/keyRings/bytereview-data/cryptoKeys/bytereview-data"
  network_id     = "projects/br-dev-4821/global/networks/bytereview"
}

run "needs_a_password_and_encrypts" {
  assert {
    condition     = google_redis_instance.main.auth_enabled && google_redis_instance.main.transit_encryption_mode == "SERVER_AUTHENTICATION"
    error_message = "Redis must ask for a password and encrypt."
  }

  assert {
    condition     = google_redis_instance.main.customer_managed_key == var.kms_key_id
    error_message = "Data at rest is encrypted with our own key."
  }

  assert {
    condition     = google_redis_instance.main.connect_mode == "PRIVATE_SERVICE_ACCESS"
    error_message = "Redis is reached through the private services connection only."
  }

  assert {
    condition     = google_redis_instance.main.deletion_protection
    error_message = "Deleting Redis must need two steps."
  }
}

run "never_drops_a_job" {
  assert {
    condition     = google_redis_instance.main.redis_configs["maxmemory-policy"] == "noeviction"
    error_message = "A full queue must refuse, not forget."
  }
}

run "password_goes_to_the_secret" {
  assert {
    condition     = google_secret_manager_secret_version.auth.secret == "projects/br-dev-4821/secrets/redis-auth"
    error_message = "The password goes into the secret that was named."
  }
}

run "outputs_of_the_contract" {
  assert {
    condition     = output.host == "10.10.16.3" && output.port == 6378 && output.instance_id == "projects/br-dev-4821/locations/us-central1/instances/bytereview"
    error_message = "host, port and instance_id come from the instance."
  }
}

run "small_by_default" {
  assert {
    condition     = google_redis_instance.main.tier == "BASIC" && one(google_redis_instance.main.persistence_config).persistence_mode == "DISABLED"
    error_message = "Replica and snapshots are asked for."
  }
}

run "replica_and_snapshots_where_asked" {
  command = plan

  variables {
    highly_available = true
    snapshot_period  = "ONE_HOUR"
  }

  assert {
    condition     = google_redis_instance.main.tier == "STANDARD_HA" && one(google_redis_instance.main.persistence_config).rdb_snapshot_period == "ONE_HOUR"
    error_message = "A replica takes over, and the queue is on disk every hour."
  }
}

run "refuses_a_period_that_does_not_exist" {
  command = plan

  variables {
    snapshot_period = "TWO_HOURS"
  }

  expect_failures = [var.snapshot_period]
}

run "refuses_a_password_in_place_of_a_secret" {
  command = plan

  variables {
    auth_secret_id = "hunter2"
  }

  expect_failures = [var.auth_secret_id]
}

run "refuses_no_memory" {
  command = plan

  variables {
    memory_size_gb = 0
  }

  expect_failures = [var.memory_size_gb]
}
