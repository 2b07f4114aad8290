variable "iam" {
  description = "Members by role on the key. Members must be known at plan."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for role in keys(var.iam) : startswith(role, "roles/cloudkms.")])
    error_message = "Only roles of Cloud KMS (roles/cloudkms.…) belong on a key."
  }
}

variable "labels" {
  description = "Labels of the key."
  type        = map(string)
  default     = {}
}

variable "location" {
  description = "Region or multi-region of the key. Cloud SQL and Memorystore want the region of their instance; a multi-region outlives a region."
  type        = string
}

variable "name" {
  description = "Name of the key, and of the ring of its own that it lies on. A ring can never be deleted."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,63}$", var.name))
    error_message = "A key's name has at most 63 letters, digits, underscores and hyphens."
  }
}

variable "project_id" {
  description = "Project of the key."
  type        = string
}

variable "purpose" {
  description = "ENCRYPT_DECRYPT, or ASYMMETRIC_SIGN for the attestor's key (EC_SIGN_P256_SHA256 in hardware)."
  type        = string
  default     = "ENCRYPT_DECRYPT"

  validation {
    condition     = contains(["ENCRYPT_DECRYPT", "ASYMMETRIC_SIGN"], var.purpose)
    error_message = "purpose is ENCRYPT_DECRYPT or ASYMMETRIC_SIGN."
  }
}

variable "rotation_days" {
  description = "Days after which a new version becomes primary."
  type        = number
  default     = 90

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 90
    error_message = "Keys are rotated at least every 90 days."
  }
}
