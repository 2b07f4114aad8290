output "subscription_names" {
  description = "Short names of the subscriptions, by key."
  value       = { for name, subscription in google_pubsub_subscription.main : name => subscription.name }

  depends_on = [google_pubsub_subscription_iam_member.subscriber]
}

output "topic_id" {
  description = "Full name of the topic, with its publishers in place."
  value       = google_pubsub_topic.main.id

  depends_on = [google_pubsub_topic_iam_member.publisher]
}

output "topic_name" {
  description = "Short name of the topic."
  value       = google_pubsub_topic.main.name
}
