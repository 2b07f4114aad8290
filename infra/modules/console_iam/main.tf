locals {
  _titles = {
    agent    = "brconsole agent"
    operator = "brconsole operator"
    releaser = "brconsole releaser"
    viewer   = "brconsole viewer"
  }
  _descriptions = {
    agent    = "Steps rollouts and rolls them back; bound on services and the accounts that they run as."
    operator = "Rolls back; bound on services and the accounts that they run as."
    releaser = "Releases and runs migrations; bound on services, the migration job and the accounts that they run as."
    viewer   = "Everything that brconsole shows."
  }
}

resource "google_project_iam_custom_role" "main" {
  for_each = local.permissions

  project     = var.project_id
  role_id     = "brconsole${title(each.key)}"
  title       = local._titles[each.key]
  description = local._descriptions[each.key]
  permissions = each.value
}
