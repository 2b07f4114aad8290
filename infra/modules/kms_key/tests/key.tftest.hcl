mock_provider "google" {}

# Only plans: the key cannot be destroyed, which is what the module is for.
variables {
  project_id = "br-dev-4821"
  location   = "us-central1"
  name       = "bytereview-data"
}

run "rotates_every_ninety_days" {
  command = plan

  assert {
    condition     = google_kms_crypto_key.main.rotation_period == "7776000s"
    error_message = "The key must rotate every 90 days."
  }

  assert {
    condition     = google_kms_crypto_key.main.purpose == "ENCRYPT_DECRYPT" && length(google_kms_crypto_key.main.version_template) == 0
    error_message = "The key encrypts, with Google's own algorithm."
  }

  assert {
    condition     = google_kms_crypto_key.main.destroy_scheduled_duration == "2592000s"
    error_message = "A version that somebody destroys can be saved for 30 days."
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.main) == 0
    error_message = "Nobody may use a new key."
  }
}

run "members_by_role" {
  command = plan

  variables {
    iam = {
      "roles/cloudkms.cryptoKeyEncrypterDecrypter" = [
        "serviceAccount:service-482100000001@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "serviceAccount:service-482100000001@gcp-sa-pubsub.iam.gserviceaccount.com",
      ]
    }
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.main) == 2
    error_message = "Each member gets the role."
  }

  assert {
    condition     = toset(values(google_kms_crypto_key_iam_member.main)[*].role) == toset(["roles/cloudkms.cryptoKeyEncrypterDecrypter"])
    error_message = "No other role than the one named."
  }
}

run "signs_in_hardware" {
  command = plan

  variables {
    purpose = "ASYMMETRIC_SIGN"
  }

  assert {
    condition     = one(google_kms_crypto_key.main.version_template).algorithm == "EC_SIGN_P256_SHA256" && one(google_kms_crypto_key.main.version_template).protection_level == "HSM"
    error_message = "Binary Authorization wants EC_SIGN_P256_SHA256; the key stays in hardware."
  }

  assert {
    condition     = google_kms_crypto_key.main.rotation_period == null
    error_message = "Google refuses rotation of a signing key."
  }
}

run "refuses_slow_rotation" {
  command = plan

  variables {
    rotation_days = 365
  }

  expect_failures = [var.rotation_days]
}

run "refuses_roles_of_other_services" {
  command = plan

  variables {
    iam = { "roles/owner" = ["user:someone@bytereview.ai"] }
  }

  expect_failures = [var.iam]
}

run "refuses_an_unknown_purpose" {
  command = plan

  variables {
    purpose = "MAC"
  }

  expect_failures = [var.purpose]
}
