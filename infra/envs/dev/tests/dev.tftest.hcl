mock_provider "google" {}

# What main.tfvars says is checked on the plan of the environment itself; these values only stand in for it.
variables {
  project_id     = "br-dev-4821"
  project_number = 482100000001
  region         = "us-central1"
  image          = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/first@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
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

  trace_sample_ratio = 0
}

run "five_services_and_the_migration_job" {
  command = plan

  assert {
    condition     = output.environment.services == tolist(["api", "frontend", "worker-cron", "worker-extract", "worker-import"])
    error_message = "The environment has the five services."
  }

  assert {
    condition     = output.environment == { job = "migrate-db", name = "dev", project = "br-dev-4821", region = "us-central1", services = output.environment.services }
    error_message = "The console reads from this output where the environment is."
  }

  assert {
    condition     = module.migrate_job.service_account_email == "migrate-db-job@br-dev-4821.iam.gserviceaccount.com"
    error_message = "The migration job runs as its own account."
  }

  assert {
    condition     = length(distinct([for service in module.service : service.service_account_email])) == 5
    error_message = "No two services share an account."
  }
}

run "names_of_the_specification" {
  command = plan

  assert {
    condition     = output.public_url.frontend == "https://dev.bytereview.ai"
    error_message = "dev answers at dev.bytereview.ai."
  }

  assert {
    condition     = output.repository_url == "us-central1-docker.pkg.dev/br-dev-4821/bytereview"
    error_message = "Images lie where the specification says."
  }
}

run "workers_are_internal_and_never_public" {
  command = plan

  assert {
    condition     = alltrue([for name, service in local.services : !service.public if startswith(name, "worker-")])
    error_message = "Workers are called by Cloud Scheduler and their probes only."
  }

  assert {
    condition     = alltrue([for name, service in local.services : service.container.cpu_always_allocated && service.container.concurrency == 1 if startswith(name, "worker-")])
    error_message = "Workers work outside requests, so their CPU must not be taken away between them."
  }
}

run "only_the_api_encrypts_tokens" {
  command = plan

  assert {
    condition     = [for name, service in local.services : name if try(service.token_key.encrypts, false)] == ["api"]
    error_message = "Workers read tokens; the API stores them."
  }

  assert {
    condition     = local.services.frontend.token_key == null && length(local.services.frontend.secret_env) == 0
    error_message = "The frontend has neither keys nor secrets."
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
    image = "us-central1-docker.pkg.dev/br-dev-4821/bytereview/first:latest"
  }

  expect_failures = [var.image]
}
