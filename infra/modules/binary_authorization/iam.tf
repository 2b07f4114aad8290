# To vouch for an image: sign with the key, attach the attestation to the note, read the attestor.
resource "google_kms_crypto_key_iam_member" "signer" {
  for_each = toset(var.signers)

  crypto_key_id = var.key.kms_key_id
  role          = "roles/cloudkms.signerVerifier"
  member        = each.value
}

resource "google_container_analysis_note_iam_member" "attacher" {
  for_each = toset(var.signers)

  project = var.project_id
  note    = google_container_analysis_note.main.name
  role    = "roles/containeranalysis.notes.attacher"
  member  = each.value
}

resource "google_binary_authorization_attestor_iam_member" "viewer" {
  for_each = toset(var.signers)

  project  = var.project_id
  attestor = google_binary_authorization_attestor.main.name
  role     = "roles/binaryauthorization.attestorsViewer"
  member   = each.value
}
