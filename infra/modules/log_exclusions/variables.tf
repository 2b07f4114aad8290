variable "health_check_paths" {
  description = "Paths of health checks, as RE2 expressions that begin with /."
  type        = list(string)
  default     = ["/healthz", "/readyz", "/livez", "/api/health"]

  validation {
    condition     = length(var.health_check_paths) > 0 && alltrue([for path in var.health_check_paths : can(regex("^/.+", path))])
    error_message = "Each path begins with / and is more than that, else every request would be excluded."
  }
}

variable "progress_poll_paths" {
  description = "Paths that the browser polls, as RE2 expressions that begin with /."
  type        = list(string)
  default     = ["/api/(jobs|runs|operations)/[^/?]+/(progress|status)"]

  validation {
    condition     = length(var.progress_poll_paths) > 0 && alltrue([for path in var.progress_poll_paths : can(regex("^/.+", path))])
    error_message = "Each path begins with / and is more than that, else every request would be excluded."
  }
}

variable "project_id" {
  description = "Project of the log."
  type        = string
}
