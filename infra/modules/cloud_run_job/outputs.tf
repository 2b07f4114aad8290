output "job_name" {
  description = "Name of the job."
  value       = google_cloud_run_v2_job.main.name
}

output "service_account_email" {
  description = "Account that the job runs as, with its roles in place."
  value       = local._email

  depends_on = [
    google_project_iam_member.cloudsql_client,
    google_project_iam_member.main,
    google_secret_manager_secret_iam_member.main,
    google_service_account_iam_member.user,
  ]
}
