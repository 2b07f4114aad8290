mock_provider "google" {
  mock_resource "google_pubsub_topic" {
    defaults = {
      id = "projects/br-dev-4821/topics/bytereview-jobs"
    }
  }
}

variables {
  project_id     = "br-dev-4821"
  project_number = 482100000001
  region         = "us-central1"
  name           = "bytereview-jobs"
  kms_key_id     = "projects/br-dev-4821/locations/us-central1/keyRings/bytereview-data/cryptoKeys/bytereview-data"
}

run "stays_in_its_region_under_our_key" {
  assert {
    condition     = one(google_pubsub_topic.main.message_storage_policy).allowed_persistence_regions == toset(["us-central1"])
    error_message = "Messages are kept in one region."
  }

  assert {
    condition     = google_pubsub_topic.main.kms_key_name == var.kms_key_id
    error_message = "Messages are encrypted with our own key."
  }

  assert {
    condition     = google_pubsub_topic.main.message_retention_duration == "604800s"
    error_message = "Messages can be replayed for seven days."
  }

  assert {
    condition     = length(google_pubsub_topic_iam_member.publisher) == 0 && length(google_pubsub_subscription.main) == 0
    error_message = "Nobody publishes or reads unless named."
  }
}

run "a_message_that_keeps_failing_is_set_aside" {
  variables {
    publishers    = ["serviceAccount:api-run@br-dev-4821.iam.gserviceaccount.com"]
    subscriptions = { import = { subscribers = ["serviceAccount:worker-import-run@br-dev-4821.iam.gserviceaccount.com"] } }
  }

  assert {
    condition     = one(google_pubsub_subscription.main["import"].dead_letter_policy).max_delivery_attempts == 5
    error_message = "After five attempts a message goes to the dead letters."
  }

  assert {
    condition     = google_pubsub_topic_iam_member.dead_letter["import"].member == "serviceAccount:service-482100000001@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub itself must be able to publish the dead letter."
  }

  assert {
    condition     = google_pubsub_subscription_iam_member.dead_letter["import"].role == "roles/pubsub.subscriber"
    error_message = "Pub/Sub itself must be able to acknowledge the dead letter."
  }

  assert {
    condition     = one(google_pubsub_subscription.main["import"].expiration_policy).ttl == "" && one(google_pubsub_subscription.dead_letter["import"].expiration_policy).ttl == ""
    error_message = "A subscription must not disappear because nobody read it."
  }

  assert {
    condition     = one(values(google_pubsub_subscription_iam_member.subscriber)).role == "roles/pubsub.subscriber" && one(values(google_pubsub_topic_iam_member.publisher)).role == "roles/pubsub.publisher"
    error_message = "Publishers publish and subscribers read, no more."
  }
}

run "no_dead_letters_where_not_wanted" {
  variables {
    subscriptions = { audit = { dead_letters = false } }
  }

  assert {
    condition     = length(google_pubsub_topic.dead_letter) == 0 && length(google_pubsub_subscription.main["audit"].dead_letter_policy) == 0
    error_message = "Without dead letters a message is tried for ever."
  }
}

run "refuses_too_few_attempts" {
  command = plan

  variables {
    subscriptions = { import = { max_delivery_attempts = 1 } }
  }

  expect_failures = [var.subscriptions]
}

run "refuses_everybody" {
  command = plan

  variables {
    publishers = ["allUsers"]
  }

  expect_failures = [var.publishers]
}

run "refuses_a_name_of_googles" {
  command = plan

  variables {
    name = "google-jobs"
  }

  expect_failures = [var.name]
}
