# Thresholds and durations are the specification's (§6.3) and stand in the policies, not in variables: the console
# evaluates the same ones, and an environment with other limits would be another promise.

locals {
  _api_requests = join(" AND ", [
    "metric.type = \"run.googleapis.com/request_count\"",
    "resource.type = \"cloud_run_revision\"",
    "resource.labels.service_name = \"${var.api_service}\"",
  ])
  _auto_close   = "1800s" # the shortest that Monitoring takes; an incident whose data ends is not left open for a week
  _by_queue     = ["metric.labels.queue"]
  _by_service   = ["resource.labels.service_name"]
  _prompts      = ["OPENED", "CLOSED"]
  _queue_depth  = "metric.type = \"custom.googleapis.com/arq/queue_depth\" AND resource.type = \"generic_task\""
  _runbooks_url = "${trimsuffix(var.repository_url, "/")}/docs/runbooks"
  _runbooks     = { for name, file in local._runbook_files : name => "[Runbook](${local._runbooks_url}/${file})" }
  _runbook_files = {
    agent      = "release-agent-silent.md"
    api        = "api-error-rate.md"
    breakglass = "breakglass.md"
    burn       = "error-budget-burn.md"
    cold_start = "cold-start-latency.md"
    overdue    = "rollout-overdue.md"
    queue      = "queue-depth.md"
    queue_gone = "queue-metric-missing.md"
    redis      = "redis-memory.md"
  }
}
