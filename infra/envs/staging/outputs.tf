output "DB_PRIVATE_IP" {
  description = "Private address of the database."
  value       = module.postgres.DB_PRIVATE_IP
}

output "connection_name" {
  description = "PROJECT:REGION:INSTANCE of the database."
  value       = module.postgres.connection_name
}

output "environment" {
  description = "What brconsole needs to know of this environment."
  value = {
    job      = module.migrate_job.job_name
    name     = local.environment
    project  = var.project_id
    region   = var.region
    services = sort([for service in module.service : service.service_name])
  }
}

output "host" {
  description = "Address of Redis."
  value       = module.redis.host
}

output "ip_address" {
  description = "Address of the load balancer."
  value       = module.load_balancer.ip_address
}

output "kms_key_id" {
  description = "Key of the stored tokens."
  value       = module.kms_key["tokens"].kms_key_id
}

output "name_servers" {
  description = "Name servers to register or delegate the domain to."
  value       = module.load_balancer.name_servers
}

output "port" {
  description = "Port of Redis."
  value       = module.redis.port
}

output "public_url" {
  description = "Public address of each public service."
  value       = module.load_balancer.urls
}

output "repository_url" {
  description = "What the name of an image begins with."
  value       = module.artifact_registry.repository_url
}

# The names of revisions are no output on purpose: each deploy would change one, and the plan would not be empty.
output "service_url" {
  description = "Cloud Run's own address, by service."
  value       = { for name, service in module.service : name => service.service_url }
}
