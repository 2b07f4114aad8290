output "deployer_emails" {
  description = "Account for the auth step (service_account) of jobs in a GitHub environment, by environment."
  value       = { for name, environment in var.environments : name => google_service_account.deployer[environment.project_id].email }
}

output "planner_emails" {
  description = "Account for the auth step of plans on pull requests and of the drift check, by environment."
  value       = { for name, environment in var.environments : name => google_service_account.planner[environment.project_id].email }
}

output "state_buckets" {
  description = "Bucket of the state, by environment."
  value       = { for name, bucket in google_storage_bucket.state : name => bucket.name }
}

output "workload_identity_providers" {
  description = "Provider for the auth step (workload_identity_provider), by environment."
  value       = { for name, environment in var.environments : name => google_iam_workload_identity_pool_provider.github[environment.project_id].name }
}
