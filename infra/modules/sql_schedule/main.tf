# The specification's `gcloud sql instances patch --activation-policy=NEVER`, as a call of the API by Cloud Scheduler.

locals {
  _instance = "https://sqladmin.googleapis.com/v1/projects/${var.project_id}/instances/${var.instance_name}"
  _calls = {
    start = { policy = "ALWAYS", schedule = var.start_schedule, says = "Starts the database in the morning of a working day." }
    stop  = { policy = "NEVER", schedule = var.stop_schedule, says = "Stops the database in the evening." }
  }
}

resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = "sql-schedule"
  display_name = "Starts and stops the database"
}

resource "google_cloud_scheduler_job" "main" {
  for_each = local._calls

  project          = var.project_id
  region           = var.region
  name             = "sql-${each.key}-${var.instance_name}"
  description      = each.value.says
  schedule         = each.value.schedule
  time_zone        = var.time_zone
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "300s"
  }

  http_target {
    http_method = "PATCH"
    uri         = local._instance
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ settings = { activationPolicy = each.value.policy } }))

    oauth_token {
      service_account_email = google_service_account.main.email
      scope                 = "https://www.googleapis.com/auth/sqlservice.admin"
    }
  }

  depends_on = [google_project_iam_member.main]
}
