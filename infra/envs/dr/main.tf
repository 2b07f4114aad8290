# The cold copy of prod in another region, in prod's project. While prod is well, `active` is false: there is a network, an empty
# registry, secrets, a load balancer without names, and the two public services at minimum 0. `active` adds what costs money or
# must begin from a backup: database, Redis, workers, schedules. Order of a fail-over: infra/README.md.
locals {
  environment = "dr"

  labels = {
    app         = "bytereview"
    environment = local.environment
    managed_by  = "terraform"
  }

  # prod's names: after the cut-over they point here.
  hosts = {
    "app.bytereview.ai" = "frontend"
    "api.bytereview.ai" = "api"
  }

  # Who plans and applies this, deploys revisions and pushes images; made by infra/bootstrap.
  deployer = "serviceAccount:bytereview-tf-deployer@${var.project_id}.iam.gserviceaccount.com"
  planner  = "serviceAccount:bytereview-tf-planner@${var.project_id}.iam.gserviceaccount.com"

  # What prod keeps in the multi-region `us`, so that it is here when prod's region is not.
  certificate_map  = "//certificatemanager.googleapis.com/projects/${var.project_id}/locations/global/certificateMaps/bytereview"
  documents_bucket = "${var.project_id}-documents"
  dumps_bucket     = "${var.project_id}-database-dumps"
  token_key        = "projects/${var.project_id}/locations/us/keyRings/bytereview-tokens/cryptoKeys/bytereview-tokens"

  queue_topic = "bytereview-jobs-dr"
}

locals {
  service_agents = [
    for domain in ["gcp-sa-artifactregistry", "gcp-sa-cloud-sql", "gcp-sa-pubsub", "cloud-redis", "gcp-sa-secretmanager"] :
    "serviceAccount:service-${var.project_number}@${domain}.iam.gserviceaccount.com"
  ]
}

module "data_key" {
  source = "../../modules/kms_key"

  project_id = var.project_id
  location   = var.region
  name       = "bytereview-data"
  labels     = local.labels
  iam        = { "roles/cloudkms.cryptoKeyEncrypterDecrypter" = local.service_agents }
}

module "network" {
  source = "../../modules/network"

  project_id    = var.project_id
  region        = var.region
  name          = "bytereview-dr"
  run_cidr      = var.network.run_cidr
  services_cidr = var.network.services_cidr
}

# The pipeline pushes prod's images here too: prod's registry is down with its region.
module "artifact_registry" {
  source = "../../modules/artifact_registry"

  project_id = var.project_id
  region     = var.region
  kms_key_id = module.data_key.kms_key_id
  labels     = local.labels
  writers    = [local.deployer]
}

module "secrets" {
  source = "../../modules/secrets"

  project_id = var.project_id
  region     = var.region
  suffix     = "-dr"
  kms_key_id = module.data_key.kms_key_id
  labels     = local.labels

  secrets = {
    database-url         = "What the services reach the restored database with: reads and writes rows"
    launchdarkly-sdk-key = "Server-side key of the feature flags: the same value as prod's"
    migrate-database-url = "What the migration job reaches the restored database with: owns the schema"
    redis-auth           = "Password of Memorystore; Terraform puts it in"
  }

  # Terraform refreshes what it wrote, and this password is in the state in any case.
  accessors = { redis-auth = [local.deployer, local.planner] }
}

# Made empty; then region_failover.sh restores a backup onto it, or the dump is imported into it.
module "postgres" {
  source = "../../modules/cloud_sql_postgres"
  count  = var.active ? 1 : 0

  project_id       = var.project_id
  region           = var.region
  name             = var.postgres.instance_name
  tier             = var.postgres.tier
  disk_size_gb     = var.postgres.disk_size_gb
  highly_available = var.postgres.highly_available
  backup           = { retained = var.postgres.backups_retained }
  dump             = { bucket_name = local.dumps_bucket }
  kms_key_id       = module.data_key.kms_key_id
  network_id       = module.network.network_id
  labels           = local.labels
}

# Starts empty: jobs that were queued in the lost region are enqueued again from the database.
module "redis" {
  source = "../../modules/redis_memorystore"
  count  = var.active ? 1 : 0

  project_id       = var.project_id
  region           = var.region
  name             = "bytereview-dr"
  memory_size_gb   = var.redis.memory_size_gb
  highly_available = var.redis.highly_available
  snapshot_period  = var.redis.snapshot_period
  auth_secret_id   = module.secrets.ids["redis-auth"]
  kms_key_id       = module.data_key.kms_key_id
  network_id       = module.network.network_id
  labels           = local.labels
}

