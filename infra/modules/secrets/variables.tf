variable "accessors" {
  description = "Members that may read a value, by the secret's name: for what Terraform itself must read. Must be known at plan."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setintersection(flatten(values(var.accessors)), ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "A secret is never public."
  }
}

variable "kms_key_id" {
  description = "Key of the values, in `region`. Secret Manager's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of the secrets."
  type        = map(string)
  default     = {}
}

variable "project_id" {
  description = "Project of the secrets."
  type        = string
}

variable "region" {
  description = "The only region in which the values are kept."
  type        = string
}

variable "secrets" {
  description = "Secrets by name, with what each is for. Never a value."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-z][a-z0-9-]{1,99}$", name))])
    error_message = "A secret's name has lower-case letters, digits and hyphens."
  }
}

variable "suffix" {
  description = "Last part of the secrets' names, where two environments share a project."
  type        = string
  default     = ""
}
