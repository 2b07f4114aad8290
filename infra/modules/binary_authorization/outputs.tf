output "attestor_id" {
  description = "Full name of the attestor, as `gcloud beta container binauthz attestations sign-and-create --attestor` takes it."
  value       = local._attestor

  depends_on = [
    google_binary_authorization_attestor_iam_member.viewer,
    google_container_analysis_note_iam_member.attacher,
    google_kms_crypto_key_iam_member.signer,
  ]
}

output "key_version_id" {
  description = "Version of the key that signs, as `--keyversion` takes it."
  value       = "${var.key.kms_key_id}/cryptoKeyVersions/${var.key.version}"
}

output "policy_json" {
  description = "The policy as `gcloud container binauthz policy export` writes it in JSON: for reviews, and for a check against Google's own message type."
  value = jsonencode({
    name                       = "projects/${var.project_id}/policy"
    description                = google_binary_authorization_policy.main.description
    globalPolicyEvaluationMode = google_binary_authorization_policy.main.global_policy_evaluation_mode
    defaultAdmissionRule = {
      evaluationMode        = google_binary_authorization_policy.main.default_admission_rule[0].evaluation_mode
      enforcementMode       = google_binary_authorization_policy.main.default_admission_rule[0].enforcement_mode
      requireAttestationsBy = [local._attestor]
    }
  })
}
