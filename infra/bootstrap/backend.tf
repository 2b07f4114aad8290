# The bucket is made here, so the first apply runs with a local state; see README.md.
terraform {
  backend "gcs" {
    bucket = "bytereview-tf-state-bootstrap"
    prefix = "env"
  }
}
