resource "google_artifact_registry_repository" "main" {
  project                = var.project_id
  location               = var.region
  repository_id          = var.name
  format                 = "DOCKER"
  description            = "Images of ByteReview, tagged by commit"
  labels                 = var.labels
  kms_key_name           = var.kms_key_id
  cleanup_policy_dry_run = false

  # A commit's tag names one image for ever; a rebuild of the same commit is refused, not swapped in.
  docker_config {
    immutable_tags = true
  }

  # What serves and what a rollback would go back to must stay, however old.
  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = var.keep_count
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "${var.keep_days * 24 * 60 * 60}s"
    }
  }
}
