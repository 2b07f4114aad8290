project_id     = "bytereview-prod"
project_number = 482100000003
region         = "us-central1"

# For bootstrap only. Cloud Run refuses this digest: the first apply names a real one (-var image=…), see infra/README.md.
image = "us-central1-docker.pkg.dev/bytereview-prod/bytereview/first@sha256:0000000000000000000000000000000000000000000000000000000000000000"

network = { run_cidr = "10.30.0.0/22", services_cidr = "10.30.16.0/20" }

postgres = { tier = "db-custom-4-15360", disk_size_gb = 200, highly_available = true, backups_retained = 30 }

redis = { memory_size_gb = 5, highly_available = true, snapshot_period = "ONE_HOUR" }

scaling = {
  api            = { min_instances = 3, max_instances = 60 }
  frontend       = { min_instances = 3, max_instances = 40 }
  worker-cron    = { min_instances = 1, max_instances = 1 }
  worker-extract = { min_instances = 1, max_instances = 8 }
  worker-import  = { min_instances = 1, max_instances = 4 }
}

trace_sample_ratio = 0.95
