# The dataset that the billing export is pointed at, once, in the billing account's settings: there is no API for that.

resource "google_bigquery_dataset" "export" {
  count = var.export_dataset == null ? 0 : 1

  project       = var.project_id
  dataset_id    = var.export_dataset.dataset_id
  friendly_name = "Billing export"
  description   = "Cloud Billing export of ${var.billing_account}; brconsole reads spend from it."
  location      = var.export_dataset.location
  labels        = var.labels

  dynamic "default_encryption_configuration" {
    for_each = var.export_dataset.kms_key_id == null ? [] : [var.export_dataset.kms_key_id]

    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  # BigQuery refuses to delete a dataset with tables in it, so the bill survives a destroy.
  delete_contents_on_destroy = false

  lifecycle {
    # The export adds an entry for its own service account; an access list kept here would take it away again.
    ignore_changes = [access]
  }
}
