resource "google_sql_database_instance" "main" {
  #checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY refuses plain connections; client certificates would be one more secret in every service, for an address that is private.
  #checkov:skip=CKV_GCP_79:One release behind the newest, which extensions and drivers have caught up with.
  #checkov:skip=CKV2_GCP_13:log_duration writes a line for every statement; Query Insights has the durations.
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

    # ENCRYPTED_ONLY refuses plain connections; the rule knows only require_ssl, which the provider no longer has.
    #trivy:ignore:AVD-GCP-0015
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

    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_hostname"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "-1"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }

    database_flags {
      name  = "pgaudit.log"
      value = "ddl,role"
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
