# An image that skipped Binary Authorization leaves an audit entry. It is counted by a metric rather than matched by a
# log condition, so that the console can evaluate the policy like any other.

resource "google_logging_metric" "breakglass" {
  count = var.breakglass_watched ? 1 : 0

  project     = var.project_id
  name        = "binary_authorization_breakglass"
  description = "Cloud Run revisions and executions that were let through by breakglass."
  filter      = <<-EOT
    (resource.type = "cloud_run_revision" OR resource.type = "cloud_run_job")
    AND log_id("cloudaudit.googleapis.com/system_event")
    AND "breakglass"
  EOT

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "breakglass" {
  count = var.breakglass_watched ? 1 : 0

  project               = var.project_id
  display_name          = "Binary Authorization breakglass"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "security" })

  conditions {
    display_name = "an unsigned image was let in"

    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.breakglass[0].name}\" AND resource.type = one_of(\"cloud_run_revision\", \"cloud_run_job\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Somebody deployed an image without an attestation by breakglass. Was it announced? ${local._runbooks.breakglass}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
