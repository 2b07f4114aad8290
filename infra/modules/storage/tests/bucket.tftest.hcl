mock_provider "google" {}

# Only plans: the bucket cannot be destroyed.
variables {
  project_id = "bytereview-prod"
  name       = "bytereview-prod-documents"
  kms_key_id = "projects/bytereview-prod/locations/us/keyRings/bytereview-objects/cryptoKeys/bytereview-objects"
}

run "never_public" {
  command = plan

  assert {
    condition     = google_storage_bucket.main.public_access_prevention == "enforced" && google_storage_bucket.main.uniform_bucket_level_access
    error_message = "Public access is prevented, and access is by IAM alone."
  }

  assert {
    condition     = one(google_storage_bucket.main.encryption).default_kms_key_name == var.kms_key_id
    error_message = "Objects are encrypted with our own key."
  }

  assert {
    condition     = !google_storage_bucket.main.force_destroy
    error_message = "A bucket with objects in it is never deleted."
  }
}

run "thirty_days_of_versions" {
  command = plan

  assert {
    condition     = one(google_storage_bucket.main.versioning).enabled
    error_message = "Overwritten objects must stay as versions."
  }

  assert {
    condition     = one([for rule in google_storage_bucket.main.lifecycle_rule : one(rule.condition).days_since_noncurrent_time if one(rule.action).type == "Delete"]) == 30
    error_message = "Versions are kept for 30 days, and deleted only when they are noncurrent."
  }

  assert {
    condition     = one([for rule in google_storage_bucket.main.lifecycle_rule : one(rule.condition).age if one(rule.action).type == "Delete"]) == null
    error_message = "No live object is deleted for its age."
  }
}

run "survives_a_region" {
  command = plan

  assert {
    condition     = google_storage_bucket.main.location == "US"
    error_message = "Objects lie in more than one region."
  }
}

run "members_by_role" {
  command = plan

  variables {
    iam = { "roles/storage.objectUser" = ["serviceAccount:api-run@bytereview-prod.iam.gserviceaccount.com"] }
  }

  assert {
    condition     = one(values(google_storage_bucket_iam_member.main)).role == "roles/storage.objectUser"
    error_message = "The member gets the role that was named."
  }
}

run "refuses_everybody" {
  command = plan

  variables {
    iam = { "roles/storage.objectViewer" = ["allUsers"] }
  }

  expect_failures = [var.iam]
}

run "refuses_to_forget_sooner" {
  command = plan

  variables {
    version_retention_days = 7
  }

  expect_failures = [var.version_retention_days]
}

run "refuses_a_name_that_is_no_bucket_name" {
  command = plan

  variables {
    name = "Documents_"
  }

  expect_failures = [var.name]
}
