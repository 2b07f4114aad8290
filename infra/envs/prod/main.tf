locals {
  environment = "prod"

  labels = {
    app         = "bytereview"
    environment = local.environment
    managed_by  = "terraform"
  }

  # Host names, each with the service that answers.
  hosts = {
    "app.bytereview.ai" = "frontend"
    "api.bytereview.ai" = "api"
  }

  # Who plans and applies this, deploys revisions and pushes images; made by infra/bootstrap.
  deployer = "serviceAccount:bytereview-tf-deployer@${var.project_id}.iam.gserviceaccount.com"
  planner  = "serviceAccount:bytereview-tf-planner@${var.project_id}.iam.gserviceaccount.com"

  # Names that two modules must agree on without one waiting for the other.
  documents_bucket = "${var.project_id}-documents"
  queue_topic      = "bytereview-jobs"
}

# Keys. Cloud SQL, Memorystore and the registry want a key in their own region. Tokens and objects must be readable from the
# other region when this one is down, so their keys lie in the multi-region.
locals {
  service_agents = {
    for service, domain in {
      artifact_registry = "gcp-sa-artifactregistry"
      cloud_sql         = "gcp-sa-cloud-sql"
      pubsub            = "gcp-sa-pubsub"
      redis             = "cloud-redis"
      secret_manager    = "gcp-sa-secretmanager"
      storage           = "gs-project-accounts"
    } : service => "serviceAccount:service-${var.project_number}@${domain}.iam.gserviceaccount.com"
  }

  kms_keys = {
    data = {
      location = var.region
      users = [
        local.service_agents.artifact_registry,
        local.service_agents.cloud_sql,
        local.service_agents.pubsub,
        local.service_agents.redis,
        local.service_agents.secret_manager,
      ]
    }
    objects = { location = "us", users = [local.service_agents.storage] }
    tokens  = { location = "us", users = [] }
  }
}

module "kms_key" {
  source   = "../../modules/kms_key"
  for_each = local.kms_keys

  project_id = var.project_id
  location   = each.value.location
  name       = "bytereview-${each.key}"
  labels     = local.labels
  iam        = { "roles/cloudkms.cryptoKeyEncrypterDecrypter" = each.value.users }
}

module "network" {
  source = "../../modules/network"

  project_id    = var.project_id
  region        = var.region
  name          = "bytereview"
  run_cidr      = var.network.run_cidr
  services_cidr = var.network.services_cidr
}

module "artifact_registry" {
  source = "../../modules/artifact_registry"

  project_id = var.project_id
  region     = var.region
  kms_key_id = module.kms_key["data"].kms_key_id
  labels     = local.labels
  writers    = [local.deployer]
}

module "secrets" {
  source = "../../modules/secrets"

  project_id = var.project_id
  region     = var.region
  kms_key_id = module.kms_key["data"].kms_key_id
  labels     = local.labels

  secrets = {
    database-url         = "What the services reach the database with: reads and writes rows"
    launchdarkly-sdk-key = "Server-side key of the feature flags"
    migrate-database-url = "What the migration job reaches the database with: owns the schema"
    redis-auth           = "Password of Memorystore; Terraform puts it in"
  }

  # Terraform refreshes what it wrote, and this password is in the state in any case.
  accessors = { redis-auth = [local.deployer, local.planner] }
}

# A dump is readable when the region of the database, its key and its backups is not.
module "database_dumps" {
  source = "../../modules/storage"

  project_id = var.project_id
  name       = "${var.project_id}-database-dumps"
  kms_key_id = module.kms_key["objects"].kms_key_id
  labels     = local.labels
}

module "postgres" {
  source = "../../modules/cloud_sql_postgres"

  project_id       = var.project_id
  region           = var.region
  name             = var.postgres.instance_name
  tier             = var.postgres.tier
  disk_size_gb     = var.postgres.disk_size_gb
  highly_available = var.postgres.highly_available
  backup           = { retained = var.postgres.backups_retained }
  dump             = { bucket_name = module.database_dumps.bucket_name }
  kms_key_id       = module.kms_key["data"].kms_key_id
  network_id       = module.network.network_id
  labels           = local.labels
}

module "redis" {
  source = "../../modules/redis_memorystore"

  project_id          = var.project_id
  region              = var.region
  name                = "bytereview"
  memory_size_gb      = var.redis.memory_size_gb
  highly_available    = var.redis.highly_available
  snapshot_period     = var.redis.snapshot_period
  deletion_protection = true
  auth_secret_id      = module.secrets.ids["redis-auth"]
  kms_key_id          = module.kms_key["data"].kms_key_id
  network_id          = module.network.network_id
  labels              = local.labels
}

