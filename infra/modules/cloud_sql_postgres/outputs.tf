# The specification names this output in capitals; it is what DATABASE_URL is made of.
output "DB_PRIVATE_IP" {
  description = "Private address of the database."
  value       = google_sql_database_instance.main.private_ip_address
}

output "connection_name" {
  description = "PROJECT:REGION:INSTANCE, as the Cloud SQL connectors want it."
  value       = google_sql_database_instance.main.connection_name
}

output "database_name" {
  description = "Name of the database."
  value       = google_sql_database.main.name
}

output "instance_name" {
  description = "Name of the instance."
  value       = google_sql_database_instance.main.name
}
