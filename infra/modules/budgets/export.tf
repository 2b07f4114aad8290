# The dataset that the billing export is pointed at, once, in the billing account's settings: there is no API for that.

resource "google_bigquery_dataset" "export" {
  #checkov:skip=CKV_GCP_81:The export is written by Google's billing service; a customer key would stop it silently, and the rows hold amounts, no customer data.
  count = var.export_dataset == null ? 0 : 1

  project       = var.project_id
  dataset_id    = var.export_dataset.dataset_id
  friendly_name = "Billing export"
  description   = "Cloud Billing export of ${var.billing_account}; brconsole reads spend from it."
  location      = var.export_dataset.location
  labels        = var.labels

  # BigQuery refuses to delete a dataset with tables in it, so the bill survives a destroy.
  delete_contents_on_destroy = false

  lifecycle {
    # The export adds an entry for its own service account; an access list kept here would take it away again.
    ignore_changes = [access]
  }
}
