# Dashboards are JSON templates, so that they can be read and changed like the ones that Monitoring exports. The API
# drops zeroes and empty texts; the templates leave them out (`xPos`, `yPos`), else every plan would show a difference.

locals {
  _project_ids = [for name in sort(keys(var.environments)) : var.environments[name].project_id]
  _shared      = length(var.environments) > 1
  _title       = join(" + ", sort(keys(var.environments)))

  _values = {
    api_service           = var.api_service
    availability_slos     = var.availability_slos
    billing_account       = var.billing_account
    by_container          = local._shared ? ["resource.labels.resource_container"] : []
    by_project            = local._shared ? ["resource.labels.project_id"] : []
    cpu_second_usd        = var.prices_usd.cpu_second
    daily_budgets         = { for name, environment in var.environments : name => floor(environment.monthly_budget_usd * 12 / 365) }
    environments          = sort(keys(var.environments))
    filters               = local._shared ? [{ filterType = "RESOURCE_LABEL", labelKey = "project_id" }] : []
    latency_slos          = var.latency_slos
    latency_threshold_ms  = var.latency_threshold_ms
    memory_gib_second_usd = var.prices_usd.memory_gib_second
    monthly_budgets       = { for name, environment in var.environments : name => environment.monthly_budget_usd }
    project_ids           = local._project_ids
    promql_by             = local._shared ? "project_id, service_name" : "service_name"
    title                 = local._title
    top_services          = var.top_services
  }
}

resource "google_monitoring_dashboard" "main" {
  for_each = toset(["api_slo", "workers", "vertex_usage", "gcp_costs"])

  project        = var.project_id
  dashboard_json = templatefile("${path.module}/templates/${each.key}.json.tftpl", local._values)
}
