output "permissions" {
  description = "Role → the permissions of its custom role."
  value       = local.permissions
}

output "predefined" {
  description = "Permission → the predefined role that carries it."
  value       = local.predefined
}

output "role_names" {
  description = "Role → full name of its custom role."
  value       = { for role, resource in google_project_iam_custom_role.main : role => resource.name }

  depends_on = [
    google_artifact_registry_repository_iam_member.main,
    google_cloud_run_v2_job_iam_member.main,
    google_cloud_run_v2_service_iam_member.main,
    google_project_iam_member.audit_writer,
    google_project_iam_member.metric_writer,
    google_project_iam_member.viewer,
    google_service_account_iam_member.job,
    google_service_account_iam_member.service,
  ]
}
