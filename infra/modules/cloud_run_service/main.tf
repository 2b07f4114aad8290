locals {
  _account_id = coalesce(var.service_account_id, "${var.name}-run")
  # Known before the account exists, so that callers can use it as a key.
  _email = "${local._account_id}@${var.project_id}.iam.gserviceaccount.com"

  _tracing_env = {
    OTEL_PROPAGATORS         = "tracecontext,baggage"
    OTEL_RESOURCE_ATTRIBUTES = "deployment.environment.name=${var.tracing.environment}"
    OTEL_SERVICE_NAME        = var.name
    OTEL_TRACES_SAMPLER      = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG  = tostring(var.tracing.sample_ratio)
  }
}

resource "google_cloud_run_v2_service" "main" {
  project             = var.project_id
  location            = var.region
  name                = var.name
  labels              = var.labels
  ingress             = var.ingress
  deletion_protection = var.deletion_protection

  dynamic "binary_authorization" {
    for_each = var.binary_authorization ? [true] : []

    content {
      use_default = true
    }
  }

  template {
    service_account                  = google_service_account.main.email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = var.container.concurrency
    timeout                          = "${var.container.timeout_seconds}s"
    # A client that sticks to one revision would spoil the comparison of a canary with its stable.
    session_affinity = false

    scaling {
      min_instance_count = var.scaling.min_instances
      max_instance_count = var.scaling.max_instances
    }

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

      ports {
        container_port = var.container.port
      }

      resources {
        limits            = { cpu = var.container.cpu, memory = var.container.memory }
        cpu_idle          = !var.container.cpu_always_allocated
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = merge(local._tracing_env, var.env)

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

      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 4
        failure_threshold = var.container.startup_seconds / 5

        http_get {
          path = var.container.startup_path
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3

        http_get {
          path = var.container.liveness_path
        }
      }
    }
  }

  lifecycle {
    # One writer a field: the pipeline owns the image, the release engine owns traffic and tags. `template[0].revision` is
    # not ignored: when it shows, somebody deployed with a tag or a suffix.
    ignore_changes = [
      client,
      client_version,
      template[0].annotations["run.googleapis.com/operation-id"],
      template[0].containers[0].image,
      template[0].labels,
      traffic,
    ]
  }

  depends_on = [
    google_kms_crypto_key_iam_member.main,
    google_project_iam_member.cloudsql_client,
    google_project_iam_member.main,
    google_secret_manager_secret_iam_member.main,
  ]
}
