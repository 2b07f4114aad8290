locals {
  _account_id = "recommender-digest"

  # LOCATION/RECOMMENDER. IAM's are global, the others lie where the resources lie.
  _recommenders = concat(
    ["global/google.iam.policy.Recommender"],
    [
      for recommender in [
        "google.cloudsql.instance.IdleRecommender",
        "google.cloudsql.instance.OverprovisionedRecommender",
        "google.run.service.CostRecommender",
        "google.run.service.IdentityRecommender",
        "google.run.service.SecurityRecommender",
      ] : "${var.region}/${recommender}"
    ],
  )
}

resource "google_cloud_run_v2_job" "main" {
  project             = var.project_id
  location            = var.region
  name                = "recommender-digest"
  labels              = var.labels
  deletion_protection = var.deletion_protection

  dynamic "binary_authorization" {
    for_each = var.binary_authorization ? [true] : []

    content {
      use_default = true
    }
  }

  template {
    parallelism = 1
    task_count  = 1

    template {
      service_account       = google_service_account.main.email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      max_retries           = 1
      timeout               = "300s"

      containers {
        image   = var.image
        command = ["python3"]
        args    = ["-c", file("${path.module}/digest.py")]

        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }

        env {
          name  = "PROJECT_ID"
          value = var.project_id
        }

        env {
          name  = "RECOMMENDERS"
          value = join(",", local._recommenders)
        }

        env {
          name = "SLACK_WEBHOOK_URL"

          value_source {
            secret_key_ref {
              secret  = var.slack_webhook_secret
              version = "latest"
            }
          }
        }
      }
    }
  }

  lifecycle {
    # The pipeline owns the image, as everywhere.
    ignore_changes = [
      client,
      client_version,
      template[0].annotations["run.googleapis.com/operation-id"],
      template[0].labels,
      template[0].template[0].containers[0].image,
    ]
  }

  depends_on = [google_secret_manager_secret_iam_member.webhook]
}

resource "google_cloud_scheduler_job" "main" {
  project          = var.project_id
  region           = var.region
  name             = "recommender-digest"
  description      = "The week's recommendations to Slack."
  schedule         = var.schedule
  time_zone        = var.time_zone
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${google_cloud_run_v2_job.main.name}:run"

    oauth_token {
      service_account_email = google_service_account.scheduler.email
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.scheduler]
}
