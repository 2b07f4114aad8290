output "routes" {
  description = "Where an alert goes: critical, warning, ops and finance, each the id of a channel."
  value = {
    critical = var.paging ? google_monitoring_notification_channel.pagerduty["critical"].id : google_monitoring_notification_channel.slack.id
    finance  = google_monitoring_notification_channel.email.id
    ops      = google_monitoring_notification_channel.slack.id
    warning  = var.paging ? google_monitoring_notification_channel.pagerduty["warning"].id : google_monitoring_notification_channel.slack.id
  }
}
