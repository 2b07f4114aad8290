output "budget_name" {
  description = "Resource name of the budget."
  value       = google_billing_budget.main.name
}

output "export_dataset_id" {
  description = "Dataset that the billing export is to be pointed at, null where this environment holds none."
  value       = one(google_bigquery_dataset.export[*].dataset_id)
}
