billing_account = "01A2B3-C4D5E6-F70819"

# After the first apply of prod: people, and serviceAccount:<the release agent's address>.
billing_viewers = []

environments = {
  dev     = { project_id = "br-dev-4821" }
  staging = { project_id = "br-stage-4821" }
  prod    = { project_id = "bytereview-prod" }
  dr      = { project_id = "bytereview-prod" }
}

# gh api repos/OWNER/NAME --jq '.owner.id, .id': these two are placeholders, and with wrong ones nothing can log in.
github = {
  repository    = "bytereview/bytereview"
  owner_id      = "100000001"
  repository_id = "200000001"
}

# Every role that an environment grants in its project.
grantable_roles = [
  "projects/PROJECT/roles/brconsoleViewer",
  "projects/PROJECT/roles/database_dump_us_central1",
  "projects/PROJECT/roles/database_dump_us_east1",
  "projects/PROJECT/roles/recommenderDigest",
  "projects/PROJECT/roles/sqlSchedule",
  "roles/cloudsql.client",
  "roles/cloudtrace.agent",
  "roles/logging.logWriter",
  "roles/monitoring.metricWriter",
]
