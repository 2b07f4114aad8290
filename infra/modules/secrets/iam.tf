locals {
  _grants = merge([
    for name, members in var.version_adders : { for member in members : "${name} ${member}" => { name = name, member = member } }
  ]...)
}

# Reading is granted where a service is given a secret (cloud_run_service, cloud_run_job), to its account and for that secret.
resource "google_secret_manager_secret_iam_member" "version_adder" {
  for_each = local._grants

  project   = var.project_id
  secret_id = google_secret_manager_secret.main[each.value.name].secret_id
  role      = "roles/secretmanager.secretVersionAdder"
  member    = each.value.member
}
