variable "agent_expected" {
  description = "Whether a release agent runs here, so that its silence and a late rollout are alerts."
  type        = bool
}

variable "api_service" {
  description = "Cloud Run service whose error ratio pages."
  type        = string
  default     = "api"
}

variable "availability_slos" {
  description = "Service → resource name of its availability objective; each gets the two paging burn alerts."
  type        = map(string)
  default     = {}
}

variable "breakglass_watched" {
  description = "Whether Binary Authorization is enforced here, so that going around it is an alert."
  type        = bool
}

variable "environment" {
  description = "Environment as `brconsole` names it; in the commands of the texts and in the agent's metrics."
  type        = string
}

variable "labels" {
  description = "User labels of the policies; `severity` and `team` are added."
  type        = map(string)
  default     = {}
}

variable "project_id" {
  description = "Project of the policies."
  type        = string
}

variable "queue_exporter_expected" {
  description = "Whether queue depths are reported day and night, so that their absence is an alert."
  type        = bool
}

variable "repository_url" {
  description = "Where docs/ can be read in a browser, such as https://github.com/OWNER/NAME/blob/main."
  type        = string

  validation {
    condition     = startswith(var.repository_url, "https://")
    error_message = "repository_url begins with https://."
  }
}

variable "routes" {
  description = "Notification channel by purpose; the output `routes` of module notification_channels."
  type = object({
    critical = string
    ops      = string
    warning  = string
  })
}
