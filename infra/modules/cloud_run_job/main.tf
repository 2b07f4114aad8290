locals {
  _account_id = coalesce(var.service_account_id, "${var.name}-job")
  # Known before the account exists, so that callers can use it as a key.
  _email = "${local._account_id}@${var.project_id}.iam.gserviceaccount.com"
}

resource "google_cloud_run_v2_job" "main" {
  project             = var.project_id
  location            = var.region
  name                = var.name
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
      max_retries           = var.max_retries
      timeout               = "${var.timeout_seconds}s"

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"

        network_interfaces {
          network    = var.network.network_id
          subnetwork = var.network.subnetwork_id
        }
      }

      containers {
        image   = var.image
        command = var.container.command
        args    = var.container.args

        resources {
          limits = { cpu = var.container.cpu, memory = var.container.memory }
        }

        dynamic "env" {
          for_each = var.env

          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = var.secret_env

          content {
            name = env.key

            value_source {
              secret_key_ref {
                secret  = env.value
                version = "latest"
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    # The console pins the image to the candidate's digest when it claims a run (annotation brconsole.dev/migration, which the
    # provider leaves alone as long as nobody names it here).
    ignore_changes = [
      client,
      client_version,
      template[0].annotations["run.googleapis.com/operation-id"],
      template[0].labels,
      template[0].template[0].containers[0].image,
    ]
  }

  depends_on = [
    google_project_iam_member.cloudsql_client,
    google_project_iam_member.main,
    google_secret_manager_secret_iam_member.main,
  ]
}
