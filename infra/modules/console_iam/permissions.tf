# What brconsole asks for, and nothing else: `brconsole doctor` checks the same permissions, and a test compares the two
# lists in both directions. A permission that the console begins to need is added there and here in one change.

locals {
  # Custom roles. The viewer is bound on the project; the others add to it and are bound on single resources only:
  # services, the accounts that they run as, the repository of their images, the migration job.
  permissions = {
    viewer = [
      "bigquery.jobs.create",
      "logging.logEntries.list",
      "monitoring.alertPolicies.list",
      "monitoring.services.list",
      "monitoring.slos.list",
      "monitoring.timeSeries.list",
      "resourcemanager.projects.get",
      "run.executions.list",
      "run.jobs.get",
      "run.revisions.list",
      "run.services.get",
      "run.services.list",
    ]

    # Rollback. IAM cannot tell a rollback from another change of traffic; what sets the operator apart is that no
    # migration can be run and no release be driven.
    operator = [
      "artifactregistry.repositories.downloadArtifacts",
      "iam.serviceAccounts.actAs",
      "run.services.get",
      "run.services.update",
    ]

    releaser = [
      "artifactregistry.repositories.downloadArtifacts",
      "iam.serviceAccounts.actAs",
      "run.executions.cancel",
      "run.jobs.get",
      "run.jobs.run",
      "run.jobs.runWithOverrides",
      "run.jobs.update",
      "run.services.get",
      "run.services.update",
    ]

    # The agent steps and rolls back; migrations are run by a releaser or the pipeline.
    agent = [
      "artifactregistry.repositories.downloadArtifacts",
      "iam.serviceAccounts.actAs",
      "run.services.get",
      "run.services.update",
    ]
  }

  # What no custom role of a project can carry, or what a predefined role of one purpose carries as well.
  predefined = {
    "billing.budgets.list"         = "roles/billing.viewer"          # on the billing account: bootstrap grants it (billing_viewers)
    "bigquery.tables.getData"      = "roles/bigquery.dataViewer"     # on the export's dataset: module budgets grants it
    "logging.logEntries.create"    = "roles/logging.logWriter"       # the audit trail of every write
    "monitoring.timeSeries.create" = "roles/monitoring.metricWriter" # heartbeat and delay of who drives
  }
}
