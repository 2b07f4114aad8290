variable "auth_secret_id" {
  description = "Full name of the secret that the password is put into."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/secrets/[^/]+$", var.auth_secret_id))
    error_message = "auth_secret_id is projects/PROJECT/secrets/NAME."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the instance."
  type        = bool
  default     = true
}

variable "highly_available" {
  description = "Whether a replica in another zone takes over."
  type        = bool
  default     = false
}

variable "kms_key_id" {
  description = "Key of the data at rest, in the instance's region. Memorystore's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of the instance."
  type        = map(string)
  default     = {}
}

variable "memory_size_gb" {
  description = "Memory of the instance."
  type        = number

  validation {
    condition     = var.memory_size_gb >= 1 && var.memory_size_gb <= 300
    error_message = "Memorystore has 1 to 300 GB."
  }
}

variable "name" {
  description = "Name of the instance."
  type        = string
}

variable "network_id" {
  description = "Network with a private services connection."
  type        = string
}

variable "project_id" {
  description = "Project of the instance."
  type        = string
}

variable "redis_version" {
  description = "Redis release."
  type        = string
  default     = "REDIS_7_2"
}

variable "region" {
  description = "Region of the instance."
  type        = string
}

variable "snapshot_period" {
  description = "How often the queue is written to disk, such as ONE_HOUR; null for never."
  type        = string
  default     = null

  validation {
    condition     = var.snapshot_period == null || contains(["ONE_HOUR", "SIX_HOURS", "TWELVE_HOURS", "TWENTY_FOUR_HOURS"], coalesce(var.snapshot_period, "-"))
    error_message = "snapshot_period is ONE_HOUR, SIX_HOURS, TWELVE_HOURS or TWENTY_FOUR_HOURS."
  }
}
