variable "binary_authorization" {
  description = "Whether the project's Binary Authorization policy decides which images may run."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the job."
  type        = bool
  default     = true
}

variable "image" {
  description = "Any image with python3 3.11 or later, by digest; brconsole's own will do. Only used when the job is created."
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

variable "project_id" {
  description = "Project that is looked at, and that holds the job."
  type        = string
}

variable "region" {
  description = "Region of the job, and of the resources that are looked at."
  type        = string
}

variable "schedule" {
  description = "When it is told, in cron's format."
  type        = string
  default     = "0 9 * * 1"
}

variable "slack_webhook_secret" {
  description = "Short name of the secret that holds the address of Slack's incoming webhook."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.slack_webhook_secret))
    error_message = "slack_webhook_secret names a secret, it is not the address."
  }
}

variable "time_zone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "Europe/Berlin"
}
