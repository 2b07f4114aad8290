variable "binary_authorization" {
  description = "Whether the project's Binary Authorization policy decides which images may run."
  type        = bool
  default     = false
}

variable "configuration" {
  description = "Contents of brconsole.toml: project, region and budget of the environment. No secrets."
  type        = string

  validation {
    condition     = strcontains(var.configuration, "[environments.")
    error_message = "The configuration describes at least one environment: [environments.NAME]."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the job."
  type        = bool
  default     = true
}

variable "drives" {
  description = "Whether it steps and rolls back. Without it, where the environment opens read-only, it watches and tells."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Environment as the configuration names it."
  type        = string
}

variable "image" {
  description = "Image with brconsole, by digest. Only used when the job is created: afterwards the pipeline owns the image."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "The image must be named by digest (…@sha256:<64 hexadecimal digits>): a tag can be moved."
  }
}

variable "kms_key_id" {
  description = "Key of the configuration in Secret Manager; null for Google's own."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of the job and the configuration."
  type        = map(string)
  default     = {}
}

variable "pass_timeout_seconds" {
  description = "How long one pass may take. It looks at every rollout once; its API calls have deadlines of seconds."
  type        = number
  default     = 120

  validation {
    condition     = var.pass_timeout_seconds >= 60 && var.pass_timeout_seconds <= 600
    error_message = "A pass takes 60 to 600 seconds at most: the dead man's switch pages after 300 without one."
  }
}

variable "paused" {
  description = "Whether the schedule rests. Silence the dead man's switch first: it pages after five minutes."
  type        = bool
  default     = false
}

variable "project_id" {
  description = "Project of the fleet."
  type        = string
}

variable "region" {
  description = "Region of the job."
  type        = string
}

variable "service_account_users" {
  description = "Members that may replace the job's image."
  type        = list(string)
  default     = []
}
