resource "google_storage_bucket" "main" {
  #checkov:skip=CKV_GCP_62:Who reads and writes objects is in Cloud Audit Logs; access logs into a bucket are for static sites.
  project                     = var.project_id
  name                        = var.name
  location                    = var.location
  labels                      = var.labels
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  encryption {
    default_kms_key_name = var.kms_key_id
  }

  versioning {
    enabled = true
  }

  # What was deleted or overwritten can be copied back for so long, and no longer.
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.version_retention_days
      with_state                 = "ARCHIVED"
    }
  }

  # Uploads that were never finished are paid for, and nobody sees them.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 7
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 60 * 60
  }

  lifecycle {
    prevent_destroy = true
  }
}
