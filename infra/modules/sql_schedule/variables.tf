variable "instance_name" {
  description = "Cloud SQL instance that sleeps out of hours."
  type        = string
}

variable "project_id" {
  description = "Project of the instance."
  type        = string

  validation {
    condition     = !strcontains(var.project_id, "prod")
    error_message = "A production database is not stopped by a schedule."
  }
}

variable "region" {
  description = "Region of the Scheduler jobs."
  type        = string
}

variable "start_schedule" {
  description = "When it starts, in cron's format; also after a weekend."
  type        = string
  default     = "0 7 * * 1-5"
}

variable "stop_schedule" {
  description = "When it stops, in cron's format. Every day, so that one started by hand on a Saturday sleeps again."
  type        = string
  default     = "0 20 * * *"
}

variable "time_zone" {
  description = "Time zone of the office hours."
  type        = string
  default     = "Europe/Berlin"
}
