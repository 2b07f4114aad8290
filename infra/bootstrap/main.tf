locals {
  labels = {
    app        = "bytereview"
    managed_by = "terraform"
    stack      = "bootstrap"
  }

  # Environments by project: prod and its standby share one.
  projects = {
    for project in distinct([for environment in var.environments : environment.project_id]) :
    project => sort([for name, environment in var.environments : name if environment.project_id == project])
  }

  # One bucket an environment, so that who may touch one state cannot touch another.
  state_buckets = merge(
    { for name, environment in var.environments : name => environment.project_id },
    { bootstrap = var.environments["prod"].project_id },
  )
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:Who reads and writes the state is in Cloud Audit Logs; access logs into a bucket are for static sites.
  for_each = local.state_buckets

  project                     = each.value
  name                        = "${var.state_bucket_prefix}-${each.key}"
  location                    = "US"
  labels                      = merge(local.labels, { environment = each.key })
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # Every state that ever was can be restored from a version. There is no retention policy: a lock on the bucket would forbid
  # Terraform to remove its own lock (the object *.tflock) and to write the next state.
  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 30 * 24 * 60 * 60
  }

  # Every plan leaves a noncurrent lock.
  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      matches_suffix             = [".tflock"]
      days_since_noncurrent_time = 1
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      matches_suffix     = [".tfstate"]
      num_newer_versions = 50
      with_state         = "ARCHIVED"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.main]
}
