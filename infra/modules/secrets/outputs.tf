output "ids" {
  description = "Full names (projects/P/secrets/S), by name."
  value       = { for name, secret in google_secret_manager_secret.main : name => "projects/${var.project_id}/secrets/${secret.secret_id}" }
}

output "names" {
  description = "Short names as they are in the project, by name."
  value       = { for name, secret in google_secret_manager_secret.main : name => secret.secret_id }
}
