locals {
  deployer_roles = [
    "roles/artifactregistry.admin",
    "roles/bigquery.user",
    "roles/binaryauthorization.attestorsAdmin",
    "roles/binaryauthorization.policyEditor",
    "roles/certificatemanager.editor",
    "roles/cloudkms.admin",
    "roles/cloudkms.publicKeyViewer",
    "roles/cloudscheduler.admin",
    "roles/cloudsql.admin",
    "roles/compute.loadBalancerAdmin",
    "roles/compute.networkAdmin",
    "roles/compute.securityAdmin",
    "roles/containeranalysis.notes.editor",
    "roles/dns.admin",
    "roles/iam.roleAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/logging.configWriter",
    "roles/monitoring.editor",
    "roles/pubsub.admin",
    "roles/redis.admin",
    "roles/run.admin",
    "roles/servicenetworking.networksAdmin",
  ]

  # Where a predefined role would be too wide: secrets without their values, buckets without their objects.
  deployer_permissions = [
    "containeranalysis.notes.getIamPolicy",
    "containeranalysis.notes.setIamPolicy",
    "resourcemanager.projects.get",
    "secretmanager.secrets.create",
    "secretmanager.secrets.delete",
    "secretmanager.secrets.get",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.list",
    "secretmanager.secrets.setIamPolicy",
    "secretmanager.secrets.update",
    "secretmanager.versions.add",
    "secretmanager.versions.destroy",
    "secretmanager.versions.disable",
    "secretmanager.versions.enable",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
    "storage.buckets.create",
    "storage.buckets.get",
    "storage.buckets.getIamPolicy",
    "storage.buckets.list",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
  ]

  planner_roles = [
    "roles/artifactregistry.reader",
    "roles/bigquery.metadataViewer",
    "roles/binaryauthorization.attestorsViewer",
    "roles/binaryauthorization.policyViewer",
    "roles/certificatemanager.viewer",
    "roles/cloudkms.publicKeyViewer",
    "roles/cloudkms.viewer",
    "roles/cloudscheduler.viewer",
    "roles/cloudsql.viewer",
    "roles/compute.viewer",
    "roles/containeranalysis.notes.viewer",
    "roles/dns.reader",
    "roles/iam.securityReviewer",
    "roles/logging.viewer",
    "roles/monitoring.viewer",
    "roles/pubsub.viewer",
    "roles/redis.viewer",
    "roles/run.viewer",
    "roles/secretmanager.viewer",
    "roles/storage.bucketViewer",
  ]

  # The provider reads Memorystore's password when it refreshes the instance; no viewer's role has that.
  planner_permissions = ["redis.instances.getAuthString"]

  deployer_grants = {
    for pair in setproduct(keys(local.projects), local.deployer_roles) : "${pair[0]} ${pair[1]}" => { project = pair[0], role = pair[1] }
  }
  planner_grants = {
    for pair in setproduct(keys(local.projects), local.planner_roles) : "${pair[0]} ${pair[1]}" => { project = pair[0], role = pair[1] }
  }

  environment_buckets = { for name, environment in var.environments : name => environment.project_id }
}

resource "google_project_iam_custom_role" "deployer" {
  for_each = local.projects

  project     = each.key
  role_id     = "bytereview_tf_deployer"
  title       = "ByteReview Terraform deployer"
  description = "What the deployer needs beyond predefined roles: secrets without their values, buckets without their objects"
  permissions = local.deployer_permissions

  depends_on = [google_project_service.main]
}

resource "google_project_iam_custom_role" "planner" {
  for_each = local.projects

  project     = each.key
  role_id     = "bytereview_tf_planner"
  title       = "ByteReview Terraform planner"
  description = "What a plan reads beyond the viewers' roles"
  permissions = local.planner_permissions

  depends_on = [google_project_service.main]
}

resource "google_project_iam_member" "planner_custom" {
  for_each = local.projects

  project = each.key
  role    = google_project_iam_custom_role.planner[each.key].name
  member  = "serviceAccount:${google_service_account.planner[each.key].email}"
}

resource "google_project_iam_member" "deployer_custom" {
  for_each = local.projects

  project = each.key
  role    = google_project_iam_custom_role.deployer[each.key].name
  member  = "serviceAccount:${google_service_account.deployer[each.key].email}"
}

resource "google_project_iam_member" "deployer" {
  #checkov:skip=CKV_GCP_49:The deployer makes and removes the services' accounts; it can act as one only where that account says so.
  for_each = local.deployer_grants

  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.deployer[each.value.project].email}"
}

# It grants roles to the services' accounts, but only these: never one with which it could widen its own rights.
resource "google_project_iam_member" "deployer_grants" {
  for_each = local.projects

  project = each.key
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = "serviceAccount:${google_service_account.deployer[each.key].email}"

  condition {
    title       = "only-the-services-roles"
    description = "Roles that the environments grant in the project"
    expression = format(
      "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([%s])",
      join(", ", [for role in sort(var.grantable_roles) : format("'%s'", replace(role, "PROJECT", each.key))]),
    )
  }
}

resource "google_project_iam_member" "planner" {
  for_each = local.planner_grants

  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.planner[each.value.project].email}"
}

resource "google_storage_bucket_iam_member" "deployer_state" {
  for_each = local.environment_buckets

  bucket = google_storage_bucket.state[each.key].name
  role   = "roles/storage.objectAdmin"
  member = "serviceAccount:${google_service_account.deployer[each.value].email}"
}

# Reads the state, and with it the values that a state holds; it cannot take the lock (plan -lock=false).
resource "google_storage_bucket_iam_member" "planner_state" {
  for_each = local.environment_buckets

  bucket = google_storage_bucket.state[each.key].name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.planner[each.value].email}"
}

# Budgets belong to the billing account, not to a project.
resource "google_billing_account_iam_member" "deployer" {
  for_each = local.projects

  billing_account_id = var.billing_account
  role               = "roles/billing.costsManager"
  member             = "serviceAccount:${google_service_account.deployer[each.key].email}"
}

resource "google_billing_account_iam_member" "planner" {
  for_each = local.projects

  billing_account_id = var.billing_account
  role               = "roles/billing.viewer"
  member             = "serviceAccount:${google_service_account.planner[each.key].email}"
}

resource "google_billing_account_iam_member" "viewer" {
  for_each = var.billing_viewers

  billing_account_id = var.billing_account
  role               = "roles/billing.viewer"
  member             = each.value
}
