variable "attestor_name" {
  description = "Name of the attestor and of its note."
  type        = string
  default     = "pipeline"
}

variable "enforced" {
  description = "Whether an image without attestation is refused; otherwise it is only written to the audit log."
  type        = bool
  default     = true
}

variable "key" {
  description = "The signing key in Cloud KMS (EC_SIGN_P256_SHA256), the version used, and that version's public half."
  type = object({
    kms_key_id     = string
    public_key_pem = string
    version        = optional(number, 1)
  })
}

variable "project_id" {
  description = "Project whose Cloud Run the policy rules; it has one policy."
  type        = string
}

variable "signers" {
  description = "Members that may vouch for an image. Must be known at plan."
  type        = list(string)

  validation {
    condition     = alltrue([for member in var.signers : startswith(member, "serviceAccount:")])
    error_message = "Only service accounts vouch for images; people do not."
  }
}
