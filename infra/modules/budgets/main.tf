# 0.85 stands beside the specification's 50 / 75 / 90 % because its alert table asks for it ("≥ 85 % month-to-date").

locals {
  _forecast_share = 1.0
  _spent_shares   = [0.5, 0.75, 0.85, 0.9]
}

resource "google_billing_budget" "main" {
  billing_account = var.billing_account
  display_name    = "ByteReview ${var.environment}, monthly"

  budget_filter {
    # By number: the API answers with it, and the project's id would be a difference in every plan.
    projects               = ["projects/${var.project_number}"]
    calendar_period        = "MONTH"
    credit_types_treatment = "INCLUDE_ALL_CREDITS"
  }

  amount {
    specified_amount {
      currency_code = "USD"
      units         = tostring(var.monthly_budget_usd)
    }
  }

  dynamic "threshold_rules" {
    for_each = local._spent_shares

    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  threshold_rules {
    threshold_percent = local._forecast_share
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    disable_default_iam_recipients   = true
    monitoring_notification_channels = [var.finance_channel]
    pubsub_topic                     = var.pubsub_topic
    schema_version                   = "1.0"
  }
}
