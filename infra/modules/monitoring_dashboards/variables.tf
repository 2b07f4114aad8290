variable "api_service" {
  description = "Cloud Run service whose revisions are compared."
  type        = string
  default     = "api"
}

variable "availability_slos" {
  description = "Service → resource name of its availability objective."
  type        = map(string)
}

variable "billing_account" {
  description = "Billing account that the cost dashboard links to."
  type        = string
}

variable "environments" {
  description = "Environments shown, each with its project and monthly budget. Several share the dashboards, grouped by project; their projects must be in the metrics scope of `project_id`."
  type = map(object({
    monthly_budget_usd = number
    project_id         = string
  }))

  validation {
    condition     = length(var.environments) > 0
    error_message = "At least one environment is shown."
  }

  validation {
    condition     = !contains(keys(var.environments), "prod") || length(var.environments) == 1
    error_message = "prod has dashboards of its own and shares them with no other environment."
  }
}

variable "latency_slos" {
  description = "Service → resource name of its latency objective."
  type        = map(string)
}

variable "latency_threshold_ms" {
  description = "Latency of the API that still counts as good; a line in the chart."
  type        = number
}

variable "prices_usd" {
  description = "List prices of Cloud Run in USD, for the estimate between two exports of the bill. Not read from Google: check them against the price list of the region."
  type = object({
    cpu_second        = optional(number, 0.000024)
    memory_gib_second = optional(number, 0.0000025)
  })
  default = {}
}

variable "project_id" {
  description = "Project that holds the dashboards: the scoping project of the metrics scope."
  type        = string
}

variable "top_services" {
  description = "How many services the cost dashboard ranks."
  type        = number
  default     = 5

  validation {
    condition     = var.top_services >= 1 && var.top_services <= 20
    error_message = "top_services is between 1 and 20."
  }
}
