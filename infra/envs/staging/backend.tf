# The bucket is made by infra/bootstrap. The lock is the object env/default.tflock in it.
terraform {
  backend "gcs" {
    bucket = "bytereview-tf-state-staging"
    prefix = "env"
  }
}
