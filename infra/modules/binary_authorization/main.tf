locals {
  _attestor         = "projects/${var.project_id}/attestors/${var.attestor_name}"
  _enforcement_mode = var.enforced ? "ENFORCED_BLOCK_AND_AUDIT_LOG" : "DRYRUN_AUDIT_LOG_ONLY"
}

resource "google_container_analysis_note" "main" {
  project           = var.project_id
  name              = var.attestor_name
  short_description = "Built and tested by the pipeline"

  attestation_authority {
    hint {
      human_readable_name = "ByteReview's pipeline"
    }
  }
}

resource "google_binary_authorization_attestor" "main" {
  project     = var.project_id
  name        = var.attestor_name
  description = "The pipeline vouches for an image with the key in Cloud KMS"

  attestation_authority_note {
    note_reference = google_container_analysis_note.main.name

    public_keys {
      id      = "//cloudkms.googleapis.com/v1/${var.key.kms_key_id}/cryptoKeyVersions/${var.key.version}"
      comment = "Version ${var.key.version} of the attestor's key"

      pkix_public_key {
        public_key_pem      = var.key.public_key_pem
        signature_algorithm = "ECDSA_P256_SHA256"
      }
    }
  }
}

resource "google_binary_authorization_policy" "main" {
  project                       = var.project_id
  description                   = "Only images that the pipeline vouches for"
  global_policy_evaluation_mode = "ENABLE"

  default_admission_rule {
    evaluation_mode         = "REQUIRE_ATTESTATION"
    enforcement_mode        = local._enforcement_mode
    require_attestations_by = [local._attestor]
  }

  depends_on = [google_binary_authorization_attestor.main]
}
