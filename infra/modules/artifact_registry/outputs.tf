output "repository_name" {
  description = "Short name of the repository."
  value       = google_artifact_registry_repository.main.repository_id
}

output "repository_url" {
  description = "What an image's name begins with: REGION-docker.pkg.dev/PROJECT/NAME."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.main.repository_id}"

  depends_on = [
    google_artifact_registry_repository_iam_member.reader,
    google_artifact_registry_repository_iam_member.writer,
  ]
}
