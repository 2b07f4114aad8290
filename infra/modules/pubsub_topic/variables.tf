variable "kms_key_id" {
  description = "Key of the messages. Pub/Sub's service agent must be able to use it."
  type        = string
}

variable "labels" {
  description = "Labels of topics and subscriptions."
  type        = map(string)
  default     = {}
}

variable "name" {
  description = "Name of the topic, and first part of its subscriptions' names."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{2,99}$", var.name)) && !startswith(var.name, "goog")
    error_message = "A topic's name has 3 to 100 letters, digits and hyphens, and does not begin with goog."
  }
}

variable "project_id" {
  description = "Project of the topic."
  type        = string
}

variable "project_number" {
  description = "Number of the project, for the name of Pub/Sub's service agent."
  type        = number
}

variable "publishers" {
  description = "Members that may publish. Must be known at plan."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setintersection(var.publishers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "A topic is never public."
  }
}

variable "region" {
  description = "The only region in which messages are kept."
  type        = string
}

variable "subscriptions" {
  description = "Pull subscriptions by the last part of their name: who may pull, how long it has for a message, and after how many attempts (5 to 100) a message is moved to a dead-letter topic, unless `dead_letters` is false."
  type = map(object({
    ack_deadline_seconds  = optional(number, 60)
    dead_letters          = optional(bool, true)
    max_delivery_attempts = optional(number, 5)
    subscribers           = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for subscription in values(var.subscriptions) : subscription.max_delivery_attempts >= 5 && subscription.max_delivery_attempts <= 100])
    error_message = "max_delivery_attempts is 5 to 100."
  }

  validation {
    condition     = alltrue([for subscription in values(var.subscriptions) : subscription.ack_deadline_seconds >= 10 && subscription.ack_deadline_seconds <= 600])
    error_message = "ack_deadline_seconds is 10 to 600."
  }
}
