mock_provider "google" {
  mock_resource "google_container_analysis_note" {
    defaults = { name = "pipeline" }
  }
}

variables {
  project_id = "bytereview-prod"
  signers    = ["serviceAccount:bytereview-tf-deployer@bytereview-prod.iam.gserviceaccount.com"]

  key = {
    kms_key_id     = "projects/bytereview-prod/locations/us/keyRings/bytereview-attestor/cryptoKeys/bytereview-attestor"
    public_key_pem = "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"
  }
}

run "only_attested_images_run" {
  assert {
    condition     = one(google_binary_authorization_policy.main.default_admission_rule).evaluation_mode == "REQUIRE_ATTESTATION"
    error_message = "An image needs an attestation."
  }

  assert {
    condition     = one(google_binary_authorization_policy.main.default_admission_rule).enforcement_mode == "ENFORCED_BLOCK_AND_AUDIT_LOG"
    error_message = "Without one it is refused, and that is written down."
  }

  assert {
    condition     = one(google_binary_authorization_policy.main.default_admission_rule).require_attestations_by == toset(["projects/bytereview-prod/attestors/pipeline"])
    error_message = "The pipeline's attestor is the one that counts."
  }

  assert {
    condition     = length(google_binary_authorization_policy.main.admission_whitelist_patterns) == 0
    error_message = "No image is exempt."
  }

  assert {
    condition     = google_binary_authorization_policy.main.global_policy_evaluation_mode == "ENABLE"
    error_message = "Google's own system images are judged by Google's policy."
  }
}

run "the_key_is_in_cloud_kms" {
  assert {
    condition     = one(google_binary_authorization_attestor.main.attestation_authority_note[0].public_keys).id == "//cloudkms.googleapis.com/v1/projects/bytereview-prod/locations/us/keyRings/bytereview-attestor/cryptoKeys/bytereview-attestor/cryptoKeyVersions/1"
    error_message = "The attestor's key must be named as gcloud names it, or attestations do not match."
  }

  assert {
    condition     = one(values(google_kms_crypto_key_iam_member.signer)).role == "roles/cloudkms.signerVerifier"
    error_message = "Who vouches may sign, not administer the key."
  }

  assert {
    condition     = output.key_version_id == "projects/bytereview-prod/locations/us/keyRings/bytereview-attestor/cryptoKeys/bytereview-attestor/cryptoKeyVersions/1"
    error_message = "The pipeline signs with this version."
  }
}

run "the_same_in_json" {
  assert {
    condition     = jsondecode(output.policy_json).defaultAdmissionRule == { evaluationMode = "REQUIRE_ATTESTATION", enforcementMode = "ENFORCED_BLOCK_AND_AUDIT_LOG", requireAttestationsBy = ["projects/bytereview-prod/attestors/pipeline"] }
    error_message = "The JSON says what Terraform asks for."
  }
}

run "watches_before_it_blocks" {
  variables {
    enforced = false
  }

  assert {
    condition     = one(google_binary_authorization_policy.main.default_admission_rule).enforcement_mode == "DRYRUN_AUDIT_LOG_ONLY"
    error_message = "Unenforced means written down only."
  }
}

run "refuses_people_as_signers" {
  command = plan

  variables {
    signers = ["user:someone@bytereview.ai"]
  }

  expect_failures = [var.signers]
}