# Services. Who is public stands behind the load balancer; workers are reached by Cloud Scheduler and their probes only.
locals {
  backend_env = {
    DOCUMENTS_BUCKET     = local.documents_bucket
    ENVIRONMENT          = local.environment
    KMS_KEY_ID           = module.kms_key["tokens"].kms_key_id
    OTEL_TRACES_EXPORTER = "gcp_trace"
    QUEUE_TOPIC          = "projects/${var.project_id}/topics/${local.queue_topic}"
    REDIS_CA_CERTS       = join("\n", module.redis.server_ca_certs)
    REDIS_HOST           = module.redis.host
    REDIS_PORT           = tostring(module.redis.port)
  }

  backend_secret_env = {
    DATABASE_URL         = module.secrets.names["database-url"]
    LAUNCHDARKLY_SDK_KEY = module.secrets.names["launchdarkly-sdk-key"]
    REDIS_PASSWORD       = module.secrets.names["redis-auth"]
  }

  worker = {
    container    = { concurrency = 1, cpu = "1", cpu_always_allocated = true, memory = "1Gi", timeout_seconds = 300 }
    public       = false
    sql_instance = module.postgres.instance_name
    token_key    = { encrypts = false }
  }

  services = {
    api = {
      container    = { concurrency = 80, cpu = "1", cpu_always_allocated = false, memory = "1Gi", timeout_seconds = 60 }
      env          = local.backend_env
      public       = true
      secret_env   = local.backend_secret_env
      sql_instance = module.postgres.instance_name
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
    worker-cron    = merge(local.worker, { env = merge(local.backend_env, { ARQ_QUEUE = "cron" }), secret_env = local.backend_secret_env })
    worker-extract = merge(local.worker, { env = merge(local.backend_env, { ARQ_QUEUE = "extract" }), secret_env = local.backend_secret_env })
    worker-import  = merge(local.worker, { env = merge(local.backend_env, { ARQ_QUEUE = "import" }), secret_env = local.backend_secret_env })
  }
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
  deletion_protection   = true
  env                   = each.value.env
  ingress               = each.value.public ? "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" : "INGRESS_TRAFFIC_INTERNAL_ONLY"
  kms_key               = each.value.token_key == null ? null : { kms_key_id = module.kms_key["tokens"].kms_key_id, encrypts = each.value.token_key.encrypts }
  network               = { network_id = module.network.network_id, subnetwork_id = module.network.subnetwork_id }
  public                = each.value.public
  scaling               = var.scaling[each.key]
  secret_env            = each.value.secret_env
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
  deletion_protection   = true
  max_retries           = 0
  network               = { network_id = module.network.network_id, subnetwork_id = module.network.subnetwork_id }
  secret_env            = { DATABASE_URL = module.secrets.names["migrate-database-url"] }
  service_account_users = [local.deployer]
  sql_instance          = module.postgres.instance_name

  # Started by hand it only reports; the console passes `plan` or `run`.
  container = { command = ["python", "-m", "brconsole.jobs.migrate"], args = ["status"] }
}

module "arq_cron" {
  source = "../../modules/arq_cron"

  project_id = var.project_id
  region     = var.region
  service    = { name = module.service["worker-cron"].service_name, url = module.service["worker-cron"].service_url }

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
  kms_key_id     = module.kms_key["data"].kms_key_id
  labels         = local.labels
  publishers     = ["serviceAccount:${module.service["api"].service_account_email}"]

  subscriptions = {
    extract = { subscribers = ["serviceAccount:${module.service["worker-extract"].service_account_email}"] }
    import  = { subscribers = ["serviceAccount:${module.service["worker-import"].service_account_email}"] }
  }
}

module "documents" {
  source = "../../modules/storage"

  project_id = var.project_id
  name       = local.documents_bucket
  kms_key_id = module.kms_key["objects"].kms_key_id
  labels     = local.labels

  iam = {
    "roles/storage.objectUser" = [
      for service in ["api", "worker-extract", "worker-import"] : "serviceAccount:${module.service[service].service_account_email}"
    ]
  }
}

module "load_balancer" {
  source = "../../modules/load_balancer"

  project_id      = var.project_id
  region          = var.region
  name            = "bytereview"
  default_service = module.service["frontend"].service_name
  delegations     = var.delegations
  dns_domain      = "bytereview.ai"
  hosts           = { for host, service in local.hosts : host => module.service[service].service_name }
  labels          = local.labels
}

# Only what the pipeline has built and tested may run. The key lies in the multi-region: images must be vouched for, and checked,
# while this region is down.
module "attestor_key" {
  source = "../../modules/kms_key"

  project_id = var.project_id
  location   = "us"
  name       = "bytereview-attestor"
  purpose    = "ASYMMETRIC_SIGN"
  labels     = local.labels
}

data "google_kms_crypto_key_version" "attestor" {
  crypto_key = module.attestor_key.kms_key_id
  version    = 1
}

module "binary_authorization" {
  source = "../../modules/binary_authorization"

  project_id = var.project_id
  signers    = [local.deployer]

  key = {
    kms_key_id     = module.attestor_key.kms_key_id
    public_key_pem = one(data.google_kms_crypto_key_version.attestor.public_key[*].pem)
    version        = 1
  }
}
