mock_provider "google" {}

# Only plans: the instance cannot be destroyed.
variables {
  project_id = "bytereview-prod"
  region     = "us-central1"
  name       = "bytereview"
  tier       = "db-custom-4-15360"
  kms_key_id = "projects/bytereview-prod/locations/us-central1/keyRings/bytereview-data/cryptoKeys/bytereview-data"
  network_id = "projects/bytereview-prod/global/networks/bytereview"
}

run "can_be_set_back_seven_days" {
  command = plan

  assert {
    condition     = one(google_sql_database_instance.main.settings[0].backup_configuration).point_in_time_recovery_enabled
    error_message = "Point-in-time recovery must be on."
  }

  assert {
    condition     = one(google_sql_database_instance.main.settings[0].backup_configuration).transaction_log_retention_days == 7
    error_message = "Point-in-time recovery reaches back seven days."
  }

  assert {
    condition     = one(google_sql_database_instance.main.settings[0].backup_configuration).enabled && one(google_sql_database_instance.main.settings[0].backup_configuration).location == "us"
    error_message = "Daily backups, where the instance's region is not the only one."
  }
}

run "private_and_encrypted" {
  command = plan

  assert {
    condition     = !one(google_sql_database_instance.main.settings[0].ip_configuration).ipv4_enabled
    error_message = "The database must have no public address."
  }

  assert {
    condition     = one(google_sql_database_instance.main.settings[0].ip_configuration).ssl_mode == "ENCRYPTED_ONLY"
    error_message = "Connections must be encrypted."
  }

  assert {
    condition     = length(one(google_sql_database_instance.main.settings[0].ip_configuration).authorized_networks) == 0
    error_message = "No network is let in by address."
  }

  assert {
    condition     = google_sql_database_instance.main.encryption_key_name == var.kms_key_id
    error_message = "The disk is encrypted with our own key."
  }
}

run "hard_to_lose" {
  command = plan

  assert {
    condition     = google_sql_database_instance.main.deletion_protection && google_sql_database_instance.main.settings[0].deletion_protection_enabled
    error_message = "Neither Terraform nor anybody else may delete the instance in one step."
  }

  assert {
    condition     = google_sql_database_instance.main.settings[0].retain_backups_on_delete
    error_message = "Backups must outlive the instance."
  }

  assert {
    condition     = google_sql_database.main.deletion_policy == "ABANDON"
    error_message = "Terraform must never drop the database."
  }
}

run "writes_down_who_changes_the_schema" {
  command = plan

  assert {
    condition     = one([for flag in google_sql_database_instance.main.settings[0].database_flags : flag.value if flag.name == "log_statement"]) == "ddl"
    error_message = "Changes of the schema must be logged."
  }
}

run "a_standby_where_asked" {
  command = plan

  variables {
    highly_available = true
  }

  assert {
    condition     = google_sql_database_instance.main.settings[0].availability_type == "REGIONAL"
    error_message = "highly_available asks for a standby in another zone."
  }
}

run "no_dump_unless_asked" {
  command = plan

  assert {
    condition     = length(google_cloud_scheduler_job.dump) == 0 && length(google_service_account.dump) == 0
    error_message = "Without a bucket there is nothing of the dump."
  }

  assert {
    condition     = google_sql_database_instance.main.settings[0].availability_type == "ZONAL"
    error_message = "A standby is asked for, never assumed."
  }
}

run "dumps_every_day_after_clearing_the_name" {
  command = plan

  variables {
    dump = { bucket_name = "bytereview-prod-database-dumps" }
  }

  assert {
    condition     = google_cloud_scheduler_job.dump_clear["main"].schedule == "0 8 * * *" && google_cloud_scheduler_job.dump["main"].schedule == "10 8 * * *"
    error_message = "The name is cleared ten minutes before the dump."
  }

  assert {
    condition     = one(google_cloud_scheduler_job.dump_clear["main"].http_target).uri == "https://storage.googleapis.com/storage/v1/b/bytereview-prod-database-dumps/o/bytereview.sql.gz"
    error_message = "What is cleared is the dump and nothing else."
  }

  assert {
    condition     = jsondecode(base64decode(one(google_cloud_scheduler_job.dump["main"].http_target).body)).exportContext.uri == "gs://bytereview-prod-database-dumps/bytereview.sql.gz"
    error_message = "The dump goes to the name that was cleared."
  }

  assert {
    condition     = jsondecode(base64decode(one(google_cloud_scheduler_job.dump["main"].http_target).body)).exportContext.offload
    error_message = "A dump must not slow the database."
  }

  assert {
    condition     = google_project_iam_custom_role.dump["main"].permissions == toset(["cloudsql.instances.export"])
    error_message = "Who starts the dump may do nothing else with databases."
  }
}

run "refuses_fewer_backups_than_days" {
  command = plan

  variables {
    backup = { retained = 3 }
  }

  expect_failures = [var.backup]
}

run "refuses_an_unknown_machine" {
  command = plan

  variables {
    tier = "n2-standard-4"
  }

  expect_failures = [var.tier]
}

run "refuses_another_database" {
  command = plan

  variables {
    database_version = "MYSQL_8_0"
  }

  expect_failures = [var.database_version]
}
