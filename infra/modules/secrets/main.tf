# Containers only. The values are put in by people and rotated outside Terraform, so that they are in no state and no plan.
resource "google_secret_manager_secret" "main" {
  for_each = var.secrets

  project             = var.project_id
  secret_id           = "${each.key}${var.suffix}"
  labels              = var.labels
  annotations         = { description = each.value }
  version_destroy_ttl = "${7 * 24 * 60 * 60}s"
  deletion_protection = true

  replication {
    user_managed {
      replicas {
        location = var.region

        customer_managed_encryption {
          kms_key_name = var.kms_key_id
        }
      }
    }
  }
}