# Services. The secrets of database and Redis have values only once there are a database and a Redis.
locals {
  backend_env = merge(
    {
      DOCUMENTS_BUCKET     = local.documents_bucket
      ENVIRONMENT          = local.environment
      KMS_KEY_ID           = local.token_key
      OTEL_TRACES_EXPORTER = "gcp_trace"
      QUEUE_TOPIC          = "projects/${var.project_id}/topics/${local.queue_topic}"
    },
    var.active ? {
      REDIS_CA_CERTS = join("\n", module.redis[0].server_ca_certs)
      REDIS_HOST     = module.redis[0].host
      REDIS_PORT     = tostring(module.redis[0].port)
    } : {},
  )

  backend_secret_env = merge(
    { LAUNCHDARKLY_SDK_KEY = module.secrets.names["launchdarkly-sdk-key"] },
    var.active ? {
      DATABASE_URL   = module.secrets.names["database-url"]
      REDIS_PASSWORD = module.secrets.names["redis-auth"]
    } : {},
  )

  sql_instance = one(module.postgres[*].instance_name)

  public_services = {
    api = {
      container    = { concurrency = 80, cpu = "1", cpu_always_allocated = false, memory = "1Gi", timeout_seconds = 60 }
      env          = local.backend_env
      public       = true
      secret_env   = local.backend_secret_env
      sql_instance = local.sql_instance
      token_key    = { encrypts = true }
    }
    frontend = {
      container    = { concurrency = 80, cpu = "1", cpu_always_allocated = false, memory = "512Mi", timeout_seconds = 60 }
      env          = { API_BASE_URL = "https://api.bytereview.ai", ENVIRONMENT = local.environment }
      public       = true
      secret_env   = {}
      sql_instance = null
      token_key    = null
    }
  }

  workers = {
    for queue in ["cron", "extract", "import"] : "worker-${queue}" => {
      container    = { concurrency = 1, cpu = "1", cpu_always_allocated = true, memory = "1Gi", timeout_seconds = 300 }
      env          = merge(local.backend_env, { ARQ_QUEUE = queue })
      public       = false
      secret_env   = local.backend_secret_env
      sql_instance = local.sql_instance
      token_key    = { encrypts = false }
    } if var.active
  }

  services = merge(local.public_services, local.workers)
}

module "service" {
  source   = "../../modules/cloud_run_service"
  for_each = local.services

  project_id            = var.project_id
  region                = var.region
  name                  = each.key
  image                 = var.image
  labels                = merge(local.labels, { service = each.key })
  binary_authorization  = true
  container             = each.value.container
  env                   = each.value.env
  ingress               = each.value.public ? "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" : "INGRESS_TRAFFIC_INTERNAL_ONLY"
  kms_key               = each.value.token_key == null ? null : { kms_key_id = local.token_key, encrypts = each.value.token_key.encrypts }
  network               = { network_id = module.network.network_id, subnetwork_id = module.network.subnetwork_id }
  public                = each.value.public
  scaling               = { min_instances = var.active ? var.scaling[each.key].min_instances : 0, max_instances = var.scaling[each.key].max_instances }
  secret_env            = each.value.secret_env
  service_account_id    = "${each.key}-dr-run"
  service_account_users = [local.deployer]
  sql_instance          = each.value.sql_instance
  tracing               = { environment = local.environment, sample_ratio = var.trace_sample_ratio }
}

module "migrate_job" {
  source = "../../modules/cloud_run_job"

  project_id            = var.project_id
  region                = var.region
  name                  = "migrate-db"
  image                 = var.image
  labels                = local.labels
  binary_authorization  = true
  max_retries           = 0
  network               = { network_id = module.network.network_id, subnetwork_id = module.network.subnetwork_id }
  secret_env            = var.active ? { DATABASE_URL = module.secrets.names["migrate-database-url"] } : {}
  service_account_id    = "migrate-db-dr-job"
  service_account_users = [local.deployer]
  sql_instance          = local.sql_instance

  # Started by hand it only reports; the console passes `plan` or `run`.
  container = { command = ["python", "-m", "brconsole.jobs.migrate"], args = ["status"] }
}

module "arq_cron" {
  source = "../../modules/arq_cron"
  count  = var.active ? 1 : 0

  project_id         = var.project_id
  region             = var.region
  service            = { name = module.service["worker-cron"].service_name, url = module.service["worker-cron"].service_url }
  service_account_id = "arq-cron-dr"

  schedules = {
    purge-expired = {
      cron        = "20 9 * * *"
      description = "Deletes uploads and results whose time is over"
    }
    run-automations = {
      cron        = "*/5 * * * *"
      description = "Enqueues the automations that are due"
    }
  }
}

module "queue_topic" {
  source = "../../modules/pubsub_topic"

  project_id     = var.project_id
  project_number = var.project_number
  region         = var.region
  name           = local.queue_topic
  kms_key_id     = module.data_key.kms_key_id
  labels         = local.labels
  publishers     = ["serviceAccount:${module.service["api"].service_account_email}"]

  subscriptions = {
    for queue in ["extract", "import"] : queue => {
      subscribers = [for name in keys(local.workers) : "serviceAccount:${module.service[name].service_account_email}" if name == "worker-${queue}"]
    }
  }
}

# prod's bucket of documents, which lies in two regions.
resource "google_storage_bucket_iam_member" "documents" {
  for_each = toset([for name in keys(local.services) : name if contains(["api", "worker-extract", "worker-import"], name)])

  bucket = local.documents_bucket
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${module.service[each.value].service_account_email}"
}

module "load_balancer" {
  source = "../../modules/load_balancer"

  project_id      = var.project_id
  region          = var.region
  name            = "bytereview-dr"
  certificate_map = local.certificate_map
  default_service = module.service["frontend"].service_name
  hosts           = { for host, service in local.hosts : host => module.service[service].service_name }
  labels          = local.labels
}
