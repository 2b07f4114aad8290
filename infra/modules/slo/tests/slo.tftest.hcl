mock_provider "google" {}

variables {
  project_id = "bytereview-test"
  region     = "us-central1"
  objectives = {
    api      = { availability_goal = 0.999, latency = { goal = 0.99, threshold_ms = 500 } }
    frontend = { availability_goal = 0.999 }
  }
}

run "ids_goals_and_period" {
  assert {
    condition = (
      google_monitoring_slo.availability["api"].slo_id == "api-availability"
      && google_monitoring_slo.availability["api"].goal == 0.999
      && google_monitoring_slo.availability["api"].rolling_period_days == 30
      && google_monitoring_slo.availability["api"].display_name == "api availability 99.9 %"
    )
    error_message = "The console knows this objective as api-availability, 99.9 % over 30 days."
  }

  assert {
    condition = (
      google_monitoring_slo.latency["api"].slo_id == "api-latency"
      && google_monitoring_slo.latency["api"].goal == 0.99
      && google_monitoring_slo.latency["api"].rolling_period_days == 30
      && google_monitoring_slo.latency["api"].display_name == "api latency 99 % under 500 ms"
    )
    error_message = "The console knows this objective as api-latency, 99 % over 30 days."
  }

  assert {
    condition     = google_monitoring_slo.latency["api"].basic_sli[0].latency[0].threshold == "0.500s"
    error_message = "500 ms, with the three digits that the API answers."
  }

  assert {
    condition     = google_monitoring_slo.availability["api"].basic_sli[0].availability[0].enabled
    error_message = "Availability is the share of requests without 5xx."
  }
}

run "services_are_cloud_run_services" {
  assert {
    condition = (
      google_monitoring_service.main["api"].service_id == "api"
      && google_monitoring_service.main["api"].basic_service[0].service_type == "CLOUD_RUN"
      && google_monitoring_service.main["api"].basic_service[0].service_labels.service_name == "api"
      && google_monitoring_service.main["api"].basic_service[0].service_labels.location == "us-central1"
    )
    error_message = "The console finds the Cloud Run service of an objective by these labels."
  }

  assert {
    condition     = keys(google_monitoring_slo.latency) == ["api"] && keys(google_monitoring_slo.availability) == ["api", "frontend"]
    error_message = "A service without a latency goal has no latency objective."
  }

  assert {
    condition     = output.availability_slos.api == "projects/bytereview-test/services/api/serviceLevelObjectives/api-availability"
    error_message = "The selectors need the full name."
  }
}

run "a_goal_that_monitoring_refuses" {
  command = plan

  variables {
    objectives = { api = { availability_goal = 1 } }
  }

  expect_failures = [var.objectives]
}

run "a_period_that_monitoring_refuses" {
  command = plan

  variables {
    period_days = 31
  }

  expect_failures = [var.period_days]
}
