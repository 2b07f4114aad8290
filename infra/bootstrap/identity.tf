# GitHub's tokens instead of keys. A pool in each project, so that who rules dev's has no way into prod.
resource "google_iam_workload_identity_pool" "github" {
  for_each = local.projects

  project                   = each.key
  workload_identity_pool_id = "github"
  display_name              = "GitHub Actions"

  depends_on = [google_project_service.main]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:The scanner looks for a condition on assertion.sub. This one names owner and repository by number, and each account is bound to exact subjects.
  for_each = local.projects

  project                            = each.key
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[each.key].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"

  # By number: a name can be given up and registered by somebody else.
  attribute_condition = "assertion.repository_owner_id == '${var.github.owner_id}' && assertion.repository_id == '${var.github.repository_id}'"

  attribute_mapping = {
    "attribute.repository_id" = "assertion.repository_id"
    "google.subject"          = "assertion.sub"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "deployer" {
  for_each = local.projects

  project      = each.key
  account_id   = "bytereview-tf-deployer"
  display_name = "Plans, applies and deploys; only from a job in a GitHub environment"

  depends_on = [google_project_service.main]
}

resource "google_service_account" "planner" {
  for_each = local.projects

  project      = each.key
  account_id   = "bytereview-tf-planner"
  display_name = "Plans pull requests and looks for drift; changes nothing"

  depends_on = [google_project_service.main]
}

locals {
  # The reviewers that GitHub asks for an environment are the gate: no other job of the repository becomes its deployer.
  deployer_subjects = merge([
    for project, environments in local.projects : {
      for environment in environments : environment => { project = project, subject = "repo:${var.github.repository}:environment:${environment}" }
    }
  ]...)

  planner_subjects = merge([
    for project in keys(local.projects) : {
      "${project} drift"        = { project = project, subject = "repo:${var.github.repository}:ref:refs/heads/main" }
      "${project} pull-request" = { project = project, subject = "repo:${var.github.repository}:pull_request" }
    }
  ]...)
}

resource "google_service_account_iam_member" "deployer" {
  for_each = local.deployer_subjects

  service_account_id = google_service_account.deployer[each.value.project].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github[each.value.project].name}/subject/${each.value.subject}"
}

resource "google_service_account_iam_member" "planner" {
  for_each = local.planner_subjects

  service_account_id = google_service_account.planner[each.value.project].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github[each.value.project].name}/subject/${each.value.subject}"
}
