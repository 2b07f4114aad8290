resource "google_monitoring_alert_policy" "redis_memory" {
  project               = var.project_id
  display_name          = "Redis memory"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [var.routes.warning]
  user_labels           = merge(var.labels, { severity = "warning", team = "platform" })

  conditions {
    display_name = "system memory above 80 %"

    # The system's ratio, not `usage_ratio`: Google calls it memory pressure above 80 %, and maintenance needs 50 %.
    condition_threshold {
      filter          = "metric.type = \"redis.googleapis.com/stats/memory/system_memory_usage_ratio\" AND resource.type = \"redis_instance\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0.8
      duration        = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MEAN"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.labels.instance_id"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Redis uses more than 80 % of its system memory; beyond it keys are evicted or writes fail. ${local._runbooks.redis}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}

resource "google_monitoring_alert_policy" "cold_start_latency" {
  project               = var.project_id
  display_name          = "Cloud Run cold-start latency"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [var.routes.ops]
  user_labels           = merge(var.labels, { severity = "warning", team = "platform" })

  conditions {
    display_name = "start-up p95 above 5 s"

    condition_threshold {
      filter          = "metric.type = \"run.googleapis.com/container/startup_latencies\" AND resource.type = \"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = 5000
      duration        = "0s"

      # Starts are rare: five minutes gather enough of them for a percentile.
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_PERCENTILE_95"
        group_by_fields      = local._by_service
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The p95 of a service's container start-ups is above 5 s. Fewer than 20 starts make it their maximum.
      ${local._runbooks.cold_start}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
