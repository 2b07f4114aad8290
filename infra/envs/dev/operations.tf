# Watching the environment, paying for it, and who may run it: what main.tf builds is watched and driven here.

locals {

  # What the alerts are told with. The containers are made here, the values are put in by people (infra/README.md, step 7);
  # they stand in the state, which only the deployer and the planner can read.
  alert_secrets = {
    slack-ops-token = "Token of the Slack app that posts to #ops"
  }
}

module "operations_secrets" {
  source = "../../modules/secrets"

  project_id = var.project_id
  region     = var.region
  kms_key_id = module.kms_key["data"].kms_key_id
  labels     = local.labels
  secrets    = merge(local.alert_secrets, { slack-digest-webhook = "Slack's incoming webhook for the weekly Recommender digest" })

  # Who plans reads them too: they are arguments of the channels.
  accessors = { for name in keys(local.alert_secrets) : name => [local.deployer, local.planner] }
}

data "google_secret_manager_secret_version" "alerts" {
  for_each = local.alert_secrets

  project = var.project_id
  secret  = module.operations_secrets.names[each.key]

  depends_on = [module.operations_secrets]
}

module "notification_channels" {
  source = "../../modules/notification_channels"

  project_id       = var.project_id
  environment      = local.environment
  finance_email    = var.finance_email
  labels           = local.labels
  paging           = false
  slack_auth_token = data.google_secret_manager_secret_version.alerts["slack-ops-token"].secret_data
}

module "alerts" {
  source = "../../modules/alerts"

  project_id              = var.project_id
  environment             = local.environment
  agent_expected          = false
  breakglass_watched      = false
  labels                  = local.labels
  queue_exporter_expected = false
  repository_url          = var.repository_url
  routes                  = module.notification_channels.routes
}

# The dashboards of dev are staging's: see module monitoring_dashboards there.

module "budgets" {
  source = "../../modules/budgets"

  project_id         = var.project_id
  project_number     = tostring(var.project_number)
  environment        = local.environment
  billing_account    = var.billing_account
  finance_channel    = module.notification_channels.routes.finance
  labels             = local.labels
  monthly_budget_usd = var.monthly_budget_usd
}

module "log_exclusions" {
  source = "../../modules/log_exclusions"

  project_id = var.project_id
}

module "console_iam" {
  source = "../../modules/console_iam"

  project_id = var.project_id
  region     = var.region
  jobs       = { (module.migrate_job.job_name) = module.migrate_job.service_account_email }
  repository = module.artifact_registry.repository_name
  services   = { for name, service in module.service : name => service.service_account_email }

  members = var.console_members
}

module "recommender_digest" {
  source = "../../modules/recommender_digest"

  project_id           = var.project_id
  region               = var.region
  binary_authorization = false
  deletion_protection  = false
  image                = var.image
  labels               = local.labels
  slack_webhook_secret = module.operations_secrets.names["slack-digest-webhook"]
}

# The database sleeps out of hours (§7 of the specification). main.tf leaves its activation policy alone.
module "sql_schedule" {
  source = "../../modules/sql_schedule"

  project_id    = var.project_id
  region        = var.region
  instance_name = module.postgres.instance_name
}
