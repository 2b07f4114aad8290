variable "binary_authorization" {
  description = "Whether the project's Binary Authorization policy decides which images may run."
  type        = bool
  default     = false
}

variable "container" {
  description = "CPUs, memory, and what replaces the image's command and arguments."
  type = object({
    args    = optional(list(string))
    command = optional(list(string))
    cpu     = optional(string, "1")
    memory  = optional(string, "512Mi")
  })
  default = {}
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the job."
  type        = bool
  default     = true
}

variable "env" {
  description = "Environment variables, by name."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "Image of the job, by digest. Only used when the job is created: afterwards the pipeline and the console own the image."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The image must be named by digest (…@sha256:<64 hexadecimal digits>): a tag can be moved."
  }
}

variable "labels" {
  description = "Labels of the job."
  type        = map(string)
  default     = {}
}

variable "max_retries" {
  description = "How often a failed task is tried again by itself. 0 for what a person must look at first, such as a migration."
  type        = number
  default     = 0

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 10
    error_message = "max_retries is 0 to 10."
  }
}

variable "name" {
  description = "Name of the job."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$", var.name))
    error_message = "A job's name has at most 49 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "network" {
  description = "Network and subnetwork through which the job reaches private addresses."
  type = object({
    network_id    = string
    subnetwork_id = string
  })
}

variable "project_id" {
  description = "Project of the job."
  type        = string
}

variable "region" {
  description = "Region of the job."
  type        = string
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
  description = "Short name of the account that the job runs as, where it is not NAME-job."
  type        = string
  default     = null

  validation {
    condition     = var.service_account_id == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.service_account_id))
    error_message = "A service account's short name has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "service_account_users" {
  description = "Members that may pin the job's image and start it as the job's account."
  type        = list(string)
  default     = []
}

variable "sql_instance" {
  description = "Name of the Cloud SQL instance that the job may connect to; null for none."
  type        = string
  default     = null
}

variable "timeout_seconds" {
  description = "How long one try may take."
  type        = number
  default     = 3600

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 86400
    error_message = "A task may take 1 second to 24 hours."
  }
}
