variable "billing_account" {
  description = "Billing account that pays for the project."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account looks like 012345-6789AB-CDEF01."
  }
}

variable "environment" {
  description = "Environment of the budget."
  type        = string
}

variable "export_dataset" {
  description = "BigQuery dataset for the billing export of the whole account, its key, and its readers (any name → IAM member). In one environment only, since an account has one export. The key lies in the dataset's location and BigQuery's service agent may use it."
  type = object({
    dataset_id = optional(string, "billing")
    kms_key_id = optional(string)
    location   = optional(string, "US")
    readers    = optional(map(string), {})
  })
  default = null

  validation {
    condition     = !anytrue([for member in values(try(var.export_dataset.readers, {})) : contains(["allUsers", "allAuthenticatedUsers"], member)])
    error_message = "The bill is not public."
  }
}

variable "finance_channel" {
  description = "Monitoring notification channel of finance; budgets take e-mail channels only."
  type        = string
}

variable "labels" {
  description = "Labels of the dataset."
  type        = map(string)
  default     = {}
}

variable "monthly_budget_usd" {
  description = "Budget of a calendar month in whole USD."
  type        = number

  validation {
    condition     = var.monthly_budget_usd > 0 && floor(var.monthly_budget_usd) == var.monthly_budget_usd
    error_message = "monthly_budget_usd is a whole number above 0."
  }
}

variable "project_id" {
  description = "Project that holds the dataset."
  type        = string
}

variable "project_number" {
  description = "Number of the project that the budget covers."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number is the number, not the id: gcloud projects describe PROJECT --format='value(projectNumber)'."
  }
}

variable "pubsub_topic" {
  description = "Topic that gets every update of the spend, several times a day, as projects/P/topics/T; null for none."
  type        = string
  default     = null
}
