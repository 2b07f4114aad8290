# The clock of ARQ's cron work is Cloud Scheduler, not a loop in a worker: it survives restarts, runs once however many workers
# there are, and shows what failed. It calls the worker, which enqueues the task.
resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = var.service_account_id
  display_name = "Calls ${var.service.name} on schedule"
}

resource "google_cloud_scheduler_job" "main" {
  for_each = var.schedules

  project          = var.project_id
  region           = var.region
  name             = "${var.service.name}-${each.key}"
  description      = each.value.description
  schedule         = each.value.cron
  time_zone        = each.value.time_zone
  paused           = each.value.paused
  attempt_deadline = "${each.value.deadline_seconds}s"

  http_target {
    http_method = "POST"
    uri         = "${var.service.url}/cron/${each.key}"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode(each.value.arguments))

    oidc_token {
      service_account_email = google_service_account.main.email
      audience              = var.service.url
    }
  }

  retry_config {
    retry_count          = each.value.retries
    min_backoff_duration = "10s"
    max_backoff_duration = "300s"
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}
