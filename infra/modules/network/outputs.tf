output "network_id" {
  description = "Full name of the network, once private services can be reached through it."
  value       = google_compute_network.main.id

  depends_on = [google_service_networking_connection.services]
}

output "subnetwork_id" {
  description = "Full name of the subnetwork for Cloud Run."
  value       = google_compute_subnetwork.run.id
}
