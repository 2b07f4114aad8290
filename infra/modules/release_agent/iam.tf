# What the agent may do in Cloud Run is module console_iam's: give it `service_account_email` as a member of the agent role.

resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = local._account_id
  display_name = "Drives and watches the rollouts of ${var.environment}"
}

resource "google_secret_manager_secret_iam_member" "configuration" {
  project   = var.project_id
  secret_id = google_secret_manager_secret.configuration.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.main.email}"
}

# Who starts the job is another account: it may run this job and nothing else, and is never inside the container.
resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = "${local._account_id}-start"
  display_name = "Starts the release agent"
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.main.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.scheduler.email}"
}

# The pipeline replaces the image, which takes actAs on the account of the job.
resource "google_service_account_iam_member" "user" {
  for_each = toset(var.service_account_users)

  service_account_id = google_service_account.main.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
