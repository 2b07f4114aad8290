# Every resource names its project: this configuration spans all of them.
provider "google" {}
