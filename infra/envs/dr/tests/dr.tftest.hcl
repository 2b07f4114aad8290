mock_provider "google" {}

# What main.tfvars says is checked on the plan of the environment itself; these values only stand in for it.
variables {
  project_id     = "bytereview-prod"
  project_number = 482100000003
  region         = "us-east1"
  image          = "us-east1-docker.pkg.dev/bytereview-prod/bytereview/first@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  network        = { run_cidr = "10.10.0.0/22", services_cidr = "10.10.16.0/20" }
  postgres       = { tier = "db-custom-2-7680", disk_size_gb = 50, highly_available = false, backups_retained = 7 }
  redis          = { memory_size_gb = 1, highly_available = false }

  scaling = {
    api            = { min_instances = 1, max_instances = 4 }
    frontend       = { min_instances = 1, max_instances = 4 }
    worker-cron    = { min_instances = 1, max_instances = 1 }
    worker-extract = { min_instances = 1, max_instances = 4 }
    worker-import  = { min_instances = 1, max_instances = 2 }
  }

  trace_sample_ratio = 0.95
}

run "cold_while_prod_is_well" {
  command = plan

  assert {
    condition     = keys(local.services) == ["api", "frontend"]
    error_message = "No worker runs in a standby: it would work on prod's jobs."
  }

  assert {
    condition     = length(module.postgres) == 0 && length(module.redis) == 0 && length(module.arq_cron) == 0
    error_message = "Neither database nor Redis nor a schedule stands idle."
  }

  assert {
    condition     = output.connection_name == null && output.host == null
    error_message = "What is not there has no address."
  }

  assert {
    condition     = output.environment.region == "us-east1"
    error_message = "The standby is in the other region."
  }
}

run "everything_when_active" {
  command = plan

  variables {
    active = true
  }

  assert {
    condition     = output.environment.services == tolist(["api", "frontend", "worker-cron", "worker-extract", "worker-import"])
    error_message = "After the fail-over all five services run."
  }

  assert {
    condition     = module.postgres[0].instance_name == "bytereview-dr" && length(module.redis) == 1 && length(module.arq_cron) == 1
    error_message = "Database, Redis and schedules are there."
  }
}

run "does_not_collide_with_prod" {
  command = plan

  variables {
    active = true
  }

  assert {
    condition     = module.service["api"].service_account_email == "api-dr-run@bytereview-prod.iam.gserviceaccount.com"
    error_message = "Accounts are one name space in the project that prod and its standby share."
  }

  assert {
    condition     = module.secrets.names["database-url"] == "database-url-dr"
    error_message = "The standby has a database's address of its own."
  }

  assert {
    condition     = module.queue_topic.topic_name == "bytereview-jobs-dr"
    error_message = "Topics are one name space in the project."
  }
}

run "the_same_names_and_tokens_as_prod" {
  command = plan

  assert {
    condition     = output.public_url == { api = "https://api.bytereview.ai", frontend = "https://app.bytereview.ai" }
    error_message = "After the cut-over the standby answers for prod's names."
  }

  assert {
    condition     = output.kms_key_id == "projects/bytereview-prod/locations/us/keyRings/bytereview-tokens/cryptoKeys/bytereview-tokens"
    error_message = "Stored tokens must be readable with prod's key, which lies in the multi-region."
  }
}

run "refuses_a_worker_that_never_wakes" {
  command = plan

  variables {
    scaling = {
      api            = { min_instances = 0, max_instances = 4 }
      frontend       = { min_instances = 0, max_instances = 4 }
      worker-cron    = { min_instances = 0, max_instances = 1 }
      worker-extract = { min_instances = 1, max_instances = 4 }
      worker-import  = { min_instances = 1, max_instances = 2 }
    }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_service_too_few" {
  command = plan

  variables {
    scaling = { api = { min_instances = 0, max_instances = 4 } }
  }

  expect_failures = [var.scaling]
}

run "refuses_a_moving_tag" {
  command = plan

  variables {
    image = "us-central1-docker.pkg.dev/bytereview-prod/bytereview/first:latest"
  }

  expect_failures = [var.image]
}
