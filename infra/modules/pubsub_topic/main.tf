locals {
  _dead_letters  = { for name, subscription in var.subscriptions : name => subscription if subscription.dead_letters }
  _retention     = "${7 * 24 * 60 * 60}s"
  _service_agent = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "main" {
  project                    = var.project_id
  name                       = var.name
  labels                     = var.labels
  kms_key_name               = var.kms_key_id
  message_retention_duration = local._retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
    enforce_in_transit          = true
  }
}

resource "google_pubsub_subscription" "main" {
  for_each = var.subscriptions

  project                      = var.project_id
  name                         = "${var.name}-${each.key}"
  topic                        = google_pubsub_topic.main.id
  labels                       = var.labels
  ack_deadline_seconds         = each.value.ack_deadline_seconds
  message_retention_duration   = local._retention
  enable_exactly_once_delivery = true

  # Without this, a subscription that nobody reads for a month is deleted.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dynamic "dead_letter_policy" {
    for_each = each.value.dead_letters ? [each.value.max_delivery_attempts] : []

    content {
      dead_letter_topic     = google_pubsub_topic.dead_letter[each.key].id
      max_delivery_attempts = dead_letter_policy.value
    }
  }
}

resource "google_pubsub_topic" "dead_letter" {
  for_each = local._dead_letters

  project                    = var.project_id
  name                       = "${var.name}-${each.key}-dead-letter"
  labels                     = var.labels
  kms_key_name               = var.kms_key_id
  message_retention_duration = local._retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
    enforce_in_transit          = true
  }
}

# A topic keeps nothing that nobody subscribes to.
resource "google_pubsub_subscription" "dead_letter" {
  for_each = local._dead_letters

  project                    = var.project_id
  name                       = "${var.name}-${each.key}-dead-letter"
  topic                      = google_pubsub_topic.dead_letter[each.key].id
  labels                     = var.labels
  message_retention_duration = local._retention

  expiration_policy {
    ttl = ""
  }
}
