output "job_names" {
  description = "Names of the Cloud Scheduler jobs, by task."
  value       = { for name, job in google_cloud_scheduler_job.main : name => job.name }
}

output "service_account_email" {
  description = "Account that calls the service."
  value       = google_service_account.main.email
}
