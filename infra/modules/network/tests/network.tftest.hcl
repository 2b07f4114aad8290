mock_provider "google" {}

variables {
  project_id    = "br-dev-4821"
  region        = "us-central1"
  name          = "bytereview"
  run_cidr      = "10.10.0.0/22"
  services_cidr = "10.10.16.0/20"
}

run "nothing_comes_in" {
  assert {
    condition     = google_compute_firewall.deny_ingress.direction == "INGRESS" && one(google_compute_firewall.deny_ingress.deny).protocol == "all"
    error_message = "All ingress must be refused."
  }

  assert {
    condition     = length(google_compute_firewall.deny_ingress.allow) == 0
    error_message = "The rule that refuses must not allow."
  }

  assert {
    condition     = !google_compute_network.main.auto_create_subnetworks
    error_message = "No subnetworks in every region of the world."
  }
}

run "google_is_reached_privately_and_flows_are_logged" {
  assert {
    condition     = google_compute_subnetwork.run.private_ip_google_access
    error_message = "Google's APIs must be reached without a public address."
  }

  assert {
    condition     = one(google_compute_subnetwork.run.log_config).flow_sampling == 0.1
    error_message = "A tenth of the flows is logged."
  }
}

run "private_services_get_the_range_asked_for" {
  assert {
    condition     = google_compute_global_address.services.address == "10.10.16.0" && google_compute_global_address.services.prefix_length == 20
    error_message = "Address and prefix length come from services_cidr."
  }

  assert {
    condition     = google_compute_global_address.services.purpose == "VPC_PEERING" && google_service_networking_connection.services.service == "servicenetworking.googleapis.com"
    error_message = "The range belongs to the peering with Google's services."
  }

  assert {
    condition     = output.network_id == google_compute_network.main.id && output.subnetwork_id == google_compute_subnetwork.run.id
    error_message = "The outputs name network and subnetwork."
  }
}

run "refuses_a_range_too_small_for_direct_egress" {
  command = plan

  variables {
    run_cidr = "10.10.0.0/28"
  }

  expect_failures = [var.run_cidr]
}

run "refuses_what_is_no_range" {
  command = plan

  variables {
    services_cidr = "10.10.16.0"
  }

  expect_failures = [var.services_cidr]
}

run "refuses_to_log_no_flows" {
  command = plan

  variables {
    flow_sampling = 0
  }

  expect_failures = [var.flow_sampling]
}
