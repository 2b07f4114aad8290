output "bucket_name" {
  description = "Name of the bucket, with its members in place."
  value       = google_storage_bucket.main.name

  depends_on = [google_storage_bucket_iam_member.main]
}
