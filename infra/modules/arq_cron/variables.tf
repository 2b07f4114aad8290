variable "project_id" {
  description = "Project of the schedules."
  type        = string
}

variable "region" {
  description = "Region of the schedules and of the service."
  type        = string
}

variable "schedules" {
  description = "Tasks by name: when (unix-cron), and the JSON arguments that the worker gets. A task is called as POST /cron/NAME and must be safe to call twice."
  type = map(object({
    arguments        = optional(map(string), {})
    cron             = string
    deadline_seconds = optional(number, 60)
    description      = string
    paused           = optional(bool, false)
    retries          = optional(number, 3)
    time_zone        = optional(string, "Etc/UTC")
  }))

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[a-z][a-z0-9-]{0,40}$", name))])
    error_message = "A task's name has lower-case letters, digits and hyphens: it is part of an address."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : length(split(" ", schedule.cron)) == 5])
    error_message = "cron has the five fields of unix-cron: minute hour day month weekday."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : schedule.deadline_seconds >= 15 && schedule.deadline_seconds <= 1800])
    error_message = "Cloud Scheduler waits 15 to 1800 seconds for an answer."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : schedule.retries >= 0 && schedule.retries <= 5])
    error_message = "retries is 0 to 5."
  }
}

variable "service" {
  description = "The Cloud Run service that is called: its name and address."
  type = object({
    name = string
    url  = string
  })
}

variable "service_account_id" {
  description = "Short name of the account that calls the service."
  type        = string
  default     = "arq-cron"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.service_account_id))
    error_message = "A service account's short name has 6 to 30 lower-case letters, digits and hyphens."
  }
}
