# The dead man's switch of a canary. The agent reports how late a rollout is, and that it lives: the second alert is what
# makes the first one trustworthy, since a dead agent reports no delay.

locals {
  _agent = "resource.type = \"generic_task\" AND resource.labels.namespace = \"${var.environment}\" AND resource.labels.job = \"brconsole-agent\""
}

resource "google_monitoring_alert_policy" "rollout_overdue" {
  count = var.agent_expected ? 1 : 0

  project               = var.project_id
  display_name          = "Rollout past its deadline"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "platform" })

  conditions {
    display_name = "a rollout is past its deadline"

    # Two minutes an interval, because the agent passes once a minute and may be a few seconds late. Without a rollout
    # nothing is reported, and nothing is late: that is not "unknown", which would hold the next release.
    condition_threshold {
      filter          = "metric.type = \"custom.googleapis.com/brconsole/rollout_overdue\" AND ${local._agent}"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "60s" # the shortest with which Monitoring takes the next line

      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"

      aggregations {
        alignment_period     = "120s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["metric.labels.service"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      A canary is still out after its deadline; the agent should have taken it back by now.
      `brconsole release status ${var.environment} SERVICE`, then promote, hold or abort it. ${local._runbooks.overdue}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}

resource "google_monitoring_alert_policy" "agent_silent" {
  count = var.agent_expected ? 1 : 0

  project               = var.project_id
  display_name          = "Release agent is silent"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "platform" })

  conditions {
    display_name = "no heartbeat for 5 min"

    condition_absent {
      filter   = "metric.type = \"custom.googleapis.com/brconsole/heartbeat\" AND ${local._agent}"
      duration = "300s"

      # One series for all processes of the agent: one that lives is enough.
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.labels.namespace"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The agent of ${var.environment} has not been heard of for 5 minutes: nobody watches a canary, and a late one would tell
      nobody. `brconsole agent ${var.environment}` on any machine stands in for it. ${local._runbooks.agent}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
