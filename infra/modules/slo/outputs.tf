# The names carry the project's id where Monitoring itself answers with its number: both are understood, and the id is
# known at plan, so that dashboards and alerts can be checked before anything is applied.

output "availability_slos" {
  description = "Service → resource name of its availability objective, as the `select_slo_*` selectors take it."
  value = {
    for service, slo in google_monitoring_slo.availability : service => "projects/${var.project_id}/services/${slo.service}/serviceLevelObjectives/${slo.slo_id}"
  }
}

output "latency_slos" {
  description = "Service → resource name of its latency objective."
  value = {
    for service, slo in google_monitoring_slo.latency : service => "projects/${var.project_id}/services/${slo.service}/serviceLevelObjectives/${slo.slo_id}"
  }
}
