# Watching the environment, paying for it, and who may run it: what main.tf builds is watched and driven here.

locals {
  # The console's burn rates and gates are computed for these.
  objectives = {
    api      = { availability_goal = 0.999, latency = { goal = 0.99, threshold_ms = 500 } }
    frontend = { availability_goal = 0.999, latency = { goal = 0.99, threshold_ms = 300 } }
  }

  # What the alerts are told with. The containers are made here, the values are put in by people (infra/README.md, step 7);
  # they stand in the state, which only the deployer and the planner can read.
  alert_secrets = {
    pagerduty-critical-key = "Integration key of the PagerDuty service that wakes somebody"
    pagerduty-warning-key  = "Integration key of the PagerDuty service of low urgency"
    slack-ops-token        = "Token of the Slack app that posts to #ops"
  }

  # brconsole.toml of the agent: what differs from the defaults that brconsole brings.
  configuration = <<-EOT
    [environments.${local.environment}]
    project = "${var.project_id}"
    region = "${var.region}"
    budget = { monthly = ${var.monthly_budget_usd}, currency = "USD", billing_account = "${var.billing_account}", export_table = "${local.export_table}" }

    [migrations]
    job = "${module.migrate_job.job_name}"
  EOT

  export_table = "${var.project_id}.billing.gcp_billing_export_v1_${replace(var.billing_account, "-", "_")}"
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
  paging           = true
  slack_auth_token = data.google_secret_manager_secret_version.alerts["slack-ops-token"].secret_data

  pagerduty_critical_service_key = data.google_secret_manager_secret_version.alerts["pagerduty-critical-key"].secret_data
  pagerduty_warning_service_key  = data.google_secret_manager_secret_version.alerts["pagerduty-warning-key"].secret_data
}

module "slo" {
  source = "../../modules/slo"

  project_id = var.project_id
  region     = var.region
  labels     = local.labels
  objectives = { for service, objective in local.objectives : module.service[service].service_name => objective }
}

module "alerts" {
  source = "../../modules/alerts"

  project_id              = var.project_id
  environment             = local.environment
  agent_expected          = true
  availability_slos       = module.slo.availability_slos
  breakglass_watched      = true
  labels                  = local.labels
  queue_exporter_expected = true
  repository_url          = var.repository_url
  routes                  = module.notification_channels.routes
}

# A workspace of its own: what is shown here is shown to those who may see prod.
module "monitoring_dashboards" {
  source = "../../modules/monitoring_dashboards"

  project_id           = var.project_id
  availability_slos    = module.slo.availability_slos
  billing_account      = var.billing_account
  latency_slos         = module.slo.latency_slos
  latency_threshold_ms = local.objectives.api.latency.threshold_ms

  environments = {
    prod = { project_id = var.project_id, monthly_budget_usd = var.monthly_budget_usd }
  }
}

module "budgets" {
  source = "../../modules/budgets"

  project_id         = var.project_id
  project_number     = tostring(var.project_number)
  environment        = local.environment
  billing_account    = var.billing_account
  finance_channel    = module.notification_channels.routes.finance
  labels             = local.labels
  monthly_budget_usd = var.monthly_budget_usd

  # One export for the whole billing account; everybody who holds a role reads it, and what other environments name.
  export_dataset = {
    kms_key_id = module.billing_key.kms_key_id
    readers = merge(
      var.export_readers,
      { release-agent = "serviceAccount:${module.release_agent.service_account_email}" },
      merge([for role, members in var.console_members : { for name, member in members : "${role} ${name}" => member }]...),
    )
  }
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

  members = merge(var.console_members, {
    agent = { release-agent = "serviceAccount:${module.release_agent.service_account_email}" }
  })
}

module "release_agent" {
  source = "../../modules/release_agent"

  project_id            = var.project_id
  region                = var.region
  environment           = local.environment
  binary_authorization  = true
  configuration         = local.configuration
  deletion_protection   = true
  image                 = var.image
  kms_key_id            = module.kms_key["data"].kms_key_id
  labels                = local.labels
  service_account_users = [local.deployer]
}

module "recommender_digest" {
  source = "../../modules/recommender_digest"

  project_id           = var.project_id
  region               = var.region
  binary_authorization = true
  deletion_protection  = true
  image                = var.image
  labels               = local.labels
  slack_webhook_secret = module.operations_secrets.names["slack-digest-webhook"]
}

# BigQuery in the US wants a key in the US, which its own service agent uses. The agent exists once somebody has asked for it:
# `bq show --encryption_service_account --project_id=PROJECT`.
module "billing_key" {
  source = "../../modules/kms_key"

  project_id = var.project_id
  location   = "us"
  name       = "bytereview-billing"
  labels     = local.labels
  iam = {
    "roles/cloudkms.cryptoKeyEncrypterDecrypter" = ["serviceAccount:bq-${var.project_number}@bigquery-encryption.iam.gserviceaccount.com"]
  }
}
