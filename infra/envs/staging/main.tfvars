project_id     = "br-stage-4821"
project_number = 482100000002
region         = "us-central1"

# For bootstrap only. Cloud Run refuses this digest: the first apply names a real one (-var image=…), see infra/README.md.
image = "us-central1-docker.pkg.dev/br-stage-4821/bytereview/first@sha256:0000000000000000000000000000000000000000000000000000000000000000"

network = { run_cidr = "10.20.0.0/22", services_cidr = "10.20.16.0/20" }

postgres = { tier = "db-custom-2-7680", disk_size_gb = 50, highly_available = false, backups_retained = 7 }

redis = { memory_size_gb = 1, highly_available = false }

scaling = {
  api            = { min_instances = 1, max_instances = 60 }
  frontend       = { min_instances = 1, max_instances = 40 }
  worker-cron    = { min_instances = 1, max_instances = 1 }
  worker-extract = { min_instances = 1, max_instances = 4 }
  worker-import  = { min_instances = 1, max_instances = 2 }
}

trace_sample_ratio = 0.1
