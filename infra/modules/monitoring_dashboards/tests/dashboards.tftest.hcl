mock_provider "google" {}

variables {
  project_id           = "bytereview-test"
  billing_account      = "012345-6789AB-CDEF01"
  latency_threshold_ms = 500

  environments = {
    prod = { project_id = "bytereview-test", monthly_budget_usd = 10000 }
  }

  availability_slos = {
    api = "projects/bytereview-test/services/api/serviceLevelObjectives/api-availability"
  }

  latency_slos = {
    api = "projects/bytereview-test/services/api/serviceLevelObjectives/api-latency"
  }
}

run "four_dashboards_of_the_specification" {
  assert {
    condition     = keys(google_monitoring_dashboard.main) == ["api_slo", "gcp_costs", "vertex_usage", "workers"]
    error_message = "API SLO, Workers, Vertex usage and GCP costs (§6.2)."
  }

  assert {
    condition = [for name in ["api_slo", "gcp_costs", "vertex_usage", "workers"] : jsondecode(output.dashboards_json[name]).displayName] == [
      "API SLO (prod)", "GCP costs (prod)", "Vertex usage (prod)", "Workers (prod)",
    ]
    error_message = "Each says which environment it shows."
  }
}

run "every_dashboard_is_a_grid_without_zeroes" {
  assert {
    condition = alltrue([
      for json in values(output.dashboards_json) : alltrue([
        for tile in jsondecode(json).mosaicLayout.tiles : try(tile.xPos, 0) + tile.width <= 48 && try(tile.xPos, 1) > 0 && try(tile.yPos, 1) > 0
      ])
    ])
    error_message = "Tiles stay inside 48 columns; xPos and yPos of 0 are left out, as the API does."
  }

  assert {
    condition     = alltrue([for json in values(output.dashboards_json) : jsondecode(json).mosaicLayout.columns == 48])
    error_message = "48 columns."
  }

  assert {
    condition     = alltrue([for json in values(output.dashboards_json) : !can(jsondecode(json).dashboardFilters)])
    error_message = "One environment needs no filter by project."
  }
}

run "key_charts_of_the_specification" {
  assert {
    condition = (
      strcontains(output.dashboards_json["api_slo"], "REDUCE_PERCENTILE_95")
      && strcontains(output.dashboards_json["api_slo"], "run.googleapis.com/request_latencies")
      && strcontains(output.dashboards_json["api_slo"], "timeSeriesFilterRatio")
      && strcontains(output.dashboards_json["api_slo"], "select_slo_budget_fraction(\\\"projects/bytereview-test/services/api/serviceLevelObjectives/api-availability\\\")")
    )
    error_message = "p95 latency, error rate, and the budgets of the objectives."
  }

  assert {
    condition = alltrue([
      for metric in ["queue_depth", "job_runtime", "jobs", "oldest_age"] : strcontains(output.dashboards_json["workers"], "custom.googleapis.com/arq/${metric}")
    ])
    error_message = "Queue depth, run time p95 and failures."
  }

  assert {
    condition = (
      strcontains(output.dashboards_json["vertex_usage"], "publisher/online_serving/token_count")
      && strcontains(output.dashboards_json["vertex_usage"], "metric.labels.response_code = \\\"429\\\"")
      && strcontains(output.dashboards_json["vertex_usage"], "86400s")
    )
    error_message = "Tokens a day and the 429 rate."
  }

  assert {
    condition = (
      strcontains(output.dashboards_json["gcp_costs"], "topk(5, sum by (service_name)")
      && [for line in jsondecode(output.dashboards_json["gcp_costs"]).mosaicLayout.tiles[1].widget.xyChart.thresholds : line.value] == [328]
    )
    error_message = "The top services, and the daily share of 10,000 USD a month."
  }

  assert {
    condition = (
      [for line in jsondecode(output.dashboards_json["api_slo"]).mosaicLayout.tiles[0].widget.xyChart.thresholds : line.value] == [500]
      && [for line in jsondecode(output.dashboards_json["api_slo"]).mosaicLayout.tiles[1].widget.xyChart.thresholds : line.value] == [0.02]
      && [for line in jsondecode(output.dashboards_json["workers"]).mosaicLayout.tiles[0].widget.xyChart.thresholds : line.value] == [10000]
    )
    error_message = "The lines in the charts are the limits of the objectives and alerts."
  }
}

run "dev_and_staging_share" {
  variables {
    environments = {
      dev     = { project_id = "br-dev-test", monthly_budget_usd = 500 }
      staging = { project_id = "br-stage-test", monthly_budget_usd = 1500 }
    }
  }

  assert {
    condition = (
      jsondecode(output.dashboards_json["api_slo"]).displayName == "API SLO (dev + staging)"
      && jsondecode(output.dashboards_json["api_slo"]).dashboardFilters[0].labelKey == "project_id"
      && strcontains(output.dashboards_json["api_slo"], "\"groupByFields\": [\"resource.labels.project_id\",\"resource.labels.service_name\"]")
    )
    error_message = "Shared dashboards tell the projects apart."
  }

  assert {
    condition     = [for line in jsondecode(output.dashboards_json["gcp_costs"]).mosaicLayout.tiles[1].widget.xyChart.thresholds : line.value] == [16, 49]
    error_message = "Each environment has its own daily budget."
  }
}

run "prod_shares_with_nobody" {
  command = plan

  variables {
    environments = {
      prod    = { project_id = "bytereview-test", monthly_budget_usd = 10000 }
      staging = { project_id = "br-stage-test", monthly_budget_usd = 1500 }
    }
  }

  expect_failures = [var.environments]
}
