output "routes" {
  description = "Where an alert goes: critical, warning, ops and finance, each the resource name of a channel."
  value = {
    critical = var.paging ? google_monitoring_notification_channel.pagerduty["critical"].name : google_monitoring_notification_channel.slack.name
    finance  = google_monitoring_notification_channel.email.name
    ops      = google_monitoring_notification_channel.slack.name
    warning  = var.paging ? google_monitoring_notification_channel.pagerduty["warning"].name : google_monitoring_notification_channel.slack.name
  }
}
