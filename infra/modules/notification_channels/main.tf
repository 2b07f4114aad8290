locals {
  _pagerduty_service_keys = {
    critical = var.pagerduty_critical_service_key
    warning  = var.pagerduty_warning_service_key
  }
}

resource "google_monitoring_notification_channel" "pagerduty" {
  for_each = var.paging ? toset(["critical", "warning"]) : toset([])

  project      = var.project_id
  display_name = "PagerDuty ${each.key} (${var.environment})"
  type         = "pagerduty"
  user_labels  = var.labels

  sensitive_labels {
    service_key = local._pagerduty_service_keys[each.key]
  }
}

resource "google_monitoring_notification_channel" "slack" {
  project      = var.project_id
  display_name = "Slack ${var.slack_channel} (${var.environment})"
  type         = "slack"
  user_labels  = var.labels

  labels = {
    channel_name = var.slack_channel
  }

  sensitive_labels {
    auth_token = var.slack_auth_token
  }
}

resource "google_monitoring_notification_channel" "email" {
  project      = var.project_id
  display_name = "Finance by e-mail (${var.environment})"
  type         = "email"
  user_labels  = var.labels

  labels = {
    email_address = var.finance_email
  }
}
