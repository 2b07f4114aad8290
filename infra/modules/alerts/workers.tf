resource "google_monitoring_alert_policy" "queue_depth" {
  project               = var.project_id
  display_name          = "Worker queue depth"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [var.routes.ops]
  user_labels           = merge(var.labels, { severity = "warning", team = "workers" })

  conditions {
    display_name = "more than 10,000 due jobs for 10 min"

    condition_threshold {
      filter          = local._queue_depth
      comparison      = "COMPARISON_GT"
      threshold_value = 10000
      duration        = "600s"

      # Every task of a worker reports the same queue, so the greatest report stands, not their sum.
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = local._by_queue
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      More than 10,000 jobs of one queue were due for 10 minutes. Is a worker stuck, or is there more work?
      `brconsole status ${var.environment}`. ${local._runbooks.queue}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}

resource "google_monitoring_alert_policy" "queue_metric_missing" {
  count = var.queue_exporter_expected ? 1 : 0

  project               = var.project_id
  display_name          = "Worker queue depth is not reported"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "workers" })

  conditions {
    display_name = "no queue depth for 10 min"

    condition_absent {
      filter   = local._queue_depth
      duration = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = local._by_queue
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      A queue's depth has not been reported for 10 minutes: the exporter is dead, and a full queue would tell nobody.
      ${local._runbooks.queue_gone}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
