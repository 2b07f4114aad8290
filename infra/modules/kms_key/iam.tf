locals {
  _grants = merge([
    for role, members in var.iam : { for member in members : "${role} ${member}" => { role = role, member = member } }
  ]...)
}

resource "google_kms_crypto_key_iam_member" "main" {
  for_each = local._grants

  crypto_key_id = google_kms_crypto_key.main.id
  role          = each.value.role
  member        = each.value.member
}
