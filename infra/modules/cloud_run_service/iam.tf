locals {
  _project_roles = toset([
    "roles/cloudtrace.agent",
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ])

  _kms_roles = var.kms_key == null ? toset([]) : toset(concat(
    ["roles/cloudkms.cryptoKeyDecrypter"],
    var.kms_key.encrypts ? ["roles/cloudkms.cryptoKeyEncrypter"] : [],
  ))

  _invokers = toset(concat(var.invokers, var.public ? ["allUsers"] : []))
}

resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = local._account_id
  display_name = "Runs the Cloud Run service ${var.name}"
}

resource "google_project_iam_member" "main" {
  for_each = local._project_roles

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${google_service_account.main.email}"
}

# One instance only, by condition: the project may hold other databases.
resource "google_project_iam_member" "cloudsql_client" {
  for_each = var.sql_instance == null ? {} : { (var.sql_instance) = "roles/cloudsql.client" }

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${google_service_account.main.email}"

  condition {
    title      = "only-${each.key}"
    expression = "resource.service == 'sqladmin.googleapis.com' && resource.name == 'projects/${var.project_id}/instances/${each.key}'"
  }
}

resource "google_kms_crypto_key_iam_member" "main" {
  for_each = local._kms_roles

  crypto_key_id = var.kms_key.kms_key_id
  role          = each.value
  member        = "serviceAccount:${google_service_account.main.email}"
}

resource "google_secret_manager_secret_iam_member" "main" {
  for_each = toset(values(var.secret_env))

  project   = var.project_id
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.main.email}"
}

# Who deploys must be allowed to act as the account: here, on this account alone.
resource "google_service_account_iam_member" "user" {
  for_each = toset(var.service_account_users)

  service_account_id = google_service_account.main.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local._invokers

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.main.name
  role     = "roles/run.invoker"
  member   = each.value
}
