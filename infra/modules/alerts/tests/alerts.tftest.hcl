mock_provider "google" {}

variables {
  project_id              = "bytereview-test"
  environment             = "prod"
  repository_url          = "https://github.com/example/repository/blob/main"
  agent_expected          = true
  breakglass_watched      = true
  queue_exporter_expected = true

  availability_slos = {
    api = "projects/bytereview-test/services/api/serviceLevelObjectives/api-availability"
  }

  routes = {
    critical = "channel-critical"
    ops      = "channel-ops"
    warning  = "channel-warning"
  }
}

run "api_error_rate" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].threshold_value == 0.02,
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].duration == "300s",
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].comparison == "COMPARISON_GT",
    ])
    error_message = "Above 2 % for 5 minutes (§6.3)."
  }

  assert {
    condition = alltrue([
      strcontains(google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].filter, "metric.labels.response_code_class = \"5xx\""),
      strcontains(google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].filter, "resource.labels.service_name = \"api\""),
      !strcontains(google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].denominator_filter, "5xx"),
      strcontains(google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].denominator_filter, "run.googleapis.com/request_count"),
    ])
    error_message = "5xx over all requests of the API."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].aggregations[0].per_series_aligner == "ALIGN_DELTA",
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].aggregations[0].cross_series_reducer == "REDUCE_SUM",
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].aggregations[0].alignment_period == google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].denominator_aggregations[0].alignment_period,
      google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].aggregations[0].group_by_fields == google_monitoring_alert_policy.api_error_rate.conditions[0].condition_threshold[0].denominator_aggregations[0].group_by_fields,
    ])
    error_message = "Both sides of a ratio are aligned and grouped alike."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.api_error_rate.combiner == "AND_WITH_MATCHING_RESOURCE",
      length(google_monitoring_alert_policy.api_error_rate.conditions) == 2,
      google_monitoring_alert_policy.api_error_rate.conditions[1].condition_threshold[0].threshold_value == 10,
      google_monitoring_alert_policy.api_error_rate.conditions[1].condition_threshold[0].duration == "300s",
    ])
    error_message = "A ratio of 10 requests a minute or fewer pages nobody."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.api_error_rate.severity == "CRITICAL",
      google_monitoring_alert_policy.api_error_rate.notification_channels == tolist(["channel-critical"]),
    ])
    error_message = "PagerDuty critical (§6.3)."
  }
}

run "worker_queues" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.queue_depth.conditions[0].condition_threshold[0].threshold_value == 10000,
      google_monitoring_alert_policy.queue_depth.conditions[0].condition_threshold[0].duration == "600s",
      google_monitoring_alert_policy.queue_depth.conditions[0].condition_threshold[0].comparison == "COMPARISON_GT",
      google_monitoring_alert_policy.queue_depth.conditions[0].condition_threshold[0].aggregations[0].group_by_fields == tolist(["metric.labels.queue"]),
    ])
    error_message = "More than 10,000 items of one queue for 10 minutes (§6.3)."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.queue_depth.severity == "WARNING",
      google_monitoring_alert_policy.queue_depth.notification_channels == tolist(["channel-ops"]),
    ])
    error_message = "Slack #ops (§6.3)."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.queue_metric_missing[0].conditions[0].condition_absent[0].duration == "600s",
      google_monitoring_alert_policy.queue_metric_missing[0].conditions[0].condition_absent[0].filter == google_monitoring_alert_policy.queue_depth.conditions[0].condition_threshold[0].filter,
      google_monitoring_alert_policy.queue_metric_missing[0].notification_channels == tolist(["channel-critical"]),
    ])
    error_message = "A dead exporter must page, for the same series that the depth alert reads."
  }
}

run "redis_and_cold_starts" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.redis_memory.conditions[0].condition_threshold[0].threshold_value == 0.8,
      google_monitoring_alert_policy.redis_memory.conditions[0].condition_threshold[0].duration == "300s",
      strcontains(google_monitoring_alert_policy.redis_memory.conditions[0].condition_threshold[0].filter, "redis.googleapis.com/stats/memory/system_memory_usage_ratio"),
      google_monitoring_alert_policy.redis_memory.severity == "WARNING",
      google_monitoring_alert_policy.redis_memory.notification_channels == tolist(["channel-warning"]),
    ])
    error_message = "System memory above 80 %, PagerDuty warn (§6.3)."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.cold_start_latency.conditions[0].condition_threshold[0].threshold_value == 5000,
      google_monitoring_alert_policy.cold_start_latency.conditions[0].condition_threshold[0].aggregations[0].cross_series_reducer == "REDUCE_PERCENTILE_95",
      google_monitoring_alert_policy.cold_start_latency.conditions[0].condition_threshold[0].aggregations[0].per_series_aligner == "ALIGN_DELTA",
      strcontains(google_monitoring_alert_policy.cold_start_latency.conditions[0].condition_threshold[0].filter, "run.googleapis.com/container/startup_latencies"),
      google_monitoring_alert_policy.cold_start_latency.notification_channels == tolist(["channel-ops"]),
    ])
    error_message = "p95 of start-ups above 5 s, Slack (§6.3)."
  }
}

