# The daily dump to Cloud Storage. An export refuses a name that exists, and a schedule cannot put a date into one: so the
# dump of yesterday is deleted first, and the bucket's versions keep the last thirty.
locals {
  _dump   = var.dump == null ? {} : { main = var.dump }
  _object = "${var.name}.sql.gz"
}

resource "google_service_account" "dump" {
  for_each = local._dump

  project      = var.project_id
  account_id   = "dump-${var.region}"
  display_name = "Starts the daily dump of the database in ${var.region}"
}

resource "google_cloud_scheduler_job" "dump_clear" {
  for_each = local._dump

  project     = var.project_id
  region      = var.region
  name        = "${var.name}-dump-clear"
  description = "Makes yesterday's dump of ${var.name} a noncurrent version, so that the next can have its name"
  schedule    = "${each.value.minute} ${each.value.hour_utc} * * *"
  time_zone   = "Etc/UTC"

  http_target {
    http_method = "DELETE"
    uri         = "https://storage.googleapis.com/storage/v1/b/${each.value.bucket_name}/o/${local._object}"

    oauth_token {
      service_account_email = google_service_account.dump[each.key].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
}

resource "google_cloud_scheduler_job" "dump" {
  for_each = local._dump

  project     = var.project_id
  region      = var.region
  name        = "${var.name}-dump"
  description = "Exports ${var.database_name} to Cloud Storage, on a temporary instance so that the database is not slowed"
  schedule    = "${each.value.minute + 10} ${each.value.hour_utc} * * *"
  time_zone   = "Etc/UTC"

  http_target {
    http_method = "POST"
    uri         = "https://sqladmin.googleapis.com/v1/projects/${var.project_id}/instances/${google_sql_database_instance.main.name}/export"
    headers     = { "Content-Type" = "application/json" }

    body = base64encode(jsonencode({
      exportContext = {
        databases = [var.database_name]
        fileType  = "SQL"
        offload   = true
        uri       = "gs://${each.value.bucket_name}/${local._object}"
      }
    }))

    oauth_token {
      service_account_email = google_service_account.dump[each.key].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  retry_config {
    retry_count          = 3
    min_backoff_duration = "300s"
    max_backoff_duration = "1800s"
  }
}
