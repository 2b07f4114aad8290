# The two paging rows of the SRE Workbook's table 5-8. Both windows of a row must burn: the long one says that it
# matters, the short one that it still goes on. The ticket row (3 days) is the console's: Monitoring looks back a day.
# Without requests there is no burn: silence is no alert, and holds no release.

locals {
  _burns = {
    fast = { rate = 14.4, long = "3600s", short = "300s", says = "2 % of the 30-day budget in an hour" }
    slow = { rate = 6, long = "21600s", short = "1800s", says = "5 % of the 30-day budget in six hours" }
  }
  _burn_policies = merge([
    for service, slo in var.availability_slos : {
      for name, burn in local._burns : "${service}-${name}" => merge(burn, { service = service, slo = slo })
    }
  ]...)
}

resource "google_monitoring_alert_policy" "burn" {
  for_each = local._burn_policies

  project               = var.project_id
  display_name          = "Error budget of ${each.value.service}, burn above ${each.value.rate}"
  combiner              = "AND"
  severity              = "CRITICAL"
  notification_channels = [var.routes.critical]
  user_labels           = merge(var.labels, { severity = "critical", team = "backend" })

  conditions {
    display_name = "burn above ${each.value.rate} over ${each.value.long}"

    condition_threshold {
      filter          = "select_slo_burn_rate(\"${each.value.slo}\", \"${each.value.long}\")"
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.rate
      duration        = "60s"

      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"

      trigger {
        count = 1
      }
    }
  }

  conditions {
    display_name = "burn above ${each.value.rate} over ${each.value.short}"

    condition_threshold {
      filter          = "select_slo_burn_rate(\"${each.value.slo}\", \"${each.value.short}\")"
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.rate
      duration        = "60s"

      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"

      trigger {
        count = 1
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      ${each.value.service} spends its error budget ${each.value.rate} times faster than it may: ${each.value.says}.
      `brconsole status ${var.environment}` shows since when. ${local._runbooks.burn}
    EOT
  }

  alert_strategy {
    auto_close           = local._auto_close
    notification_prompts = local._prompts
  }
}