run "dead_mans_switch" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.rollout_overdue[0].conditions[0].condition_threshold[0].threshold_value == 0,
      google_monitoring_alert_policy.rollout_overdue[0].conditions[0].condition_threshold[0].comparison == "COMPARISON_GT",
      strcontains(google_monitoring_alert_policy.rollout_overdue[0].conditions[0].condition_threshold[0].filter, "custom.googleapis.com/brconsole/rollout_overdue"),
      google_monitoring_alert_policy.rollout_overdue[0].severity == "CRITICAL",
      google_monitoring_alert_policy.rollout_overdue[0].notification_channels == tolist(["channel-critical"]),
    ])
    error_message = "Any delay past the deadline pages."
  }

  assert {
    condition = alltrue([
      for condition in concat(
        google_monitoring_alert_policy.rollout_overdue[0].conditions,
        google_monitoring_alert_policy.burn["api-fast"].conditions,
        google_monitoring_alert_policy.burn["api-slow"].conditions,
      ) : condition.condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_INACTIVE" && condition.condition_threshold[0].duration == "60s"
    ])
    error_message = "No data is no alert, which Monitoring takes with a duration of 60 s at least."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.agent_silent[0].conditions[0].condition_absent[0].duration == "300s",
      strcontains(google_monitoring_alert_policy.agent_silent[0].conditions[0].condition_absent[0].filter, "custom.googleapis.com/brconsole/heartbeat"),
      strcontains(google_monitoring_alert_policy.agent_silent[0].conditions[0].condition_absent[0].filter, "resource.labels.namespace = \"prod\""),
      google_monitoring_alert_policy.agent_silent[0].notification_channels == tolist(["channel-critical"]),
    ])
    error_message = "Five minutes without the agent of this environment page."
  }
}

run "error_budget_burn" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.burn["api-fast"].conditions[0].condition_threshold[0].threshold_value == 14.4,
      google_monitoring_alert_policy.burn["api-fast"].conditions[1].condition_threshold[0].threshold_value == 14.4,
      strcontains(google_monitoring_alert_policy.burn["api-fast"].conditions[0].condition_threshold[0].filter, "\"3600s\""),
      strcontains(google_monitoring_alert_policy.burn["api-fast"].conditions[1].condition_threshold[0].filter, "\"300s\""),
    ])
    error_message = "14.4 over an hour and five minutes."
  }

  assert {
    condition = alltrue([
      google_monitoring_alert_policy.burn["api-slow"].conditions[0].condition_threshold[0].threshold_value == 6,
      strcontains(google_monitoring_alert_policy.burn["api-slow"].conditions[0].condition_threshold[0].filter, "\"21600s\""),
      strcontains(google_monitoring_alert_policy.burn["api-slow"].conditions[1].condition_threshold[0].filter, "\"1800s\""),
    ])
    error_message = "6 over six hours and thirty minutes."
  }

  assert {
    condition     = google_monitoring_alert_policy.burn["api-fast"].combiner == "AND" && google_monitoring_alert_policy.burn["api-slow"].combiner == "AND"
    error_message = "Both windows must burn."
  }
}

run "breakglass" {
  assert {
    condition = alltrue([
      google_monitoring_alert_policy.breakglass[0].conditions[0].condition_threshold[0].threshold_value == 0,
      strcontains(google_monitoring_alert_policy.breakglass[0].conditions[0].condition_threshold[0].filter, "logging.googleapis.com/user/binary_authorization_breakglass"),
      google_logging_metric.breakglass[0].name == "binary_authorization_breakglass",
      strcontains(google_logging_metric.breakglass[0].filter, "breakglass"),
    ])
    error_message = "One image without an attestation pages."
  }
}

run "every_policy_tells_what_to_do" {
  assert {
    condition = alltrue([
      for policy in concat(
        [
          google_monitoring_alert_policy.api_error_rate,
          google_monitoring_alert_policy.cold_start_latency,
          google_monitoring_alert_policy.queue_depth,
          google_monitoring_alert_policy.redis_memory,
        ],
        google_monitoring_alert_policy.agent_silent,
        google_monitoring_alert_policy.breakglass,
        google_monitoring_alert_policy.queue_metric_missing,
        google_monitoring_alert_policy.rollout_overdue,
        values(google_monitoring_alert_policy.burn),
      ) : can(regex("https://github.com/example/repository/blob/main/docs/runbooks/[a-z-]+\\.md", policy.documentation[0].content))
    ])
    error_message = "Whoever is woken finds a runbook."
  }

  assert {
    condition     = length(output.policies) == 10
    error_message = "Eight policies and two burns."
  }
}

run "dev_has_no_dead_mans_switch" {
  variables {
    agent_expected          = false
    availability_slos       = {}
    breakglass_watched      = false
    queue_exporter_expected = false
  }

  assert {
    condition     = sort(keys(output.policies)) == tolist(["API error rate", "Cloud Run cold-start latency", "Redis memory", "Worker queue depth"])
    error_message = "Where nothing reports at night, silence is no alert; the specification's own stay."
  }
}
