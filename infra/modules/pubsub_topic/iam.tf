locals {
  _subscribers = merge([
    for name, subscription in var.subscriptions : { for member in subscription.subscribers : "${name} ${member}" => { name = name, member = member } }
  ]...)
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = toset(var.publishers)

  project = var.project_id
  topic   = google_pubsub_topic.main.name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

resource "google_pubsub_subscription_iam_member" "subscriber" {
  for_each = local._subscribers

  project      = var.project_id
  subscription = google_pubsub_subscription.main[each.value.name].name
  role         = "roles/pubsub.subscriber"
  member       = each.value.member
}

# Pub/Sub itself moves a message that failed too often: it publishes to one and acknowledges on the other.
resource "google_pubsub_topic_iam_member" "dead_letter" {
  for_each = local._dead_letters

  project = var.project_id
  topic   = google_pubsub_topic.dead_letter[each.key].name
  role    = "roles/pubsub.publisher"
  member  = local._service_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter" {
  for_each = local._dead_letters

  project      = var.project_id
  subscription = google_pubsub_subscription.main[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local._service_agent
}
