mock_provider "google" {}

variables {
  project_id                     = "bytereview-test"
  environment                    = "prod"
  finance_email                  = "finance@example.com"
  paging                         = true
  pagerduty_critical_service_key = "critical-key"
  pagerduty_warning_service_key  = "warning-key"
  slack_auth_token               = "slack-token"
}

run "each_channel_has_its_own_secret" {
  assert {
    condition     = google_monitoring_notification_channel.pagerduty["critical"].sensitive_labels[0].service_key == "critical-key"
    error_message = "The critical channel must page the critical service."
  }

  assert {
    condition     = google_monitoring_notification_channel.pagerduty["warning"].sensitive_labels[0].service_key == "warning-key"
    error_message = "The warning channel must page the service of low urgency."
  }

  assert {
    condition     = google_monitoring_notification_channel.slack.sensitive_labels[0].auth_token == "slack-token"
    error_message = "Slack's token belongs into the sensitive labels."
  }
}

run "types_and_addresses" {
  assert {
    condition     = [for name in ["critical", "warning"] : google_monitoring_notification_channel.pagerduty[name].type] == ["pagerduty", "pagerduty"]
    error_message = "Both paging channels are PagerDuty's."
  }

  assert {
    condition     = google_monitoring_notification_channel.slack.type == "slack" && google_monitoring_notification_channel.slack.labels.channel_name == "#ops"
    error_message = "The operators read #ops."
  }

  assert {
    condition     = google_monitoring_notification_channel.email.type == "email" && google_monitoring_notification_channel.email.labels.email_address == "finance@example.com"
    error_message = "Finance hears by e-mail."
  }

  assert {
    condition = (
      output.routes.critical == google_monitoring_notification_channel.pagerduty["critical"].name
      && output.routes.warning == google_monitoring_notification_channel.pagerduty["warning"].name
      && output.routes.ops == google_monitoring_notification_channel.slack.name
      && output.routes.finance == google_monitoring_notification_channel.email.name
    )
    error_message = "Every route leads to the channel of its name."
  }
}

run "without_paging_everything_goes_to_slack" {
  variables {
    paging                         = false
    pagerduty_critical_service_key = null
    pagerduty_warning_service_key  = null
  }

  assert {
    condition     = length(google_monitoring_notification_channel.pagerduty) == 0
    error_message = "An environment that pages nobody needs no key."
  }

  assert {
    condition     = output.routes.critical == google_monitoring_notification_channel.slack.name && output.routes.warning == google_monitoring_notification_channel.slack.name
    error_message = "What would page must still be told."
  }
}

run "a_bad_address_is_refused" {
  command = plan

  variables {
    finance_email = "finance"
  }

  expect_failures = [var.finance_email]
}
