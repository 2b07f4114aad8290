resource "google_bigquery_dataset_iam_member" "reader" {
  for_each = var.export_dataset == null ? {} : var.export_dataset.readers

  project    = var.project_id
  dataset_id = google_bigquery_dataset.export[0].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}
