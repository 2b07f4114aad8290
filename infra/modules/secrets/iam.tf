locals {
  _grants = merge([
    for name, members in var.accessors : { for member in members : "${name} ${member}" => { name = name, member = member } }
  ]...)
}

# A service's account reads its secrets by grants of its own (cloud_run_service, cloud_run_job).
resource "google_secret_manager_secret_iam_member" "accessor" {
  for_each = local._grants

  project   = var.project_id
  secret_id = google_secret_manager_secret.main[each.value.name].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value.member
}
