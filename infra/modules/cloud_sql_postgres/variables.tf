variable "backup" {
  description = "Daily backups: when they start (UTC), how many are kept, and where. A multi-region outlives the instance's region."
  type = object({
    location   = optional(string, "us")
    retained   = optional(number, 7)
    start_time = optional(string, "07:00")
  })
  default = {}

  validation {
    condition     = var.backup.retained >= 7
    error_message = "At least seven daily backups: point-in-time recovery reaches back seven days."
  }

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup.start_time))
    error_message = "start_time is HH:MM in UTC."
  }
}

variable "database_name" {
  description = "Name of the database."
  type        = string
  default     = "bytereview"
}

variable "database_version" {
  description = "PostgreSQL release."
  type        = string
  default     = "POSTGRES_17"

  validation {
    condition     = can(regex("^POSTGRES_[0-9]+$", var.database_version))
    error_message = "database_version is such as POSTGRES_17."
  }
}

variable "disk_size_gb" {
  description = "Size of the new disk. It grows by itself up to ten times that; growth is not drift."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_size_gb >= 10
    error_message = "Cloud SQL wants at least 10 GB."
  }
}

variable "dump" {
  description = "Daily dump into a bucket that keeps versions, at the given time (UTC; the dump begins ten minutes later). Null for none: a stopped instance cannot be dumped."
  type = object({
    bucket_name = string
    hour_utc    = optional(number, 8)
    minute      = optional(number, 0)
  })
  default = null

  validation {
    condition     = try(var.dump.minute, 0) <= 49
    error_message = "minute is at most 49, so that the dump begins in the same hour."
  }
}

variable "highly_available" {
  description = "Whether a standby in another zone takes over."
  type        = bool
  default     = false
}

variable "kms_key_id" {
  description = "Key of the disk and of the backups; must be in the instance's region. Cloud SQL's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of the instance."
  type        = map(string)
  default     = {}
}

variable "name" {
  description = "Name of the instance. After deletion it stays taken for a week."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,78}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 80 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "network_id" {
  description = "Network with a private services connection."
  type        = string
}

variable "project_id" {
  description = "Project of the instance."
  type        = string
}

variable "region" {
  description = "Region of the instance."
  type        = string
}

variable "tier" {
  description = "Machine type, such as db-custom-2-7680 (2 CPUs, 7680 MB)."
  type        = string

  validation {
    condition     = can(regex("^db-(custom-[0-9]+-[0-9]+|f1-micro|g1-small)$", var.tier))
    error_message = "tier is db-custom-CPUS-MEGABYTES, db-f1-micro or db-g1-small."
  }
}
