variable "labels" {
  description = "User labels of the services and objectives."
  type        = map(string)
  default     = {}
}

variable "objectives" {
  description = "Cloud Run service → its objectives: the share of requests without 5xx, and the share answered within a time."
  type = map(object({
    availability_goal = number
    latency = optional(object({
      goal         = number
      threshold_ms = number
    }))
  }))

  validation {
    condition = alltrue(flatten([
      for objective in values(var.objectives) : [
        for goal in compact([objective.availability_goal, try(objective.latency.goal, null)]) : tonumber(goal) > 0 && tonumber(goal) <= 0.9999
      ]
    ]))
    error_message = "A goal is above 0 and at most 0.9999, which is Cloud Monitoring's limit."
  }

  validation {
    condition     = alltrue([for objective in values(var.objectives) : try(objective.latency.threshold_ms, 1) > 0])
    error_message = "threshold_ms is above 0."
  }
}

variable "period_days" {
  description = "Rolling period of the objectives; the console's gate speaks of the 30-day budget."
  type        = number
  default     = 30

  validation {
    condition     = var.period_days >= 1 && var.period_days <= 30 && floor(var.period_days) == var.period_days
    error_message = "period_days is a whole number of days, at most 30."
  }
}

variable "project_id" {
  description = "Project of the services."
  type        = string
}

variable "region" {
  description = "Region of the Cloud Run services."
  type        = string
}
