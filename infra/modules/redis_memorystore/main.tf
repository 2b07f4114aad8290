resource "google_redis_instance" "main" {
  project                 = var.project_id
  region                  = var.region
  name                    = var.name
  labels                  = var.labels
  tier                    = var.highly_available ? "STANDARD_HA" : "BASIC"
  memory_size_gb          = var.memory_size_gb
  redis_version           = var.redis_version
  authorized_network      = var.network_id
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  customer_managed_key    = var.kms_key_id
  deletion_protection     = var.deletion_protection

  # A full queue must refuse new jobs; evicting would lose old ones without a word.
  redis_configs = { maxmemory-policy = "noeviction" }

  persistence_config {
    persistence_mode    = var.snapshot_period == null ? "DISABLED" : "RDB"
    rdb_snapshot_period = var.snapshot_period
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours = 4
      }
    }
  }
}

# The password is in the state, whatever is done with it: Google makes it and the provider reads it. Services take it from here.
resource "google_secret_manager_secret_version" "auth" {
  secret      = var.auth_secret_id
  secret_data = google_redis_instance.main.auth_string
}
