"""What runs in the cloud: a Cloud Run job starts one of these modules with `python -m`."""
