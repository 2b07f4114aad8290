output "dashboard_ids" {
  description = "Dashboard → its resource name: api_slo, workers, vertex_usage, gcp_costs."
  value       = { for name, dashboard in google_monitoring_dashboard.main : name => dashboard.id }
}

output "dashboards_json" {
  description = "Dashboard → its definition as sent, for checks that read the plan."
  value       = { for name, dashboard in google_monitoring_dashboard.main : name => dashboard.dashboard_json }
}
