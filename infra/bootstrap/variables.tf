variable "billing_account" {
  description = "Billing account of all projects."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is XXXXXX-XXXXXX-XXXXXX, in hexadecimal capitals."
  }
}

variable "billing_viewers" {
  description = "Members besides the planners that see budgets: who uses the console, and prod's release agent once it exists. Granted here because only an administrator of the billing account can."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.billing_viewers : can(regex("^(user|group|serviceAccount):", member))])
    error_message = "A member is user:…, group:… or serviceAccount:…, never everybody."
  }
}

variable "environments" {
  description = "Environments by name, with the project of each; prod must be one of them. The name is also that of the GitHub environment."
  type = map(object({
    project_id = string
  }))

  validation {
    condition     = contains(keys(var.environments), "prod") && !contains(keys(var.environments), "bootstrap")
    error_message = "There must be an environment prod, and none may be called bootstrap: that is the name of this stack's own bucket."
  }
}

variable "github" {
  description = "The repository whose workflows deploy: OWNER/NAME, and the numbers of owner and repository (`gh api repos/OWNER/NAME --jq '.owner.id, .id'`)."
  type = object({
    owner_id      = string
    repository    = string
    repository_id = string
  })

  validation {
    condition     = can(regex("^[0-9]+$", var.github.owner_id)) && can(regex("^[0-9]+$", var.github.repository_id))
    error_message = "owner_id and repository_id are numbers: a name can be registered by somebody else, a number cannot."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github.repository))
    error_message = "repository is OWNER/NAME."
  }
}

variable "grantable_roles" {
  description = "Roles that the deployer may grant in a project; PROJECT in one stands for the project's id. Every role that an environment grants with google_project_iam_member must be here."
  type        = set(string)

  validation {
    condition = length(setintersection(var.grantable_roles, [
      "roles/editor", "roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser", "roles/owner",
      "roles/resourcemanager.projectIamAdmin",
    ])) == 0
    error_message = "With such a role the deployer could give itself everything."
  }
}

variable "state_bucket_prefix" {
  description = "What the names of the state buckets begin with; -ENVIRONMENT follows."
  type        = string
  default     = "bytereview-tf-state"
}
