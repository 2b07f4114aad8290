mock_provider "google" {}

variables {
  project_id = "bytereview-test"
}

run "only_what_went_well_is_excluded" {
  assert {
    condition = alltrue([
      for exclusion in [google_logging_project_exclusion.health_checks, google_logging_project_exclusion.progress_polls] :
      strcontains(exclusion.filter, "httpRequest.status < 400") && strcontains(exclusion.filter, "severity < WARNING") && strcontains(exclusion.filter, "log_id(\"run.googleapis.com/requests\")")
    ])
    error_message = "A failure stays in the log, and nothing but request logs is excluded."
  }

  assert {
    condition     = !coalesce(google_logging_project_exclusion.health_checks.disabled, false) && !coalesce(google_logging_project_exclusion.progress_polls.disabled, false)
    error_message = "Both are in force."
  }
}

run "health_checks_and_progress_polls" {
  assert {
    condition = (
      strcontains(google_logging_project_exclusion.health_checks.filter, "(/healthz|/readyz|/livez|/api/health)(\\\\?|$)")
      && strcontains(google_logging_project_exclusion.health_checks.filter, "GoogleHC")
    )
    error_message = "The paths of health checks, and their user agents."
  }

  assert {
    condition = (
      strcontains(google_logging_project_exclusion.progress_polls.filter, "httpRequest.requestMethod = \"GET\"")
      && strcontains(google_logging_project_exclusion.progress_polls.filter, "(progress|status)")
    )
    error_message = "Polls are GETs of a progress path."
  }

  assert {
    condition     = output.exclusion_names == ["health-checks", "progress-polls"]
    error_message = "Two exclusions."
  }
}

run "a_path_that_would_exclude_everything" {
  command = plan

  variables {
    health_check_paths = ["/"]
  }

  expect_failures = [var.health_check_paths]
}
