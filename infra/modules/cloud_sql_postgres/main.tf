locals {
  _flags = {
    "cloudsql.enable_pgaudit"    = "on"
    "log_checkpoints"            = "on"
    "log_connections"            = "on"
    "log_disconnections"         = "on"
    "log_duration"               = "off"
    "log_hostname"               = "on"
    "log_lock_waits"             = "on"
    "log_min_duration_statement" = "-1"
    "log_min_error_statement"    = "error"
    "log_min_messages"           = "warning"
    "log_statement"              = "ddl"
    "log_temp_files"             = "0"
    "pgaudit.log"                = "ddl,role"
  }
}

resource "google_sql_database_instance" "main" {
  project             = var.project_id
  region              = var.region
  name                = var.name
  database_version    = var.database_version
  encryption_key_name = var.kms_key_id
  deletion_protection = true

  settings {
    tier                        = var.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_size_gb
    disk_autoresize             = true
    disk_autoresize_limit       = var.disk_size_gb * 10
    deletion_protection_enabled = true
    retain_backups_on_delete    = true
    user_labels                 = var.labels

    backup_configuration {
      enabled                        = true
      start_time                     = var.backup.start_time
      location                       = var.backup.location
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.backup.retained
        retention_unit   = "COUNT"
      }
    }

    ip_configuration {
      ipv4_enabled                                  = false
      private_network                               = var.network_id
      ssl_mode                                      = "ENCRYPTED_ONLY"
      enable_private_path_for_google_cloud_services = false
    }

    insights_config {
      query_insights_enabled  = true
      query_plans_per_minute  = 5
      query_string_length     = 1024
      record_application_tags = true
      record_client_address   = false
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    dynamic "database_flags" {
      for_each = local._flags

      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    prevent_destroy = true

    # Whether the instance runs is operation, not shape: dev's stops at night. Autoresize owns the disk once it is made.
    ignore_changes = [
      settings[0].activation_policy,
      settings[0].disk_size,
    ]
  }
}

resource "google_sql_database" "main" {
  project         = var.project_id
  instance        = google_sql_database_instance.main.name
  name            = var.database_name
  deletion_policy = "ABANDON"
}
