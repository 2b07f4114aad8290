output "job_name" {
  description = "Name of the Cloud Run job, for `gcloud run jobs executions list`."
  value       = google_cloud_run_v2_job.main.name
}

output "service_account_email" {
  description = "Account of the agent; a member of the agent role of module console_iam."
  value       = local._email

  depends_on = [google_service_account.main]
}
