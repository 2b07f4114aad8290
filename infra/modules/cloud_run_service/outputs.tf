output "revision_name" {
  description = "Revision created last, as of the last refresh; not necessarily the one that serves."
  value       = google_cloud_run_v2_service.main.latest_created_revision
}

output "service_account_email" {
  description = "Account that the service runs as, with its roles in place."
  value       = local._email

  depends_on = [
    google_kms_crypto_key_iam_member.main,
    google_project_iam_member.cloudsql_client,
    google_project_iam_member.main,
    google_secret_manager_secret_iam_member.main,
    google_service_account_iam_member.user,
  ]
}

output "service_name" {
  description = "Name of the service."
  value       = google_cloud_run_v2_service.main.name

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

output "service_url" {
  description = "Cloud Run's own address of the service. Whether it answers from outside depends on `ingress`."
  value       = google_cloud_run_v2_service.main.uri

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}
