mock_provider "google" {}

# Only plans: the DNS zone cannot be destroyed.
variables {
  project_id      = "bytereview-prod"
  region          = "us-central1"
  name            = "bytereview"
  default_service = "frontend"
  dns_domain      = "bytereview.ai"
  hosts           = { "app.bytereview.ai" = "frontend", "api.bytereview.ai" = "api" }
}

run "each_name_to_its_service" {
  command = plan

  assert {
    condition     = { for rule in google_compute_url_map.main.host_rule : one(rule.hosts) => rule.path_matcher } == { "app.bytereview.ai" = "frontend", "api.bytereview.ai" = "api" }
    error_message = "app goes to the frontend and api to the API."
  }

  assert {
    condition     = toset([for group in google_compute_region_network_endpoint_group.main : one(group.cloud_run).service]) == toset(["api", "frontend"])
    error_message = "Each service is behind a group of its own."
  }

  assert {
    condition     = output.urls == { api = "https://api.bytereview.ai", frontend = "https://app.bytereview.ai" }
    error_message = "urls tells where a service answers."
  }
}

run "encrypted_and_guarded" {
  command = plan

  assert {
    condition     = google_compute_ssl_policy.main.min_tls_version == "TLS_1_2" && google_compute_ssl_policy.main.profile == "MODERN"
    error_message = "Nothing older than TLS 1.2."
  }

  assert {
    condition     = one(google_compute_url_map.redirect.default_url_redirect).https_redirect && google_compute_global_forwarding_rule.http.port_range == "80"
    error_message = "Plain HTTP is only answered with the way to HTTPS."
  }

  assert {
    condition     = one([for rule in google_compute_security_policy.main.rule : rule.preview if strcontains(try(one(one(rule.match).expr).expression, ""), "cve-canary")]) == false
    error_message = "Log4Shell is refused, not only watched."
  }

  assert {
    condition     = one([for rule in google_compute_security_policy.main.rule : one(one(rule.rate_limit_options).rate_limit_threshold).count if rule.action == "throttle"]) == 1200
    error_message = "One address gets so many requests a minute and no more."
  }

  assert {
    condition     = alltrue([for service in google_compute_backend_service.main : contains(service.custom_response_headers, "Strict-Transport-Security: max-age=31536000; includeSubDomains")])
    error_message = "Browsers are told to stay with HTTPS."
  }
}

run "owns_its_names" {
  command = plan

  assert {
    condition     = google_dns_managed_zone.main["main"].dns_name == "bytereview.ai." && one(google_dns_managed_zone.main["main"].dnssec_config).state == "on"
    error_message = "The zone is signed."
  }

  assert {
    condition     = alltrue([for record in google_dns_record_set.host : record.ttl == 60])
    error_message = "A cut-over must be seen within a minute."
  }

  assert {
    condition     = length(google_certificate_manager_certificate.main) == 2
    error_message = "Each name has a certificate."
  }
}

run "delegates_what_lies_elsewhere" {
  command = plan

  variables {
    delegations = { "dev.bytereview.ai" = ["ns-cloud-a1.googledomains.com."] }
  }

  assert {
    condition     = google_dns_record_set.delegation["dev.bytereview.ai"].type == "NS"
    error_message = "A domain with a zone elsewhere is delegated."
  }
}

run "a_standby_has_no_names_of_its_own" {
  command = plan

  variables {
    certificate_map = "//certificatemanager.googleapis.com/projects/bytereview-prod/locations/global/certificateMaps/bytereview"
    dns_domain      = null
    name            = "bytereview-dr"
  }

  assert {
    condition     = length(google_dns_managed_zone.main) == 0 && length(google_dns_record_set.host) == 0 && length(google_certificate_manager_certificate.main) == 0
    error_message = "Zone, records and certificates are the other environment's."
  }

  assert {
    condition     = google_compute_target_https_proxy.main.certificate_map == var.certificate_map
    error_message = "It serves with the certificates that it was given, before DNS points at it."
  }

  assert {
    condition     = output.zone_name == null && length(output.name_servers) == 0
    error_message = "A standby has no zone to tell of."
  }
}

run "refuses_a_map_by_its_short_name" {
  command = plan

  variables {
    certificate_map = "bytereview"
  }

  expect_failures = [var.certificate_map]
}

run "refuses_a_name_with_a_dot_at_the_end" {
  command = plan

  variables {
    hosts = { "app.bytereview.ai." = "frontend" }
  }

  expect_failures = [var.hosts]
}

run "refuses_to_lock_users_out" {
  command = plan

  variables {
    requests_per_minute = 5
  }

  expect_failures = [var.requests_per_minute]
}
