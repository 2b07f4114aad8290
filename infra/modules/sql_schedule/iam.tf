# Cloud SQL has no IAM policy on an instance: the role is bound on the project, for the one instance by a condition.

resource "google_project_iam_custom_role" "main" {
  project     = var.project_id
  role_id     = "sqlSchedule"
  title       = "Start and stop a database"
  description = "Changing the activation policy of an instance; Cloud SQL knows no narrower permission than update."
  permissions = ["cloudsql.instances.get", "cloudsql.instances.update"]
}

resource "google_project_iam_member" "main" {
  project = var.project_id
  role    = google_project_iam_custom_role.main.name
  member  = "serviceAccount:${google_service_account.main.email}"

  condition {
    title       = "only ${var.instance_name}"
    description = "The schedule's account reaches one instance."
    expression  = "resource.type == 'sqladmin.googleapis.com/Instance' && resource.name == 'projects/${var.project_id}/instances/${var.instance_name}'"
  }
}
