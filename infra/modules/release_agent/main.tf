# A job that passes once a minute, rather than a container that stays: see README.md for the choice.

locals {
  _account_id  = "brconsole-agent"
  _config_path = "/etc/brconsole"
  # Known before the account exists, so that callers can use it in names.
  _email = "${local._account_id}@${var.project_id}.iam.gserviceaccount.com"
  _mode  = var.drives ? ["--write", "--yes", "--reason", "release agent"] : []
}

resource "google_cloud_run_v2_job" "main" {
  project             = var.project_id
  location            = var.region
  name                = "brconsole-agent"
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
      timeout               = "${var.pass_timeout_seconds}s"

      # The next minute tries again, with a fresh look; a retry would act on an old one.
      max_retries = 0

      containers {
        image   = var.image
        command = ["brconsole"]
        args    = concat(["agent", var.environment, "--once", "--json"], local._mode)

        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }

        env {
          name  = "BRCONSOLE_CONFIG"
          value = "${local._config_path}/brconsole.toml"
        }

        # Its journal lives as long as the pass; what lasts is the audit log.
        env {
          name  = "XDG_STATE_HOME"
          value = "/tmp/state"
        }

        volume_mounts {
          name       = "configuration"
          mount_path = local._config_path
        }
      }

      volumes {
        name = "configuration"

        secret {
          secret       = google_secret_manager_secret.configuration.secret_id
          default_mode = 292 # 0444: the image runs as a user that Terraform does not know

          items {
            path    = "brconsole.toml"
            version = "latest"
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

  depends_on = [
    google_secret_manager_secret_iam_member.configuration,
    google_secret_manager_secret_version.configuration,
  ]
}

resource "google_cloud_scheduler_job" "main" {
  project          = var.project_id
  region           = var.region
  name             = "brconsole-agent"
  description      = "One pass of the release agent over ${var.environment}."
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "30s"
  paused           = var.paused

  # A pass that could not be started is made up for by the next minute's.
  retry_config {
    retry_count = 0
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
