locals {
  _signing = var.purpose == "ASYMMETRIC_SIGN"
}

resource "google_kms_key_ring" "main" {
  project  = var.project_id
  location = var.location
  name     = var.name
}

resource "google_kms_crypto_key" "main" {
  #checkov:skip=CKV_GCP_43:rotation_days is at most 90 by validation; the scanner does not follow the condition for signing keys.
  name     = var.name
  key_ring = google_kms_key_ring.main.id
  labels   = var.labels
  purpose  = var.purpose
  # Google rotates symmetric keys only; a signing key is rotated by making a new version and attestor key.
  rotation_period            = local._signing ? null : "${var.rotation_days * 24 * 60 * 60}s"
  destroy_scheduled_duration = "${30 * 24 * 60 * 60}s"

  dynamic "version_template" {
    for_each = local._signing ? [true] : []

    content {
      algorithm        = "EC_SIGN_P256_SHA256"
      protection_level = "HSM"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
