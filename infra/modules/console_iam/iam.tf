# Keys are names, never members: who a member is may be known only after apply.

locals {
  _members = {
    agent    = var.members.agent
    operator = var.members.operator
    releaser = var.members.releaser
    viewer   = var.members.viewer
  }

  _holders = merge([
    for role, members in local._members : { for name, member in members : "${role} ${name}" => { role = role, member = member } }
  ]...)
  _writers = { for key, holder in local._holders : key => holder if holder.role != "viewer" }
  _drivers = { for key, holder in local._holders : key => holder if contains(["agent", "releaser"], holder.role) }

  _on_services = merge([
    for key, holder in local._writers : {
      for service, account in var.services : "${key} ${service}" => merge(holder, { service = service, account = account })
    }
  ]...)
  _on_jobs = merge([
    for key, holder in local._writers : {
      for job, account in var.jobs : "${key} ${job}" => merge(holder, { job = job, account = account })
    } if holder.role == "releaser"
  ]...)
}

resource "google_project_iam_member" "viewer" {
  for_each = local._holders

  project = var.project_id
  role    = google_project_iam_custom_role.main["viewer"].name
  member  = each.value.member
}

resource "google_project_iam_member" "audit_writer" {
  for_each = local._writers

  project = var.project_id
  role    = local.predefined["logging.logEntries.create"]
  member  = each.value.member
}

resource "google_project_iam_member" "metric_writer" {
  for_each = local._drivers

  project = var.project_id
  role    = local.predefined["monitoring.timeSeries.create"]
  member  = each.value.member
}

resource "google_cloud_run_v2_service_iam_member" "main" {
  for_each = local._on_services

  project  = var.project_id
  location = var.region
  name     = each.value.service
  role     = google_project_iam_custom_role.main[each.value.role].name
  member   = each.value.member
}

# Moving traffic asks for actAs on the account of the revision, each time.
resource "google_service_account_iam_member" "service" {
  for_each = local._on_services

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value.account}"
  role               = google_project_iam_custom_role.main[each.value.role].name
  member             = each.value.member
}

resource "google_cloud_run_v2_job_iam_member" "main" {
  for_each = local._on_jobs

  project  = var.project_id
  location = var.region
  name     = each.value.job
  role     = google_project_iam_custom_role.main[each.value.role].name
  member   = each.value.member
}

resource "google_service_account_iam_member" "job" {
  for_each = local._on_jobs

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value.account}"
  role               = google_project_iam_custom_role.main[each.value.role].name
  member             = each.value.member
}

# The image of a revision is looked up while its traffic is changed.
resource "google_artifact_registry_repository_iam_member" "main" {
  for_each = local._writers

  project    = var.project_id
  location   = var.region
  repository = var.repository
  role       = google_project_iam_custom_role.main[each.value.role].name
  member     = each.value.member
}
