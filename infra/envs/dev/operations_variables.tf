variable "billing_account" {
  description = "Billing account that pays for the project."
  type        = string
}

variable "console_members" {
  description = "Who holds which role of brconsole: role → any name → IAM member. The agent is added."
  type = object({
    operator = optional(map(string), {})
    releaser = optional(map(string), {})
    viewer   = optional(map(string), {})
  })
}

variable "finance_email" {
  description = "Address that hears of the budget."
  type        = string
}

variable "monthly_budget_usd" {
  description = "Budget of a calendar month in USD."
  type        = number
}

variable "repository_url" {
  description = "Where docs/ can be read in a browser; the alerts link their runbooks there."
  type        = string
}
