variable "binary_authorization" {
  description = "Whether the project's Binary Authorization policy decides which images may run."
  type        = bool
  default     = false
}

variable "container" {
  description = <<-EOT
    The container's shape: CPUs, memory, requests at a time, and the paths of its probes. `startup_seconds` is how long a start may
    take, a multiple of 5. Workers need `cpu_always_allocated`, since they work outside requests. `command` and `args` replace the image's.
  EOT
  type = object({
    args                 = optional(list(string))
    command              = optional(list(string))
    concurrency          = optional(number, 80)
    cpu                  = optional(string, "1")
    cpu_always_allocated = optional(bool, false)
    liveness_path        = optional(string, "/healthz")
    memory               = optional(string, "512Mi")
    port                 = optional(number, 8080)
    startup_path         = optional(string, "/readyz")
    startup_seconds      = optional(number, 60)
    timeout_seconds      = optional(number, 60)
  })
  default = {}

  validation {
    condition     = var.container.concurrency >= 1 && var.container.concurrency <= 1000
    error_message = "Cloud Run takes 1 to 1000 requests at a time in an instance."
  }

  validation {
    condition     = var.container.startup_seconds % 5 == 0 && var.container.startup_seconds >= 5 && var.container.startup_seconds <= 240
    error_message = "startup_seconds must be a multiple of 5 from 5 to 240, Cloud Run's limit for a start."
  }

  validation {
    condition     = var.container.timeout_seconds >= 1 && var.container.timeout_seconds <= 3600
    error_message = "Cloud Run gives a request 1 to 3600 seconds."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the service."
  type        = bool
  default     = true
}

variable "env" {
  description = "Environment variables, by name. The OTEL_ variables of tracing are added."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "Image of the first revision, by digest. Only used when the service is created: afterwards the pipeline owns the image."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The image must be named by digest (…@sha256:<64 hexadecimal digits>): a tag can be moved."
  }
}

variable "ingress" {
  description = "Where requests may come from."
  type        = string
  default     = "INGRESS_TRAFFIC_INTERNAL_ONLY"

  validation {
    condition     = contains(["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"], var.ingress)
    error_message = "ingress is one of INGRESS_TRAFFIC_ALL, INGRESS_TRAFFIC_INTERNAL_ONLY, INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER."
  }
}

variable "invokers" {
  description = "Members that may call the service, such as serviceAccount:…. For everybody see `public`."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setintersection(var.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Use `public = true` for a service that everybody may call."
  }
}

variable "kms_key" {
  description = "Key for the tokens that the service stores: it may decrypt, and encrypt where `encrypts` is true. Null for none."
  type = object({
    encrypts   = optional(bool, false)
    kms_key_id = string
  })
  default = null
}

variable "labels" {
  description = "Labels of the service."
  type        = map(string)
  default     = {}
}

variable "name" {
  description = "Name of the service."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$", var.name))
    error_message = "A service name has at most 49 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "network" {
  description = "Network and subnetwork through which the service reaches private addresses."
  type = object({
    network_id    = string
    subnetwork_id = string
  })
}

variable "project_id" {
  description = "Project of the service."
  type        = string
}

variable "public" {
  description = "Whether everybody may call the service: needed behind an external load balancer, which brings no identity."
  type        = bool
  default     = false
}

variable "region" {
  description = "Region of the service."
  type        = string
}

variable "scaling" {
  description = "How few and how many instances a revision has."
  type = object({
    max_instances = number
    min_instances = optional(number, 0)
  })

  validation {
    condition     = var.scaling.min_instances >= 0 && var.scaling.max_instances >= 1 && var.scaling.min_instances <= var.scaling.max_instances
    error_message = "Instances must satisfy 0 <= min_instances <= max_instances, with at least one."
  }
}

variable "secret_env" {
  description = "Environment variables that come from Secret Manager: name of the variable => short name of the secret in the same project."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for secret in values(var.secret_env) : can(regex("^[A-Za-z0-9_-]{1,255}$", secret))])
    error_message = "secret_env names secrets (letters, digits, _ and -), never values or resource paths."
  }
}

variable "service_account_id" {
  description = "Short name of the account that the service runs as, where it is not NAME-run."
  type        = string
  default     = null

  validation {
    condition     = var.service_account_id == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.service_account_id))
    error_message = "A service account's short name has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "service_account_users" {
  description = "Members that may deploy revisions which run as the service's account, and move traffic between them."
  type        = list(string)
  default     = []
}

variable "sql_instance" {
  description = "Name of the Cloud SQL instance that the service may connect to; null for none."
  type        = string
  default     = null
}

variable "tracing" {
  description = "The environment's name on spans, and the share of requests that are traced (0 to 1)."
  type = object({
    environment  = string
    sample_ratio = number
  })

  validation {
    condition     = var.tracing.sample_ratio >= 0 && var.tracing.sample_ratio <= 1
    error_message = "sample_ratio is a share from 0 to 1, not per cent."
  }
}
