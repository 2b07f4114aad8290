variable "environment" {
  description = "Environment that the channels speak for; part of their names."
  type        = string
}

variable "finance_email" {
  description = "Address that hears of budgets."
  type        = string

  validation {
    condition     = can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.finance_email))
    error_message = "finance_email must be one e-mail address."
  }
}

variable "labels" {
  description = "User labels of the channels."
  type        = map(string)
  default     = {}
}

variable "pagerduty_critical_service_key" {
  description = "Events API v1 integration key of the PagerDuty service that wakes somebody. Needed where `paging` is true."
  type        = string
  default     = null
  sensitive   = true
}

variable "pagerduty_warning_service_key" {
  description = "Integration key of the PagerDuty service of low urgency. Needed where `paging` is true."
  type        = string
  default     = null
  sensitive   = true
}

variable "paging" {
  description = "Whether PagerDuty is told. Without it everything that would page goes to Slack."
  type        = bool
}

variable "project_id" {
  description = "Project of the channels."
  type        = string
}

variable "slack_auth_token" {
  description = "Token of the Slack app that posts."
  type        = string
  sensitive   = true
}

variable "slack_channel" {
  description = "Slack channel of the operators."
  type        = string
  default     = "#ops"

  validation {
    condition     = startswith(var.slack_channel, "#")
    error_message = "slack_channel begins with #."
  }
}
