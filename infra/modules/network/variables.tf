variable "flow_sampling" {
  description = "Share of flows that are logged, from 0 to 1."
  type        = number
  default     = 0.1

  validation {
    condition     = var.flow_sampling > 0 && var.flow_sampling <= 1
    error_message = "flow_sampling is a share above 0 and up to 1."
  }
}

variable "name" {
  description = "Name of the network, and first part of the names in it."
  type        = string
}

variable "project_id" {
  description = "Project of the network."
  type        = string
}

variable "region" {
  description = "Region of the subnetwork."
  type        = string
}

variable "run_cidr" {
  description = "Addresses of Cloud Run's instances."
  type        = string

  validation {
    condition     = can(cidrhost(var.run_cidr, 0)) && try(tonumber(split("/", var.run_cidr)[1]), 99) <= 26
    error_message = "Direct VPC egress needs a range of /26 or larger, such as 10.10.0.0/24."
  }
}

variable "services_cidr" {
  description = "Addresses of Cloud SQL and Memorystore; must not overlap with run_cidr."
  type        = string

  validation {
    condition     = can(cidrhost(var.services_cidr, 0)) && try(tonumber(split("/", var.services_cidr)[1]), 99) <= 24
    error_message = "Private services need a range of /24 or larger, such as 10.20.0.0/20."
  }
}
