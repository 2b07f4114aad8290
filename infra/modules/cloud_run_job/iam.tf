locals {
  _project_roles = toset([
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ])
}

resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = local._account_id
  display_name = "Runs the Cloud Run job ${var.name}"
}

resource "google_project_iam_member" "main" {
  for_each = local._project_roles

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${google_service_account.main.email}"
}

# One instance only, by condition: the project may hold other databases.
resource "google_project_iam_member" "cloudsql_client" {
  for_each = var.sql_instance == null ? {} : { (var.sql_instance) = "roles/cloudsql.client" }

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${google_service_account.main.email}"

  condition {
    title      = "only-${each.key}"
    expression = "resource.service == 'sqladmin.googleapis.com' && resource.name == 'projects/${var.project_id}/instances/${each.key}'"
  }
}

resource "google_secret_manager_secret_iam_member" "main" {
  for_each = toset(values(var.secret_env))

  project   = var.project_id
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.main.email}"
}

# Who claims and starts a run must be allowed to act as the account: here, on this account alone.
resource "google_service_account_iam_member" "user" {
  for_each = toset(var.service_account_users)

  service_account_id = google_service_account.main.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
