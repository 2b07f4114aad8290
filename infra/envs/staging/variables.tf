variable "image" {
  description = "Image of the first revision of every service and of the migration job, by digest: for bootstrap only. Afterwards the pipeline owns the images, and this is not looked at."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The image must be named by digest (…@sha256:<64 hexadecimal digits>)."
  }
}

variable "network" {
  description = "Addresses of Cloud Run's instances, and of Cloud SQL and Memorystore. No two environments overlap, so that they could be peered."
  type = object({
    run_cidr      = string
    services_cidr = string
  })
}

variable "postgres" {
  description = "Machine, disk, standby and kept daily backups of the database. Another instance_name is for an instance that was restored beside the old one."
  type = object({
    backups_retained = number
    disk_size_gb     = number
    highly_available = bool
    instance_name    = optional(string, "bytereview")
    tier             = string
  })
}

variable "project_id" {
  description = "Project of the environment."
  type        = string
}

variable "project_number" {
  description = "Number of the project, for the names of Google's service agents."
  type        = number
}

variable "redis" {
  description = "Memory, replica and snapshots of the queues' Redis."
  type = object({
    highly_available = bool
    memory_size_gb   = number
    snapshot_period  = optional(string)
  })
}

variable "region" {
  description = "Region of the environment."
  type        = string
}

variable "scaling" {
  description = "Fewest and most instances of a revision, by service. A worker needs one at least: it polls its queue."
  type = map(object({
    max_instances = number
    min_instances = number
  }))

  validation {
    condition     = toset(keys(var.scaling)) == toset(["api", "frontend", "worker-cron", "worker-extract", "worker-import"])
    error_message = "scaling names exactly the five services: api, frontend, worker-cron, worker-extract, worker-import."
  }

  validation {
    condition     = alltrue([for name, scaling in var.scaling : scaling.min_instances >= 1 if startswith(name, "worker-")])
    error_message = "A worker that scales to zero never wakes: it polls its queue and gets no requests."
  }
}

variable "trace_sample_ratio" {
  description = "Share of requests that are traced, from 0 to 1."
  type        = number
}
