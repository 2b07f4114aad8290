# brconsole.toml holds no secret; Secret Manager is how Cloud Run mounts a file that Terraform writes.

resource "google_secret_manager_secret" "configuration" {
  project   = var.project_id
  secret_id = "brconsole-configuration"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = var.kms_key_id == null ? [] : [var.kms_key_id]

          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }
}

resource "google_secret_manager_secret_version" "configuration" {
  secret      = google_secret_manager_secret.configuration.id
  secret_data = var.configuration
}
