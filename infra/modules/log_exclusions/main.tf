# What is excluded is not stored and cannot be searched. So only requests that went well are: a health check or a poll
# that fails stays in the log. Metrics, and with them SLOs and alerts, count every request all the same.

locals {
  _requests  = "resource.type = \"cloud_run_revision\" AND log_id(\"run.googleapis.com/requests\")"
  _went_well = "httpRequest.status < 400 AND severity < WARNING"
}

resource "google_logging_project_exclusion" "health_checks" {
  project     = var.project_id
  name        = "health-checks"
  description = "Health checks that passed, of the load balancer, of uptime checks and of Cloud Run itself."
  filter      = <<-EOT
    ${local._requests}
    AND ${local._went_well}
    AND (
      httpRequest.requestUrl =~ "^https?://[^/]+(${join("|", var.health_check_paths)})(\\?|$)"
      OR httpRequest.userAgent =~ "^(GoogleHC|GoogleStackdriverMonitoring-UptimeChecks|kube-probe)"
    )
  EOT
}

resource "google_logging_project_exclusion" "progress_polls" {
  project     = var.project_id
  name        = "progress-polls"
  description = "Answered polls of how far an operation is; the browser asks every few seconds."
  filter      = <<-EOT
    ${local._requests}
    AND ${local._went_well}
    AND httpRequest.requestMethod = "GET"
    AND httpRequest.requestUrl =~ "^https?://[^/]+(${join("|", var.progress_poll_paths)})(\\?|$)"
  EOT
}
