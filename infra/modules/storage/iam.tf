locals {
  _grants = merge([
    for role, members in var.iam : { for member in members : "${role} ${member}" => { role = role, member = member } }
  ]...)
}

resource "google_storage_bucket_iam_member" "main" {
  for_each = local._grants

  bucket = google_storage_bucket.main.name
  role   = each.value.role
  member = each.value.member
}
