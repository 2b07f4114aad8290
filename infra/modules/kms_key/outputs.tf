output "kms_key_id" {
  description = "Full name of the key, with its members in place."
  value       = google_kms_crypto_key.main.id

  depends_on = [google_kms_crypto_key_iam_member.main]
}
