output "exclusion_names" {
  description = "Names of the exclusions, as Logging shows them."
  value = [
    google_logging_project_exclusion.health_checks.name,
    google_logging_project_exclusion.progress_polls.name,
  ]
}
