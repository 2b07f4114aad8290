resource "google_project_iam_custom_role" "dump" {
  for_each = local._dump

  project     = var.project_id
  role_id     = "database_dump_${replace(var.region, "-", "_")}"
  title       = "Dump of a database in ${var.region}"
  description = "Starts exports of Cloud SQL instances; reads no data"
  permissions = ["cloudsql.instances.export"]
}

resource "google_project_iam_member" "dump" {
  for_each = local._dump

  project = var.project_id
  role    = google_project_iam_custom_role.dump[each.key].name
  member  = "serviceAccount:${google_service_account.dump[each.key].email}"

  condition {
    title      = "only-${var.name}"
    expression = "resource.service == 'sqladmin.googleapis.com' && resource.name == 'projects/${var.project_id}/instances/${var.name}'"
  }
}

resource "google_storage_bucket_iam_member" "dump_clear" {
  for_each = local._dump

  bucket = each.value.bucket_name
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${google_service_account.dump[each.key].email}"

  condition {
    title      = "only-the-dump"
    expression = "resource.name == 'projects/_/buckets/${each.value.bucket_name}/objects/${local._object}'"
  }
}

# It is the instance that writes the dump.
resource "google_storage_bucket_iam_member" "dump_write" {
  for_each = local._dump

  bucket = each.value.bucket_name
  role   = "roles/storage.objectAdmin"
  member = "serviceAccount:${google_sql_database_instance.main.service_account_email_address}"
}
