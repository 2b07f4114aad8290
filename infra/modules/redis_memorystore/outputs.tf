output "host" {
  description = "Address of the instance, once its password is in its secret."
  value       = google_redis_instance.main.host

  depends_on = [google_secret_manager_secret_version.auth]
}

output "instance_id" {
  description = "Full name of the instance: projects/P/locations/R/instances/I."
  value       = google_redis_instance.main.id
}

output "port" {
  description = "Port of the instance; with encryption in transit it is not 6379."
  value       = google_redis_instance.main.port
}

output "server_ca_certs" {
  description = "Certificates that a client must trust. A second one appears a year before the first runs out."
  value       = google_redis_instance.main.server_ca_certs[*].cert
}
