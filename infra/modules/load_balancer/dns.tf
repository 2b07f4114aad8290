# The zone, the records and the certificates; or, for a standby of the same names, none of them: it has the certificates of the
# one it stands by for, and DNS points at it after the cut-over.
locals {
  _zone            = var.dns_domain == null ? {} : { main = var.dns_domain }
  _owned_hosts     = var.dns_domain == null ? toset([]) : toset(keys(var.hosts))
  _certificate_map = var.dns_domain == null ? var.certificate_map : "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.main["main"].id}"
}

resource "google_dns_managed_zone" "main" {
  for_each = local._zone

  project     = var.project_id
  name        = replace(each.value, ".", "-")
  dns_name    = "${each.value}."
  description = "Names of ByteReview under ${each.value}"
  labels      = var.labels

  dnssec_config {
    state = "on"
  }

  cloud_logging_config {
    enable_logging = true
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_dns_record_set" "host" {
  for_each = local._owned_hosts

  project      = var.project_id
  managed_zone = google_dns_managed_zone.main["main"].name
  name         = "${each.value}."
  type         = "A"
  ttl          = 60
  rrdatas      = [google_compute_global_address.main.address]

  lifecycle {
    # The cut-over to another region writes the address, and no apply may undo it.
    ignore_changes = [rrdatas]
  }
}

resource "google_dns_record_set" "delegation" {
  for_each = var.dns_domain == null ? {} : var.delegations

  project      = var.project_id
  managed_zone = google_dns_managed_zone.main["main"].name
  name         = "${each.key}."
  type         = "NS"
  ttl          = 21600
  rrdatas      = each.value
}

resource "google_certificate_manager_dns_authorization" "main" {
  for_each = local._owned_hosts

  project = var.project_id
  name    = replace(each.value, ".", "-")
  domain  = each.value
  labels  = var.labels
}

resource "google_dns_record_set" "authorization" {
  for_each = local._owned_hosts

  project      = var.project_id
  managed_zone = google_dns_managed_zone.main["main"].name
  name         = one(google_certificate_manager_dns_authorization.main[each.value].dns_resource_record[*].name)
  type         = one(google_certificate_manager_dns_authorization.main[each.value].dns_resource_record[*].type)
  ttl          = 300
  rrdatas      = google_certificate_manager_dns_authorization.main[each.value].dns_resource_record[*].data
}

resource "google_certificate_manager_certificate" "main" {
  for_each = local._owned_hosts

  project = var.project_id
  name    = replace(each.value, ".", "-")
  labels  = var.labels

  managed {
    domains            = [each.value]
    dns_authorizations = [google_certificate_manager_dns_authorization.main[each.value].id]
  }

  depends_on = [google_dns_record_set.authorization]
}

resource "google_certificate_manager_certificate_map" "main" {
  for_each = local._zone

  project = var.project_id
  name    = var.name
  labels  = var.labels
}

resource "google_certificate_manager_certificate_map_entry" "main" {
  for_each = local._owned_hosts

  project      = var.project_id
  name         = replace(each.value, ".", "-")
  map          = google_certificate_manager_certificate_map.main["main"].name
  hostname     = each.value
  certificates = [google_certificate_manager_certificate.main[each.value].id]
  labels       = var.labels
}
