resource "google_service_account" "main" {
  project      = var.project_id
  account_id   = local._account_id
  display_name = "Tells Slack what Recommender recommends"
}

# Lists what digest.py lists. It cannot apply, dismiss or see anything else.
resource "google_project_iam_custom_role" "main" {
  project     = var.project_id
  role_id     = "recommenderDigest"
  title       = "Recommender digest"
  description = "Listing the recommendations that the weekly digest tells."
  permissions = [
    "recommender.cloudsqlIdleInstanceRecommendations.list",
    "recommender.cloudsqlOverprovisionedInstanceRecommendations.list",
    "recommender.iamPolicyRecommendations.list",
    "recommender.runServiceCostRecommendations.list",
    "recommender.runServiceIdentityRecommendations.list",
    "recommender.runServiceSecurityRecommendations.list",
  ]
}

resource "google_project_iam_member" "main" {
  project = var.project_id
  role    = google_project_iam_custom_role.main.name
  member  = "serviceAccount:${google_service_account.main.email}"
}

resource "google_secret_manager_secret_iam_member" "webhook" {
  project   = var.project_id
  secret_id = var.slack_webhook_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.main.email}"
}

resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = "${local._account_id}-start"
  display_name = "Starts the Recommender digest"
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.main.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.scheduler.email}"
}
