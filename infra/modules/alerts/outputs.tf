output "policies" {
  description = "Display name → resource name of every alert policy."
  value = {
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
    ) : policy.display_name => policy.name
  }
}
