output "ip_address" {
  description = "Address that the hosts' A records name, after the cut-over in the case of a standby."
  value       = google_compute_global_address.main.address
}

output "name_servers" {
  description = "Name servers to register for dns_domain, or to delegate it to; empty for a standby."
  value       = flatten([for zone in google_dns_managed_zone.main : zone.name_servers])
}

output "urls" {
  description = "Public address of each service (the first of its hosts)."
  value       = { for service, hosts in local._hosts_by_service : service => "https://${hosts[0]}" }

  depends_on = [google_compute_global_forwarding_rule.https]
}

output "zone_name" {
  description = "Name of the DNS zone; null for a standby."
  value       = one([for zone in google_dns_managed_zone.main : zone.name])
}
