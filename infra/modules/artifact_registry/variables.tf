variable "keep_count" {
  description = "Newest versions of each image that are kept, however old."
  type        = number
  default     = 50

  validation {
    condition     = var.keep_count >= 10
    error_message = "Keep at least ten versions: a rollback needs its image."
  }
}

variable "keep_days" {
  description = "Days after which the versions beyond keep_count are deleted."
  type        = number
  default     = 90
}

variable "kms_key_id" {
  description = "Key of the images, in the repository's region. Artifact Registry's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
}

variable "name" {
  description = "Name of the repository."
  type        = string
  default     = "bytereview"
}

variable "project_id" {
  description = "Project of the repository."
  type        = string
}

variable "readers" {
  description = "Members that may pull, besides Cloud Run's own agent in the project."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setintersection(var.readers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Images are never public."
  }
}

variable "region" {
  description = "Region of the repository."
  type        = string
}

variable "writers" {
  description = "Members that may push: the pipeline."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setintersection(var.writers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Images are never written by everybody."
  }
}
