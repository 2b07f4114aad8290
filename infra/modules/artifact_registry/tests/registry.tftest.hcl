mock_provider "google" {}

variables {
  project_id = "br-dev-4821"
  region     = "us-central1"
  kms_key_id = "projects/br-dev-4821/locations/us-central1/keyRings/bytereview-data/cryptoKeys/bytereview-data"
}

run "a_tag_never_moves" {
  assert {
    condition     = one(google_artifact_registry_repository.main.docker_config).immutable_tags
    error_message = "A commit's tag must name one image for ever."
  }

  assert {
    condition     = google_artifact_registry_repository.main.kms_key_name == var.kms_key_id
    error_message = "Images are encrypted with our own key."
  }
}

run "what_a_rollback_needs_is_kept" {
  assert {
    condition     = one([for policy in google_artifact_registry_repository.main.cleanup_policies : policy.most_recent_versions[0].keep_count if policy.action == "KEEP"]) == 50
    error_message = "The newest fifty versions are kept, however old."
  }

  assert {
    condition     = one([for policy in google_artifact_registry_repository.main.cleanup_policies : policy.condition[0].older_than if policy.action == "DELETE"]) == "7776000s"
    error_message = "Only what is older than 90 days is deleted."
  }
}

run "named_as_the_specification_says" {
  assert {
    condition     = output.repository_url == "us-central1-docker.pkg.dev/br-dev-4821/bytereview"
    error_message = "Images are us-central1-docker.pkg.dev/PROJECT/bytereview/SERVICE."
  }
}

run "the_pipeline_pushes" {
  variables {
    writers = ["serviceAccount:bytereview-tf-deployer@br-dev-4821.iam.gserviceaccount.com"]
  }

  assert {
    condition     = one(values(google_artifact_registry_repository_iam_member.writer)).role == "roles/artifactregistry.writer"
    error_message = "A writer pushes and does not administer."
  }
}

run "refuses_readers_that_are_everybody" {
  command = plan

  variables {
    readers = ["allUsers"]
  }

  expect_failures = [var.readers]
}

run "refuses_writers_that_are_everybody" {
  command = plan

  variables {
    writers = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.writers]
}

run "refuses_to_keep_too_little" {
  command = plan

  variables {
    keep_count = 1
  }

  expect_failures = [var.keep_count]
}
