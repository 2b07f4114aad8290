variable "iam" {
  description = "Members by role on the bucket. Members must be known at plan."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setintersection(flatten(values(var.iam)), ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "A bucket is never public."
  }
}

variable "kms_key_id" {
  description = "Key of the objects, in the bucket's location. Cloud Storage's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = {}
}

variable "location" {
  description = "Region or multi-region of the bucket; a multi-region outlives a region."
  type        = string
  default     = "US"
}

variable "name" {
  description = "Name of the bucket, which no other bucket in the world has; begins with the project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "project_id" {
  description = "Project of the bucket."
  type        = string
}

variable "version_retention_days" {
  description = "Days for which a deleted or overwritten object can be copied back."
  type        = number
  default     = 30

  validation {
    condition     = var.version_retention_days >= 30
    error_message = "Versions are kept for at least 30 days."
  }
}
