# The console computes its burn rates for exactly these objectives (brconsole.domain.slo); their ids, goals and periods
# are those that the embedded Google Cloud serves, and a test keeps the two equal.

locals {
  _latencies = { for service, objective in var.objectives : service => objective.latency if objective.latency != null }
}

resource "google_monitoring_service" "main" {
  for_each = var.objectives

  project      = var.project_id
  service_id   = each.key
  display_name = each.key
  user_labels  = var.labels

  basic_service {
    service_type = "CLOUD_RUN"
    service_labels = {
      service_name = each.key
      location     = var.region
    }
  }
}

resource "google_monitoring_slo" "availability" {
  for_each = var.objectives

  project             = var.project_id
  service             = google_monitoring_service.main[each.key].service_id
  slo_id              = "${each.key}-availability"
  display_name        = format("%s availability %g %%", each.key, each.value.availability_goal * 100)
  goal                = each.value.availability_goal
  rolling_period_days = var.period_days
  user_labels         = var.labels

  basic_sli {
    availability {
      enabled = true
    }
  }
}

resource "google_monitoring_slo" "latency" {
  for_each = local._latencies

  project             = var.project_id
  service             = google_monitoring_service.main[each.key].service_id
  slo_id              = "${each.key}-latency"
  display_name        = format("%s latency %g %% under %d ms", each.key, each.value.goal * 100, each.value.threshold_ms)
  goal                = each.value.goal
  rolling_period_days = var.period_days
  user_labels         = var.labels

  basic_sli {
    latency {
      # The API answers with three digits; another spelling of the same duration would be a difference in every plan.
      threshold = format("%.3fs", each.value.threshold_ms / 1000)
    }
  }
}
