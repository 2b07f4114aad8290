locals {
  _waf_rules = {
    1000 = { rule_set = "cve-canary", description = "Log4Shell and its like" }
    1010 = { rule_set = "sqli-v33-stable", description = "SQL injection" }
    1020 = { rule_set = "xss-v33-stable", description = "Cross-site scripting" }
  }
}

resource "google_compute_security_policy" "main" {
  project     = var.project_id
  name        = var.name
  description = "What the load balancer lets through"
  type        = "CLOUD_ARMOR"

  # Documents are uploaded through the API: only Log4Shell is refused outright, the broader rules are watched in the log first.
  dynamic "rule" {
    for_each = local._waf_rules

    content {
      action      = "deny(403)"
      priority    = rule.key
      description = rule.value.description
      preview     = rule.value.rule_set != "cve-canary"

      match {
        expr {
          expression = "evaluatePreconfiguredExpr('${rule.value.rule_set}')"
        }
      }
    }
  }

  rule {
    action      = "throttle"
    priority    = 2000
    description = "So many requests a minute from one address"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "Everything else"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
