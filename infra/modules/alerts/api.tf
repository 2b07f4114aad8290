resource "google_monitoring_alert_policy" "api_error_rate" {
  project               = var.project_id
  display_name          = "API error rate"
  combiner              = "AND_WITH_MATCHING_RESOURCE"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "backend" })

  conditions {
    display_name = "5xx above 2 % for 5 min"

    condition_threshold {
      filter             = "${local._api_requests} AND metric.labels.response_code_class = \"5xx\""
      denominator_filter = local._api_requests
      comparison         = "COMPARISON_GT"
      threshold_value    = 0.02
      duration           = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = local._by_service
      }

      denominator_aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = local._by_service
      }

      trigger {
        count = 1
      }
    }
  }

  # A ratio of few requests is noise: one failure in 20 is 5 %.
  conditions {
    display_name = "more than 10 requests a minute"

    condition_threshold {
      filter          = local._api_requests
      comparison      = "COMPARISON_GT"
      threshold_value = 10
      duration        = "300s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
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
      More than 2 % of the API's requests have failed for 5 minutes. What changed last? Roll it back:
      `brconsole rollback ${var.environment} ${var.api_service}`. ${local._runbooks.api}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
