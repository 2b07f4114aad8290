output "scheduler_jobs" {
  description = "start and stop → the name of the Scheduler job, for `gcloud scheduler jobs run`."
  value       = { for name, job in google_cloud_scheduler_job.main : name => job.name }
}

output "service_account_email" {
  description = "Account that changes the activation policy."
  value       = google_service_account.main.email
}
