variable "certificate_map" {
  description = "Certificate map of the environment that this one stands by for (//certificatemanager.googleapis.com/projects/P/locations/global/certificateMaps/M). Only without dns_domain."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_map == null || can(regex("^//certificatemanager.googleapis.com/projects/[^/]+/locations/global/certificateMaps/[^/]+$", var.certificate_map))
    error_message = "certificate_map is //certificatemanager.googleapis.com/projects/P/locations/global/certificateMaps/M."
  }
}

variable "default_service" {
  description = "Service that answers for a name that is none of `hosts`."
  type        = string
}

variable "delegations" {
  description = "Name servers of domains below dns_domain that have a zone elsewhere, by domain."
  type        = map(list(string))
  default     = {}
}

variable "dns_domain" {
  description = "Domain whose zone is made here; all hosts lie in it. Null for a standby, whose names another environment owns."
  type        = string
  default     = null

  validation {
    condition     = var.dns_domain == null || can(regex("^([a-z0-9-]+\\.)+[a-z]+$", var.dns_domain))
    error_message = "dns_domain is a lower-case domain without a dot at the end."
  }
}

variable "hosts" {
  description = "Host names, each with the Cloud Run service that answers."
  type        = map(string)

  validation {
    condition     = length(var.hosts) > 0 && alltrue([for host in keys(var.hosts) : can(regex("^([a-z0-9-]+\\.)+[a-z]+$", host))])
    error_message = "hosts names at least one host, in lower case and without a dot at the end."
  }
}

variable "labels" {
  description = "Labels of what can have labels."
  type        = map(string)
  default     = {}
}

variable "log_sample_rate" {
  description = "Share of requests that the load balancer logs. Cloud Run logs them all."
  type        = number
  default     = 0.1

  validation {
    condition     = var.log_sample_rate >= 0 && var.log_sample_rate <= 1
    error_message = "log_sample_rate is a share from 0 to 1."
  }
}

variable "name" {
  description = "First part of all names."
  type        = string
}

variable "project_id" {
  description = "Project of the load balancer."
  type        = string
}

variable "region" {
  description = "Region of the services."
  type        = string
}

variable "requests_per_minute" {
  description = "Requests a minute from one address before it is answered with 429."
  type        = number
  default     = 1200

  validation {
    condition     = var.requests_per_minute >= 60
    error_message = "Fewer than 60 requests a minute would lock out ordinary users."
  }
}
