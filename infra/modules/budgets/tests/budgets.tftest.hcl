mock_provider "google" {}

variables {
  billing_account    = "012345-6789AB-CDEF01"
  environment        = "prod"
  finance_channel    = "channel-finance"
  monthly_budget_usd = 10000
  project_id         = "bytereview-test"
  project_number     = "482100000003"
}

run "amount_and_thresholds" {
  assert {
    condition = (
      google_billing_budget.main.amount[0].specified_amount[0].units == "10000"
      && google_billing_budget.main.amount[0].specified_amount[0].currency_code == "USD"
      && google_billing_budget.main.budget_filter[0].calendar_period == "MONTH"
      && google_billing_budget.main.budget_filter[0].projects == toset(["projects/482100000003"])
    )
    error_message = "10,000 USD a calendar month, for this project."
  }

  assert {
    condition     = [for rule in google_billing_budget.main.threshold_rules : rule.threshold_percent if rule.spend_basis == "CURRENT_SPEND"] == [0.5, 0.75, 0.85, 0.9]
    error_message = "50, 75, 85 and 90 % (§6.3 and §7)."
  }

  assert {
    condition     = [for rule in google_billing_budget.main.threshold_rules : rule.threshold_percent if rule.spend_basis == "FORECASTED_SPEND"] == [1]
    error_message = "A month that will not fit is told before it is spent."
  }
}

run "finance_and_nobody_else" {
  assert {
    condition = (
      google_billing_budget.main.all_updates_rule[0].monitoring_notification_channels == tolist(["channel-finance"])
      && google_billing_budget.main.all_updates_rule[0].disable_default_iam_recipients
    )
    error_message = "The e-mail channel of finance, without Google's default recipients."
  }

  assert {
    condition     = length(google_bigquery_dataset.export) == 0
    error_message = "An account has one export; most environments hold none."
  }
}

run "billing_export" {
  variables {
    export_dataset = { kms_key_id = "projects/p/locations/us/keyRings/r/cryptoKeys/k", readers = { agent = "serviceAccount:agent@bytereview-test.iam.gserviceaccount.com" } }
  }

  assert {
    condition = (
      google_bigquery_dataset.export[0].dataset_id == "billing"
      && google_bigquery_dataset.export[0].location == "US"
      && google_bigquery_dataset.export[0].default_encryption_configuration[0].kms_key_name == "projects/p/locations/us/keyRings/r/cryptoKeys/k"
      && !google_bigquery_dataset.export[0].delete_contents_on_destroy
    )
    error_message = "The export's dataset keeps its rows."
  }

  assert {
    condition     = google_bigquery_dataset_iam_member.reader["agent"].role == "roles/bigquery.dataViewer"
    error_message = "Readers read."
  }
}

run "the_bill_is_not_public" {
  command = plan

  variables {
    export_dataset = { readers = { everyone = "allUsers" } }
  }

  expect_failures = [var.export_dataset]
}

run "a_project_id_is_no_number" {
  command = plan

  variables {
    project_number = "bytereview-test"
  }

  expect_failures = [var.project_number]
}
