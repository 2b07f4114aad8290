locals {
  _hosts_by_service = { for host, service in var.hosts : service => host... }
  _services         = toset(values(var.hosts))
}

resource "google_compute_global_address" "main" {
  project = var.project_id
  name    = var.name
  labels  = var.labels
}

resource "google_compute_region_network_endpoint_group" "main" {
  for_each = local._services

  project               = var.project_id
  region                = var.region
  name                  = "${var.name}-${each.value}"
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value
  }
}

resource "google_compute_backend_service" "main" {
  for_each = local._services

  project               = var.project_id
  name                  = "${var.name}-${each.value}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.main.id

  custom_response_headers = ["Strict-Transport-Security: max-age=31536000; includeSubDomains"]

  backend {
    group = google_compute_region_network_endpoint_group.main[each.value].id
  }

  log_config {
    enable      = true
    sample_rate = var.log_sample_rate
  }
}

resource "google_compute_url_map" "main" {
  project         = var.project_id
  name            = var.name
  default_service = google_compute_backend_service.main[var.default_service].id

  dynamic "host_rule" {
    for_each = local._hosts_by_service

    content {
      hosts        = host_rule.value
      path_matcher = host_rule.key
    }
  }

  dynamic "path_matcher" {
    for_each = local._hosts_by_service

    content {
      name            = path_matcher.key
      default_service = google_compute_backend_service.main[path_matcher.key].id
    }
  }
}

resource "google_compute_ssl_policy" "main" {
  project         = var.project_id
  name            = var.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "main" {
  project         = var.project_id
  name            = var.name
  url_map         = google_compute_url_map.main.id
  ssl_policy      = google_compute_ssl_policy.main.id
  certificate_map = local._certificate_map
}

resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = "${var.name}-https"
  labels                = var.labels
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.main.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.main.id
}

# Plain HTTP is answered with the way to HTTPS, and with nothing else.
resource "google_compute_url_map" "redirect" {
  project = var.project_id
  name    = "${var.name}-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  project = var.project_id
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "http" {
  project               = var.project_id
  name                  = "${var.name}-http"
  labels                = var.labels
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.main.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect.id
}
