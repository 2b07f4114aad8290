variable "jobs" {
  description = "Migration job → e-mail of the account that it runs as."
  type        = map(string)
  default     = {}
}

variable "members" {
  description = "Who holds which role: any name → IAM member. Everybody also views."
  type = object({
    agent    = optional(map(string), {})
    operator = optional(map(string), {})
    releaser = optional(map(string), {})
    viewer   = optional(map(string), {})
  })
  default = {}

  validation {
    condition = !anytrue(flatten([
      for members in [var.members.agent, var.members.operator, var.members.releaser, var.members.viewer] : [
        for member in values(members) : contains(["allUsers", "allAuthenticatedUsers"], member)
      ]
    ]))
    error_message = "Nobody in particular is no member: name users, groups or service accounts."
  }
}

variable "project_id" {
  description = "Project of the fleet."
  type        = string
}

variable "region" {
  description = "Region of services, jobs and repository."
  type        = string
}

variable "repository" {
  description = "Artifact Registry repository of the services' images."
  type        = string
}

variable "services" {
  description = "Cloud Run service → e-mail of the account that it runs as: what may be written."
  type        = map(string)
  default     = {}
}
