output "job_name" {
  description = "Name of the Cloud Run job, to tell it now: `gcloud run jobs execute`."
  value       = google_cloud_run_v2_job.main.name
}

output "service_account_email" {
  description = "Account that lists the recommendations."
  value       = google_service_account.main.email
}
